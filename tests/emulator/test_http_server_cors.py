"""CORS, and the check of the header Host: which pages may call, and which headers responses get."""

from __future__ import annotations

import pytest
from faas_runtime.http_server.cors import Cors, normalize_origin
from faas_runtime.http_server.host_check import HostCheck
from faas_runtime.http_server.messages import HttpRequest, HttpResponse

JSON = [("Content-Type", "application/json")]


def preflight(cors: Cors, origin: str, *headers: tuple[str, str], method: str = "PUT") -> dict[str, str]:
    given = [("Origin", origin), ("Access-Control-Request-Method", method), *headers]
    response = cors.preflight(HttpRequest("OPTIONS", "/x", given))
    assert response is not None
    assert (response.status, response.body) == (204, b"")
    return dict(response.headers)


@pytest.mark.parametrize(
    "origin", ["http://localhost:5173", "https://127.0.0.1", "http://[::1]:80", "http://app.localhost:3000"]
)
def test_pages_of_this_machine_may_call(origin: str) -> None:
    wanted = ("Access-Control-Request-Headers", "content-type,x-api-key")
    found = preflight(Cors(()), origin, wanted)
    assert found["Access-Control-Allow-Origin"] == origin
    assert "PUT" in found["Access-Control-Allow-Methods"].split(", ")
    assert found["Access-Control-Allow-Headers"] == "content-type,x-api-key"
    assert found["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    ["https://example.com", "http://localhost.example.com", "http://127.0.0.1.example.com", "null", "", "localhost"],
)
def test_pages_of_other_origins_may_not_call(origin: str) -> None:
    assert preflight(Cors(()), origin) == {"Vary": "Origin"}
    response = HttpResponse(200, b"{}", list(JSON))
    Cors(()).add_headers(HttpRequest("GET", "/", [("Origin", origin)]), response)
    assert response.headers == [*JSON, ("Vary", "Origin")]


def test_origins_can_be_allowed() -> None:
    named = Cors((normalize_origin("https://Example.com:443/"), "https://two.example"))
    assert preflight(named, "https://EXAMPLE.com")["Access-Control-Allow-Origin"] == "https://EXAMPLE.com"
    assert preflight(named, "http://localhost:1")["Access-Control-Allow-Credentials"] == "true"
    assert preflight(named, "https://example.org") == {"Vary": "Origin"}
    found = preflight(Cors(("*",)), "https://anything.example")
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
def test_origins_are_normalized_to_what_browsers_send(text: str, origin: str) -> None:
    assert normalize_origin(text) == origin


@pytest.mark.parametrize(
    "text", ["foo", "", "app.example", "https://", "https://a.example/x", "https://a b", "http://a:99999", "http://u@a"]
)
def test_invalid_origins_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an origin of web pages; give SCHEME://HOST"):
        normalize_origin(text)


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
def test_requests_of_pages_that_may_not_call_are_recognised(headers: list[tuple[str, str]], forbidden: bool) -> None:
    assert Cors(()).forbids(HttpRequest("GET", "/", headers)) is forbidden
    assert not Cors(("*",)).forbids(HttpRequest("GET", "/", headers))


def test_only_names_of_this_machine_and_allowed_names_pass_the_host_check() -> None:
    hosts = HostCheck("box.test", ["127.0.0.1", "::1"], ["https://tunnel.example:8443"])
    for host in (
        None, "localhost", "LOCALHOST:8080", "localhost.:1", "api.localhost:80", "127.0.0.1:8080", "192.0.2.1",
        "[::1]:80", "box.test:8080", "BOX.test.", "tunnel.example",
    ):  # fmt: skip
        assert hosts.refused_name(host) == "", host
    for host in ("page.example", "localhost.page.example", "127.0.0.1.page.example:80", "notlocalhost", "x", "[::1].a"):
        assert hosts.refused_name(host) == host.partition(":")[0] or host.startswith("["), host
        assert hosts.refused_name(host), host
    assert HostCheck("192.0.2.1", ["192.0.2.1"], []).refused_name("page.example") == ""
    assert HostCheck("localhost", ["127.0.0.1"], ["*"]).refused_name("page.example") == ""


def test_access_to_the_private_network_can_be_allowed() -> None:
    wanted = ("Access-Control-Request-Private-Network", "true")
    found = preflight(Cors(("https://a.example",)), "https://a.example", wanted)
    assert found["Access-Control-Allow-Private-Network"] == "true"
    assert found["Access-Control-Max-Age"] == "300"
    assert "Access-Control-Allow-Private-Network" not in preflight(Cors(()), "http://localhost")
    assert preflight(Cors(()), "https://a.example", wanted) == {"Vary": "Origin"}


def test_a_preflight_request_may_name_methods_and_headers() -> None:
    assert "PURGE" in preflight(Cors(("*",)), "https://a.example", method="PURGE")["Access-Control-Allow-Methods"]
    found = preflight(Cors(("*",)), "https://a.example", ("Access-Control-Request-Headers", "a\x01b"), method="A B")
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
def test_other_requests_are_not_preflight_requests(method: str, headers: list[tuple[str, str]]) -> None:
    assert Cors(()).preflight(HttpRequest(method, "/", headers)) is None


def test_responses_get_headers_unless_they_have_some() -> None:
    request = HttpRequest("GET", "/", [("Origin", "http://localhost:5173")])
    response = HttpResponse(200, b"x", [("X-Total", "3"), ("Content-Type", "a/b")])
    Cors(()).add_headers(request, response)
    found = dict(response.headers)
    assert found["Access-Control-Allow-Origin"] == "http://localhost:5173"
    assert found["Access-Control-Expose-Headers"] == "X-Total"

    some = HttpResponse(200, b"x", [("X-A", "1"), ("Access-Control-Expose-Headers", "X-B"), ("Set-Cookie", "a=1")])
    Cors(()).add_headers(request, some)
    assert [value for name, value in some.headers if name.lower() == "access-control-expose-headers"] == ["X-B"]

    cookies = HttpResponse(200, b"x", [("Set-Cookie", "a=1")])
    Cors(()).add_headers(request, cookies)
    assert "Access-Control-Expose-Headers" not in dict(cookies.headers), "a page could read the cookies"

    own = HttpResponse(200, b"", [("access-control-allow-origin", "https://only.example")])
    Cors(()).add_headers(request, own)
    assert own.headers == [("access-control-allow-origin", "https://only.example")]

    none = HttpResponse(200, b"{}", list(JSON))
    Cors(()).add_headers(HttpRequest("GET", "/", []), none)
    assert none.headers == [*JSON, ("Vary", "Origin")]
