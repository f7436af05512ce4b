"""Clients that do not speak HTTP, send ambiguous requests, or send too much at once."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from faas_runtime.http_server.request_body import ChunkedBody
from faas_runtime.http_server.request_head import RequestRefused
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.emulator.support import INVOKE, Emulator, read_all, statuses
from tests.runtime.support import FUZZ_FACTOR
from tests.waiting import wait_until

Serve = Callable[..., Emulator]
Shared = Callable[[str], Emulator]
AT_ONCE_S = 5.0  # far below the ten seconds that a client has for its head
CLIENT_HELLO = bytes.fromhex("16030100dc010000d80303") + bytes(32)

OTHER_PROTOCOLS = {
    "TLS": CLIENT_HELLO,
    "first byte of TLS": b"\x16",
    "SSL 2": b"\x80\x2e\x01\x00\x02",
    "SOCKS 4": b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00",
    "SOCKS 5": b"\x05\x01\x00",
    "PROXY 2": b"\r\n\r\n\x00\r\nQUIT\n",
    "NUL": b"\0",
    "UTF-16": "GET / HTTP/1.1".encode("utf-16"),
    "JSON": b'{"a": 1}',
    "space": b" GET / HTTP/1.1",
}


@pytest.mark.parametrize("name", OTHER_PROTOCOLS)
def test_another_protocol_is_refused_at_once(shared: Shared, name: str) -> None:
    emulator = shared("echo")
    started = time.monotonic()
    received = emulator.raw(OTHER_PROTOCOLS[name])
    assert time.monotonic() - started < AT_ONCE_S
    assert statuses(received) in ([400], [])


def test_tls_is_named(shared: Shared) -> None:
    emulator = shared("echo")
    received = emulator.raw(CLIENT_HELLO)
    assert b"http://" in received
    wait_until(lambda: "TLS" in emulator.err, "it is not reported")
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with emulator.connect() as connection, pytest.raises(ssl.SSLError, match=r"(?i)wrong version number|record"):
        context.wrap_socket(connection)


CHUNKED = (
    f"POST {INVOKE} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
)
AMBIGUOUS = {
    "LF in an extension": b"1;a\nb\r\n1\r\n0\r\n\r\n",
    "CR in an extension": b"1;a\rb\r\n1\r\n0\r\n\r\n",
    "NUL in an extension": b"1;a\0b\r\n1\r\n0\r\n\r\n",
    "LF in the last extension": b"1\r\n1\r\n0;\n\r\n\r\n",
    "folded trailer": b"1\r\n1\r\n0\r\nA: 1\r\n b: 2\r\n\r\n",
    "trailer that begins with a space": b"1\r\n1\r\n0\r\n A: 1\r\n\r\n",
    "trailer that begins with a tab": b"1\r\n1\r\n0\r\n\tA: 1\r\n\r\n",
    "space before the colon of a trailer": b"1\r\n1\r\n0\r\nA : 1\r\n\r\n",
    "trailer without a name": b"1\r\n1\r\n0\r\n: 1\r\n\r\n",
    "LF in a trailer": b"1\r\n1\r\n0\r\nA: 1\nB: 2\r\n\r\n",
    "CR in a trailer": b"1\r\n1\r\n0\r\nA: 1\rB: 2\r\n\r\n",
    "NUL in a trailer": b"1\r\n1\r\n0\r\nA: \0\r\n\r\n",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_chunks_that_two_readers_could_read_in_two_ways_are_refused(shared: Shared, name: str) -> None:
    assert statuses(shared("echo").raw(CHUNKED + AMBIGUOUS[name])) == [400]


@pytest.mark.parametrize("body", [b"1;a=b\r\n1\r\n0\r\n\r\n", b'1 ; a="b\tc"\r\n1\r\n0\r\nA: 1\r\nB: \t2\r\n\r\n'])
def test_extensions_and_trailers_are_taken(shared: Shared, body: bytes) -> None:
    assert shared("echo").raw(CHUNKED + body).endswith(b"\r\n\r\n1")


@settings(max_examples=300 * FUZZ_FACTOR, deadline=None)
@given(st.binary(max_size=20), st.binary(max_size=20), st.integers(1, 5))
def test_fuzzed_chunks_are_read_alike_or_refused(extension: bytes, trailer: bytes, step: int) -> None:
    """However a body is cut, the result is the same, and no control character gets through."""
    data = b"1;" + extension + b"\r\nx\r\n0\r\nA: " + trailer + b"\r\n\r\n"
    results: list[tuple[bool, bytes, tuple[tuple[str, str], ...]] | None] = []
    for cuts in (len(data), step):
        body, buffer, taken = ChunkedBody(), bytearray(), b""
        try:
            for start in range(0, len(data), cuts):
                buffer += data[start : start + cuts]
                if not body.is_complete:
                    taken += body.take(buffer)
        except RequestRefused:
            results.append(None)
        else:
            results.append((body.is_complete, taken, tuple(body.trailers)))
    assert results[0] == results[1]
    if results[0] is not None:
        for name, value in results[0][2]:
            assert not any(character in name + value for character in "\r\n\0")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="Linux: reads the memory of the process")
def test_bodies_that_arrive_have_a_common_limit(serve: Serve) -> None:
    """80 clients send all but the end of 6 MB: what is kept of them stays below a quarter of a gigabyte or so."""
    emulator = serve("echo")
    size = 6_000_000
    head = f"POST {INVOKE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode()
    piece = b" " * (size - 10)
    refused = 0
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(emulator.connect()) for _ in range(80)]
        for connection in connections:
            try:
                connection.sendall(head)
                connection.sendall(piece)
            except OSError:
                refused += 1
        memory = Path(f"/proc/{emulator.process.pid}/status").read_text()
        peak_kib = next(int(line.split()[1]) for line in memory.splitlines() if line.startswith("VmHWM"))
        assert peak_kib < 400_000
        answered = 0
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.sendall(b" " * 8 + b"{}")
                connection.shutdown(socket.SHUT_WR)
            answered += statuses(read_all(connection)[:100]) == [200]
        assert 20 <= answered < 80
    assert emulator.invoke(b"1").body == b"1"
    assert "Traceback" not in emulator.err


VARY = {
    "no origin": {},
    "origin that may call": {"Origin": "http://localhost:1"},
    "origin that may not call": {"Origin": "https://page.example"},
}


@pytest.mark.parametrize("path", ["/", INVOKE])
@pytest.mark.parametrize("case", VARY)
def test_answers_vary_by_origin(shared: Shared, path: str, case: str) -> None:
    response = shared("echo").request("POST", path, b"{}", **VARY[case])
    assert "origin" in response.headers.get("vary", "").lower().split(", ")


@pytest.mark.parametrize("options", [("--cors", "*"), ("--cors", "none")])
def test_answers_that_are_the_same_for_all_do_not_vary(serve: Serve, options: tuple[str, ...]) -> None:
    assert "vary" not in serve("echo", *options).request("GET", "/").headers


def test_the_functions_own_vary_is_kept(serve: Serve) -> None:
    emulator = serve("recite", RECITED='{"statusCode":200,"headers":{"Vary":"Accept"}}')
    assert emulator.request("GET", "/").headers["vary"] == "Accept, Origin"
    emulator = serve("recite", RECITED='{"statusCode":200,"headers":{"Vary":"Accept, Origin"}}')
    assert emulator.request("GET", "/").headers["vary"] == "Accept, Origin"


LAMBDA_DATES = [
    *("2014-11-13", "2015-03-31", "2017-10-31", "2018-10-31", "2019-09-30", "2020-06-30", "2021-11-15", "2025-12-01")
]


@pytest.mark.parametrize("date", LAMBDA_DATES)
def test_the_dates_of_lambda_are_reserved(shared: Shared, date: str) -> None:
    for path in (f"/{date}/report", f"/{date}"):
        response = shared("echo").request("GET", path)
        assert (response.status, response.headers["x-amzn-errortype"]) == (404, "ResourceNotFoundException")


@pytest.mark.parametrize("date", ["2024-05-01", "2015-04-01", "2020-02-30", "2021-11-16", "2099-12-31", "2000-01-01"])
def test_other_dates_are_the_functions(shared: Shared, date: str) -> None:
    for path in (f"/{date}/report", f"/{date}"):
        assert shared("echo").request("GET", path).json["rawPath"] == path
