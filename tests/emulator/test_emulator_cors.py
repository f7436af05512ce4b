"""CORS: which pages may call, and what an API that was configured so adds to answers."""

from __future__ import annotations

import pytest
from faas_runtime.emulator import web
from faas_runtime.emulator.messages import Request

JSON = [("Content-Type", "application/json")]


def preflight(cors: web.Cors, origin: str, *headers: tuple[str, str], method: str = "PUT") -> dict[str, str]:
    given = [("Origin", origin), ("Access-Control-Request-Method", method), *headers]
    answer = cors.preflight(Request("OPTIONS", "/x", given))
    assert answer is not None
    assert (answer.status, answer.body) == (204, b"")
    return dict(answer.headers)


@pytest.mark.parametrize(
    "origin", ["http://localhost:5173", "https://127.0.0.1", "http://[::1]:80", "http://app.localhost:3000"]
)
def test_pages_of_this_machine_may_call(origin: str) -> None:
    wanted = ("Access-Control-Request-Headers", "content-type,x-api-key")
    found = preflight(web.Cors(()), origin, wanted)
    assert found["Access-Control-Allow-Origin"] == origin
    assert "PUT" in found["Access-Control-Allow-Methods"].split(", ")
    assert found["Access-Control-Allow-Headers"] == "content-type,x-api-key"
    assert found["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    ["https://example.com", "http://localhost.example.com", "http://127.0.0.1.example.com", "null", "", "localhost"],
)
def test_other_pages_may_not(origin: str) -> None:
    assert preflight(web.Cors(()), origin) == {}
    answer = web.answer(b"{}")
    web.Cors(()).add(Request("GET", "/", [("Origin", origin)]), answer)
    assert answer.headers == JSON


def test_named_origins_and_any() -> None:
    named = web.Cors(("https://example.com/", "https://two.example"))
    assert preflight(named, "https://EXAMPLE.com")["Access-Control-Allow-Origin"] == "https://EXAMPLE.com"
    assert preflight(named, "http://localhost:1")["Access-Control-Allow-Credentials"] == "true"
    assert preflight(named, "https://example.org") == {}
    found = preflight(web.Cors(("*",)), "https://anything.example")
    assert found["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in found


def test_own_methods_and_odd_headers_in_a_preflight() -> None:
    assert "PURGE" in preflight(web.Cors(("*",)), "https://a.example", method="PURGE")["Access-Control-Allow-Methods"]
    found = preflight(web.Cors(("*",)), "https://a.example", ("Access-Control-Request-Headers", "a\x01b"), method="A B")
    assert "A B" not in found["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Headers" not in found


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("OPTIONS", []),
        ("OPTIONS", [("Origin", "http://localhost")]),
        ("OPTIONS", [("Access-Control-Request-Method", "GET")]),
        ("GET", [("Origin", "http://localhost"), ("Access-Control-Request-Method", "GET")]),
    ],
)
def test_what_is_no_preflight(method: str, headers: list[tuple[str, str]]) -> None:
    assert web.Cors(()).preflight(Request(method, "/", headers)) is None


def test_answers_get_headers_unless_the_function_decided() -> None:
    request = Request("GET", "/", [("Origin", "http://localhost:5173")])
    answer = web.answer(b'{"statusCode":200,"headers":{"X-Total":"3","Content-Type":"a/b"},"body":"x"}')
    web.Cors(()).add(request, answer)
    found = dict(answer.headers)
    assert found["Access-Control-Allow-Origin"] == "http://localhost:5173"
    assert found["Access-Control-Expose-Headers"] == "X-Total"

    own = web.answer(b'{"statusCode":200,"headers":{"access-control-allow-origin":"https://only.example"}}')
    web.Cors(()).add(request, own)
    assert own.headers == [("access-control-allow-origin", "https://only.example")]

    none = web.answer(b"{}")
    web.Cors(()).add(Request("GET", "/", []), none)
    assert none.headers == JSON
