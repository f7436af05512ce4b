"""Text beyond ASCII: requests and responses are in UTF-8, as curl and browsers send it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faas_runtime.emulator.http_api_event import encode_event
from faas_runtime.http_server.messages import HttpRequest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.emulator.support import INVOKE, Emulator, read_until
from tests.runtime.support import FUZZ_FACTOR, LAUNCHER, PYTHON
from tests.waiting import TIMEOUT_S

Serve = Callable[..., Emulator]
Shared = Callable[[str], Emulator]


def ask(emulator: Emulator, target: str, *fields: str, encoding: str = "utf-8") -> bytes:
    """The response to a GET whose head has these bytes."""
    lines = (f"GET {target} HTTP/1.1", "Host: localhost", "Connection: close", *fields)
    head = "".join(f"{line}\r\n" for line in lines)
    return emulator.raw(head.encode(encoding) + b"\r\n")


def event_of(emulator: Emulator, target: str, *fields: str, encoding: str = "utf-8") -> Any:
    return json.loads(ask(emulator, target, *fields, encoding=encoding).partition(b"\r\n\r\n")[2])


REQUESTS: dict[str, tuple[str, tuple[str, ...], Callable[[Any], object], object]] = {
    "path": ("/grün", (), lambda event: event["rawPath"], "/grün"),
    "path of the context": ("/grün", (), lambda event: event["requestContext"]["http"]["path"], "/grün"),
    "path, escaped and not": ("/gr%C3%BCn/ü", (), lambda event: event["rawPath"], "/grün/ü"),
    "path in Japanese": ("/日本", (), lambda event: event["rawPath"], "/日本"),
    "parameter": ("/?q=ü", (), lambda event: event["queryStringParameters"], {"q": "ü"}),
    "parameter's name": ("/?ü=1", (), lambda event: event["queryStringParameters"], {"ü": "1"}),
    "parameter, escaped and not": ("/?q=%C3%BCü", (), lambda event: event["queryStringParameters"], {"q": "üü"}),
    "query": ("/?q=ü", (), lambda event: event["rawQueryString"], "q=ü"),
    "header": ("/", ("X-City: Köln",), lambda event: event["headers"]["x-city"], "Köln"),
    "header in Japanese": ("/", ("X-City: 日本",), lambda event: event["headers"]["x-city"], "日本"),
    "cookie": ("/", ("Cookie: city=Köln; a=b",), lambda event: event["cookies"], ["city=Köln", "a=b"]),
    "user agent": ("/", ("User-Agent: Köln",), lambda event: event["requestContext"]["http"]["userAgent"], "Köln"),
    "emoji": ("/?q=🎉", ("X-Mood: 🎉",), lambda event: event["headers"]["x-mood"], "🎉"),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_requests_are_utf_8(shared: Shared, case: str) -> None:
    target, fields, found, expected = REQUESTS[case]
    assert found(event_of(shared("echo"), target, *fields)) == expected


@pytest.mark.parametrize("case", ["path", "parameter", "header", "cookie"])
def test_requests_in_latin_1_are_taken_as_such(shared: Shared, case: str) -> None:
    target, fields, found, expected = REQUESTS[case]
    assert found(event_of(shared("echo"), target, *fields, encoding="latin-1")) == expected


ANSWERS: dict[str, tuple[dict[str, object], bytes]] = {
    "Japanese": ({"headers": {"X-City": "日本"}}, b"\r\nX-City: \xe6\x97\xa5\xe6\x9c\xac\r\n"),
    "umlaut": ({"headers": {"X-City": "Köln"}}, b"\r\nX-City: K\xc3\xb6ln\r\n"),
    "two headers": ({"headers": {"X-A": "ü", "X-B": "日"}}, b"\r\nX-A: \xc3\xbc\r\nX-B: \xe6\x97\xa5\r\n"),
    "emoji": ({"headers": {"X-Mood": "🎉"}}, b"\r\nX-Mood: \xf0\x9f\x8e\x89\r\n"),
    "cookie": ({"cookies": ["city=Köln"]}, b"\r\nSet-Cookie: city=K\xc3\xb6ln\r\n"),
    "file name": (
        {"headers": {"Content-Disposition": 'attachment; filename="Übersicht.pdf"'}},
        b'filename="\xc3\x9cbersicht.pdf"\r\n',
    ),
    "content type": ({"headers": {"Content-Type": "text/ü"}}, b"\r\nContent-Type: text/\xc3\xbc\r\n"),
    "location": ({"statusCode": 302, "headers": {"Location": "/grün"}}, b"\r\nLocation: /gr\xc3\xbcn\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("case", ANSWERS)
def test_headers_of_answers_are_utf_8(serve: Serve, case: str) -> None:
    response, expected = ANSWERS[case]
    emulator = serve("recite", RECITED=json.dumps({"statusCode": 200, "body": "ok", **response}))
    with emulator.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = read_until(connection, b"\r\n\r\n")
    assert expected in head
    assert b" 502 " not in head


def test_a_header_comes_back_as_it_was_sent(serve: Serve) -> None:
    sent = event_of(serve("echo"), "/", "X-City: Köln")["headers"]["x-city"]
    emulator = serve("recite", RECITED=json.dumps({"statusCode": 200, "headers": {"X-City": sent}}))
    assert "X-City: Köln\r\n".encode() in ask(emulator, "/")


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\0b", "\ud800"])
def test_what_no_header_can_carry_is_a_502(serve: Serve, value: str) -> None:
    emulator = serve("recite", RECITED=json.dumps({"statusCode": 200, "headers": {"X-A": value}}))
    assert emulator.request("GET", "/").status == 502


@pytest.mark.parametrize("text", ['{"a":"ü"}', "[]", '"日本"'])
def test_a_byte_order_mark_is_left_out_by_both_commands(
    shared: Shared, emulated: Path, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "event.json"
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    command = [*PYTHON, str(LAUNCHER), "invoke", f"{emulated}.echo", "--event", str(file)]
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=True)
    response = shared("echo").invoke(file.read_bytes(), INVOKE)
    assert (response.status, response.body) == (200, done.stdout) == (200, text.encode())


@settings(max_examples=200 * FUZZ_FACTOR, deadline=None)
@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_fuzzed_requests_become_events(path: bytes, query: bytes, value: bytes) -> None:
    """Any bytes that the parser of heads lets through: an event in JSON, and UTF-8 is read as such."""
    target = "/" + (path + b"?" + query).decode("latin-1")
    headers = [("Host", "localhost"), ("X-Any", value.decode("latin-1")), ("Cookie", value.decode("latin-1"))]
    event = json.loads(encode_event(HttpRequest("GET", target, headers), request_id="r-1", now=0.0))
    try:
        expected = value.decode()
    except UnicodeDecodeError:
        expected = value.decode("latin-1")
    assert event["headers"]["x-any"] == expected
    json.dumps(event).encode("utf-8")
