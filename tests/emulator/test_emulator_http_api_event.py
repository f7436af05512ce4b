"""Requests become events of an HTTP API, and what the function returns becomes an HTTP response."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest
from faas_runtime.emulator.http_api_event import encode_event
from faas_runtime.emulator.response_document import InvalidResponseDocument, to_response
from faas_runtime.http_server.messages import HttpRequest

NOW = 1767323045.678  # 2 January 2026, 03:04:05


def event(
    target: str = "/", *headers: tuple[str, str], method: str = "GET", body: bytes = b"", peer: str = "192.0.2.7"
) -> dict[str, Any]:
    request = HttpRequest(method, target, list(headers), body, peer=peer)
    found: dict[str, Any] = json.loads(encode_event(request, request_id="r-1", now=NOW))
    return found


def test_the_event_of_a_plain_request_has_all_fields() -> None:
    assert event("/", ("Host", "api.example.com:8080"), ("User-Agent", "curl/8")) == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {
            "host": "api.example.com:8080",
            "user-agent": "curl/8",
            "x-forwarded-for": "192.0.2.7",
            "x-forwarded-port": "8080",
            "x-forwarded-proto": "http",
        },
        "requestContext": {
            "accountId": "012345678912",
            "apiId": "local",
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": {
                "method": "GET",
                "path": "/",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.7",
                "userAgent": "curl/8",
            },
            "requestId": "r-1",
            "routeKey": "$default",
            "stage": "$default",
            "time": "02/Jan/2026:03:04:05 +0000",
            "timeEpoch": 1767323045678,
        },
        "isBase64Encoded": False,
    }


def test_the_path_is_decoded_and_the_query_is_not() -> None:
    found = event("/a%20b/%C3%BC%2Fc?x=%C3%BC&y=1+2&x=b%26c&flag&empty=")
    assert found["rawPath"] == found["requestContext"]["http"]["path"] == "/a b/ü/c"
    assert found["rawQueryString"] == "x=%C3%BC&y=1+2&x=b%26c&flag&empty="
    assert found["queryStringParameters"] == {"x": "ü,b&c", "y": "1 2", "flag": "", "empty": ""}


def test_a_target_that_is_not_utf8_is_accepted() -> None:
    found = event("/%FF?a=%FF")
    assert found["rawPath"] == "/\ufffd"
    assert found["queryStringParameters"] == {"a": "\ufffd"}


def test_headers_are_in_lower_case_and_joined() -> None:
    found = event("/", ("X-One", "1"), ("x-oNE", "2"), ("Accept", "a, b"), ("X-Latin", "gr\xfcn"))["headers"]
    assert (found["x-one"], found["accept"], found["x-latin"]) == ("1,2", "a, b", "grün")


def test_cookies_are_in_a_field_of_their_own() -> None:
    found = event("/", ("Cookie", "a=1; b=2;"), ("cookie", "c=3"))
    assert found["cookies"] == ["a=1", "b=2", "c=3"]
    assert "cookie" not in found["headers"]


def test_headers_of_proxies_are_kept() -> None:
    found = event("/", ("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-Proto", "https"))["headers"]
    assert (found["x-forwarded-for"], found["x-forwarded-proto"]) == ("198.51.100.1,192.0.2.7", "https")


@pytest.mark.parametrize(
    ("host", "domain", "prefix", "port"),
    [("[::1]:9000", "[::1]", "[::1]", "9000"), ("[::1]", "[::1]", "[::1]", "80"), ("h", "h", "h", "80")],
)
def test_the_host_gives_domain_and_port(host: str, domain: str, prefix: str, port: str) -> None:
    found = event("/", ("Host", host))
    assert (found["requestContext"]["domainName"], found["requestContext"]["domainPrefix"]) == (domain, prefix)
    assert found["headers"]["x-forwarded-port"] == port


@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain", "TEXT/html; charset=x", "application/xml", "application/javascript"]
)
def test_text_is_in_the_event_as_text(kind: str) -> None:
    found = event("/", ("Content-Type", kind), method="POST", body="{grün}".encode())
    assert (found["body"], found["isBase64Encoded"]) == ("{grün}", False)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/octet-stream", b"abc"),
        ("application/x-www-form-urlencoded", b"a=b"),
        ("application/problem+json", b"{}"),
        ("multipart/form-data; boundary=x", b"--x--"),
        (None, b"abc"),
        ("application/json", b"\xff\xfe"),
    ],
)
def test_everything_else_is_in_base64(kind: str | None, body: bytes) -> None:
    found = event("/", *([("Content-Type", kind)] if kind else []), method="POST", body=body)
    assert found["isBase64Encoded"] is True
    assert base64.b64decode(found["body"]) == body


def answered(document: object) -> tuple[int, list[tuple[str, str]], bytes]:
    response = to_response(json.dumps(document).encode())
    assert isinstance(response.body, bytes)
    return response.status, response.headers, response.body


JSON = [("Content-Type", "application/json")]
TEXT = [("Content-Type", "text/plain; charset=utf-8")]


@pytest.mark.parametrize(
    ("payload", "body"),
    [
        (b'{"message": "hello"}', b'{"message": "hello"}'),
        (b'"hello \\u00fc"', "hello ü".encode()),
        (b"[1, 2]", b"[1, 2]"),
        (b"7", b"7"),
        (b"null", b"null"),
        (b"", b""),
        (b"no JSON", b"no JSON"),
        (b"\xff\x00", b"\xff\x00"),
        (b'{"body": "x", "headers": {"a": "b"}}', b'{"body": "x", "headers": {"a": "b"}}'),
        (b"[" * 100000, b"[" * 100000),
        (b"9" * 10000, b"9" * 10000),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_a_value_without_a_status_is_the_body(payload: bytes, body: bytes) -> None:
    response = to_response(payload)
    assert (response.status, response.headers, response.body) == (200, JSON, body)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"statusCode": 200}, (200, [], b"")),
        ({"statusCode": "404", "body": None}, (404, [], b"")),
        ({"statusCode": 201, "body": "grün"}, (201, TEXT, "grün".encode())),
        ({"statusCode": 200, "headers": {"content-type": "a/b"}, "body": "x"}, (200, [("content-type", "a/b")], b"x")),
        ({"statusCode": 200, "body": "AP8=", "isBase64Encoded": True}, (200, TEXT, b"\x00\xff")),
        ({"statusCode": 200, "body": "AP8=", "isBase64Encoded": None}, (200, TEXT, b"AP8=")),
        ({"statusCode": 204, "body": "none of it"}, (204, [], b"")),
        ({"statusCode": 304, "body": "none of it"}, (304, [], b"")),
        (
            {"statusCode": 302, "headers": {"A": 1, "B": True, "C": None, "D": 1.5, "Location": " /x "}},
            (302, [("A", "1"), ("B", "true"), ("D", "1.5"), ("Location", "/x")], b""),
        ),
        (
            {"statusCode": 200, "headers": {"Set-Cookie": "a=1"}, "cookies": ["b=2; Path=/", "c=3"]},
            (200, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Path=/"), ("Set-Cookie", "c=3")], b""),
        ),
        (
            {"statusCode": 200, "headers": {"Content-Length": "9", "transfer-encoding": "chunked", "CONNECTION": "x"}},
            (200, [], b""),
        ),
        ({"statusCode": 200, "headers": {"Date": "yesterday"}}, (200, [], b"")),
        ({"statusCode": 200, "multiValueHeaders": {"A": ["1"]}, "more": 1}, (200, [], b"")),
        ({"statusCode": 200, "body": "\ud800"}, (200, TEXT, b"?")),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_document_with_a_status_gives_status_headers_and_body(
    document: object, expected: tuple[int, list[tuple[str, str]], bytes]
) -> None:  # fmt: skip
    assert answered(document) == expected


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"statusCode": 99}, "statusCode is 99"),
        ({"statusCode": 100}, "from 200 to 599"),
        ({"statusCode": 600}, "statusCode is 600"),
        ({"statusCode": 200.0}, "statusCode is 200.0; it has to be an integer"),
        ({"statusCode": True}, "statusCode is True"),
        ({"statusCode": None}, "statusCode is None"),
        ({"statusCode": "OK"}, "statusCode is 'OK'"),
        ({"statusCode": 10**4000}, "statusCode is 1000"),
        ({"statusCode": 200, "body": {"a": 1}}, "the body is an object; .* serialise it first"),
        ({"statusCode": 200, "body": [1]}, "the body is a list"),
        ({"statusCode": 200, "body": 1}, "the body is a number"),
        ({"statusCode": 200, "body": False}, "the body is a boolean"),
        ({"statusCode": 200, "body": "%", "isBase64Encoded": True}, "not base64"),
        ({"statusCode": 200, "body": "ü", "isBase64Encoded": True}, "not base64"),
        ({"statusCode": 200, "isBase64Encoded": "yes"}, "isBase64Encoded is 'yes'"),
        ({"statusCode": 200, "headers": []}, "headers is"),
        ({"statusCode": 200, "headers": {"a": ["b"]}}, "the header 'a'"),
        ({"statusCode": 200, "headers": {"a": {}}}, "the header 'a'"),
        ({"statusCode": 200, "headers": {"a": "b\r\nc: d"}}, "line break"),
        ({"statusCode": 200, "headers": {"a": "b\0"}}, "control character"),
        ({"statusCode": 200, "headers": {"a": "\ud800"}}, "UTF-8 does not have"),
        ({"statusCode": 200, "headers": {"a b": "c"}}, "cannot be the name"),
        ({"statusCode": 200, "headers": {"a:\r\nb": "c"}}, "cannot be the name"),
        ({"statusCode": 200, "headers": {"": "c"}}, "cannot be the name"),
        ({"statusCode": 200, "cookies": "a=b"}, "cookies is"),
        ({"statusCode": 200, "cookies": ["a\nb"]}, "Set-Cookie"),
        ({"statusCode": 200, "cookies": [None]}, "Set-Cookie"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_invalid_documents_are_refused(document: object, reason: str) -> None:
    with pytest.raises(InvalidResponseDocument, match=reason) as caught:
        answered(document)
    assert len(str(caught.value)) < 300


def test_no_document_leads_to_an_invalid_response() -> None:
    chance = random.Random(4)
    odd: list[object] = [None, True, 0, -1, 204, 2.5, "", "200", "\r\n", "ü€\ud800", [], {}, ["a"], {"a": None}, "AA=="]
    names = ["statusCode", "headers", "cookies", "body", "isBase64Encoded", "multiValueHeaders", "x"]
    for _ in range(2000):
        document = {name: chance.choice(odd) for name in chance.sample(names, chance.randint(0, 7))}
        if chance.random() < 0.8:
            document["statusCode"] = 200
        payload = json.dumps(document).encode()
        try:
            response = to_response(payload)
        except InvalidResponseDocument:
            continue
        assert isinstance(response.body, bytes)
        for name, value in response.headers:
            f"{name}: {value}".encode("latin-1")
            assert "\n" not in name + value
            assert "\r" not in name + value
