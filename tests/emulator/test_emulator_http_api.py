"""The HTTP API of `faas-runtime serve`, from the request to the function and back."""

from __future__ import annotations

import os
from collections.abc import Callable

from tests.emulator.support import Emulator

Shared = Callable[[str], Emulator]
Serve = Callable[..., Emulator]


def test_requests_become_events_and_returned_documents_become_responses(shared: Shared) -> None:
    response = shared("web").request("GET", "/some/path?x=1")
    assert (response.status, response.body) == (201, b"hello")
    assert (response.headers["x-path"], response.headers["set-cookie"]) == ("/some/path", "a=1, b=2")
    assert response.headers["content-type"] == "text/plain"
    plain = shared("web").request("GET", "/plain")
    assert (plain.status, plain.json, plain.headers["content-type"]) == (200, {"hello": "there"}, "application/json")
    event = shared("echo").request("PUT", "/p?a=b", b"text", Content_Type="text/plain", Cookie="c=d").json
    assert (event["version"], event["rawPath"], event["rawQueryString"]) == ("2.0", "/p", "a=b")
    assert (event["body"], event["isBase64Encoded"], event["cookies"]) == ("text", False, ["c=d"])
    assert event["requestContext"]["http"]["method"] == "PUT"


def test_invalid_response_documents_are_explained(serve: Serve) -> None:
    emulator = serve("web", "--timeout", "1")
    for path, status in (("/bad", 502), ("/die", 502), ("/nap", 504)):
        response = emulator.request("GET", path)
        assert response.status == status
        assert "message" in response.json
    assert "statusCode is 'many'" in emulator.err
    assert "exit status 4" in emulator.err
    assert emulator.request("POST", "/", os.urandom(5 << 20)).status == 413, "in base64 it is too large"


def test_the_size_limit_is_that_of_the_event(shared: Shared) -> None:
    emulator = shared("echo")
    size = 5_000_000
    size += (6 << 20) - len(emulator.request("POST", "/", b"x" * size, Content_Type="text/plain").body)
    response = emulator.request("POST", "/", b"x" * size, Content_Type="text/plain")
    assert (response.status, len(response.body)) == (200, 6 << 20)
    assert emulator.request("POST", "/", b"x" * (size + 1), Content_Type="text/plain").status == 413


def test_the_trace_id_of_a_request_reaches_the_function(shared: Shared) -> None:
    emulator = shared("context")
    assert emulator.request("GET", "/", X_Amzn_Trace_Id="Root=1-2;Sampled=1").json["trace"] == "Root=1-2;Sampled=1"
    assert emulator.request("GET", "/").json["trace"] == ""


def test_pages_of_this_machine_may_call(shared: Shared) -> None:
    emulator = shared("web")
    preflight = emulator.request("OPTIONS", "/", Origin="http://localhost:3000", Access_Control_Request_Method="PUT")
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == "http://localhost:3000"
    response = emulator.request("GET", "/", Origin="http://127.0.0.1:8000")
    assert response.headers["access-control-allow-origin"] == "http://127.0.0.1:8000"
    assert "access-control-allow-origin" not in emulator.request("GET", "/", Origin="https://elsewhere.org").headers


def test_cors_can_allow_origins_and_can_be_left_to_the_function(serve: Serve) -> None:
    emulator = serve("web", "--cors", "https://a.example", "--cors", "https://b.example")
    for origin in ("https://a.example", "https://b.example", "http://localhost"):
        assert emulator.request("GET", "/", Origin=origin).headers["access-control-allow-origin"] == origin
    emulator = serve("web", "--cors", "none")
    response = emulator.request("OPTIONS", "/", Origin="http://localhost", Access_Control_Request_Method="PUT")
    assert (response.status, response.headers.get("access-control-allow-origin")) == (201, None)
