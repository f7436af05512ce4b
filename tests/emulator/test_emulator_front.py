"""The HTTP front of `faas-runtime serve`, from the request to the function and back."""

from __future__ import annotations

import os
from collections.abc import Callable

from tests.emulator.support import Emulator

Shared = Callable[[str], Emulator]
Serve = Callable[..., Emulator]


def test_web_requests_become_events_and_answers_are_mapped_back(shared: Shared) -> None:
    answer = shared("web").request("GET", "/some/path?x=1")
    assert (answer.status, answer.body) == (201, b"hello")
    assert (answer.headers["x-path"], answer.headers["set-cookie"]) == ("/some/path", "a=1, b=2")
    assert answer.headers["content-type"] == "text/plain"
    plain = shared("web").request("GET", "/plain")
    assert (plain.status, plain.json, plain.headers["content-type"]) == (200, {"hello": "there"}, "application/json")
    event = shared("echo").request("PUT", "/p?a=b", b"text", Content_Type="text/plain", Cookie="c=d").json
    assert (event["version"], event["rawPath"], event["rawQueryString"]) == ("2.0", "/p", "a=b")
    assert (event["body"], event["isBase64Encoded"], event["cookies"]) == ("text", False, ["c=d"])
    assert event["requestContext"]["http"]["method"] == "PUT"


def test_web_answers_that_cannot_be_sent_are_explained(serve: Serve) -> None:
    emulator = serve("web", "--timeout", "1")
    for path, status in (("/bad", 502), ("/die", 502), ("/nap", 504)):
        answer = emulator.request("GET", path)
        assert answer.status == status
        assert "message" in answer.json
    assert "statusCode is 'many'" in emulator.err
    assert "exit status 4" in emulator.err
    assert emulator.request("POST", "/", os.urandom(5 << 20)).status == 413, "in base64 it is too large"


def test_a_request_may_become_an_event_of_the_very_limit(shared: Shared) -> None:
    emulator = shared("echo")
    size = 5_000_000
    size += (6 << 20) - len(emulator.request("POST", "/", b"x" * size, Content_Type="text/plain").body)
    answer = emulator.request("POST", "/", b"x" * size, Content_Type="text/plain")
    assert (answer.status, len(answer.body)) == (200, 6 << 20)
    assert emulator.request("POST", "/", b"x" * (size + 1), Content_Type="text/plain").status == 413


def test_the_trace_of_a_web_request_reaches_the_function(shared: Shared) -> None:
    emulator = shared("context")
    assert emulator.request("GET", "/", X_Amzn_Trace_Id="Root=1-2;Sampled=1").json["trace"] == "Root=1-2;Sampled=1"
    assert emulator.request("GET", "/").json["trace"] == ""


def test_pages_of_this_machine_may_call(shared: Shared) -> None:
    emulator = shared("web")
    preflight = emulator.request("OPTIONS", "/", Origin="http://localhost:3000", Access_Control_Request_Method="PUT")
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == "http://localhost:3000"
    answer = emulator.request("GET", "/", Origin="http://127.0.0.1:8000")
    assert answer.headers["access-control-allow-origin"] == "http://127.0.0.1:8000"
    assert "access-control-allow-origin" not in emulator.request("GET", "/", Origin="https://elsewhere.org").headers


def test_cors_can_be_widened_and_left_to_the_function(serve: Serve) -> None:
    emulator = serve("web", "--cors", "https://a.example", "--cors", "https://b.example")
    for origin in ("https://a.example", "https://b.example", "http://localhost"):
        assert emulator.request("GET", "/", Origin=origin).headers["access-control-allow-origin"] == origin
    emulator = serve("web", "--cors", "none")
    answer = emulator.request("OPTIONS", "/", Origin="http://localhost", Access_Control_Request_Method="PUT")
    assert (answer.status, answer.headers.get("access-control-allow-origin")) == (201, None)
