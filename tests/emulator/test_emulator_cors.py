"""CORS: which pages may call, and what an API that was configured so adds to answers."""

from __future__ import annotations

import pytest
from faas_runtime.emulator import web
from faas_runtime.emulator.cors import normal
from faas_runtime.emulator.hosts import Hosts
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
    named = web.Cors((normal("https://Example.com:443/"), "https://two.example"))
    assert preflight(named, "https://EXAMPLE.com")["Access-Control-Allow-Origin"] == "https://EXAMPLE.com"
    assert preflight(named, "http://localhost:1")["Access-Control-Allow-Credentials"] == "true"
    assert preflight(named, "https://example.org") == {}
    found = preflight(web.Cors(("*",)), "https://anything.example")
    assert found["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in found


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://app.example/", "https://app.example"),
        ("HTTP://App.example:80", "http://app.example"),
        ("https://app.example:0443", "https://app.example"),
        ("http://app.example:443", "http://app.example:443"),
        ("http://[::2]:5173", "http://[::2]:5173"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("null", "null"),
        ("*", "*"),
    ],
)
def test_origins_are_taken_as_browsers_send_them(text: str, origin: str) -> None:
    assert normal(text) == origin


@pytest.mark.parametrize(
    "text", ["foo", "", "app.example", "https://", "https://a.example/x", "https://a b", "http://a:99999", "http://u@a"]
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no origin of web pages; give SCHEME://HOST"):
        normal(text)


@pytest.mark.parametrize(
    ("headers", "forbidden"),
    [
        ([], False),
        ([("Origin", "http://localhost:5173"), ("Sec-Fetch-Site", "cross-site")], False),
        ([("Sec-Fetch-Site", "none")], False),
        ([("Sec-Fetch-Site", "same-site")], False),
        ([("Sec-Fetch-Site", "cross-site")], True),
        ([("Origin", "https://page.example")], True),
        ([("Origin", "null")], True),
    ],
)
def test_who_comes_from_a_page_that_may_not_call(headers: list[tuple[str, str]], forbidden: bool) -> None:
    assert web.Cors(()).forbids(Request("GET", "/", headers)) is forbidden
    assert not web.Cors(("*",)).forbids(Request("GET", "/", headers))


def test_hosts_that_are_this_machine_for_certain() -> None:
    hosts = Hosts("box.test", ["127.0.0.1", "::1"], ["https://tunnel.example:8443"])
    for host in (
        None, "localhost", "LOCALHOST:8080", "localhost.:1", "api.localhost:80", "127.0.0.1:8080", "192.0.2.1",
        "[::1]:80", "box.test:8080", "BOX.test.", "tunnel.example",
    ):  # fmt: skip
        assert hosts.refusal(host) == "", host
    for host in ("page.example", "localhost.page.example", "127.0.0.1.page.example:80", "notlocalhost", "x", "[::1].a"):
        assert f"allow it: --cors http://{host.partition(':')[0][:3]}" in hosts.refusal(host), host
    assert Hosts("192.0.2.1", ["192.0.2.1"], []).refusal("page.example") == ""
    assert Hosts("localhost", ["127.0.0.1"], ["*"]).refusal("page.example") == ""


def test_a_page_of_the_internet_may_be_let_into_the_private_network() -> None:
    wanted = ("Access-Control-Request-Private-Network", "true")
    found = preflight(web.Cors(("https://a.example",)), "https://a.example", wanted)
    assert found["Access-Control-Allow-Private-Network"] == "true"
    assert found["Access-Control-Max-Age"] == "300"
    assert "Access-Control-Allow-Private-Network" not in preflight(web.Cors(()), "http://localhost")
    assert preflight(web.Cors(()), "https://a.example", wanted) == {}


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

    some = web.answer(
        b'{"statusCode":200,"headers":{"X-A":"1","Access-Control-Expose-Headers":"X-B"},"cookies":["a=1"],"body":"x"}'
    )
    web.Cors(()).add(request, some)
    assert [value for name, value in some.headers if name.lower() == "access-control-expose-headers"] == ["X-B"]

    cookies = web.answer(b'{"statusCode":200,"cookies":["a=1"],"body":"x"}')
    web.Cors(()).add(request, cookies)
    assert "Access-Control-Expose-Headers" not in dict(cookies.headers), "no page may read cookies so"

    own = web.answer(b'{"statusCode":200,"headers":{"access-control-allow-origin":"https://only.example"}}')
    web.Cors(()).add(request, own)
    assert own.headers == [("access-control-allow-origin", "https://only.example")]

    none = web.answer(b"{}")
    web.Cors(()).add(Request("GET", "/", []), none)
    assert none.headers == JSON
