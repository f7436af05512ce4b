"""HTTP as the emulator speaks it: connections that live on, and clients that are rude."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import time
from collections.abc import Awaitable, Callable

import pytest
from faas_runtime.emulator import front, sending
from faas_runtime.emulator.front import ClientConnection, Routes, Server
from faas_runtime.emulator.heads import Head
from faas_runtime.emulator.messages import Answer as Sent
from faas_runtime.emulator.messages import Request

from tests.emulator.support import INVOKE, TIMEOUT_S, Emulator, read_all, read_until, wait_for

Shared = Callable[[str], Emulator]
Serve = Callable[..., Emulator]
PATH = INVOKE.encode()


def _statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", received)]


def test_a_connection_lives_on(shared: Shared) -> None:
    with shared("echo").connect() as connection:
        for number in (b"1", b"22", b"333"):
            connection.sendall(
                b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (PATH, len(number), number)
            )
            assert read_until(connection, b"\r\n\r\n" + number)


def test_requests_that_come_at_once_are_answered_in_order(shared: Shared) -> None:
    requests = [
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n%02d" % (PATH, n + 10) for n in range(50)
    ]
    last = b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % PATH
    received = shared("echo").raw(b"".join(requests) + last)
    assert _statuses(received) == [200] * 51
    assert re.findall(rb"\r\n\r\n([0-9]{2})", received) == [b"%02d" % (n + 10) for n in range(50)]


def test_a_request_may_come_byte_by_byte(shared: Shared) -> None:
    head = b"\r\nPOST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % PATH
    request = head + b"1;a=b\r\n[\r\n02\r\n1]\r\n0\r\nA: b\r\n\r\n"
    with shared("echo").connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request:
            connection.sendall(bytes([byte]))
        assert read_until(connection, b"[1]").startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_client_that_asks_first_is_told_to_go_on(shared: Shared) -> None:
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with shared("echo").connect() as connection:
        connection.sendall(head % (PATH, 3))
        assert read_until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"[1]")
        assert b"HTTP/1.1 200" in read_until(connection, b"[1]")
    received = shared("echo").raw(head % (PATH, 7 << 20))
    assert _statuses(received) == [413]


def test_head_has_no_body(shared: Shared) -> None:
    with shared("echo").connect() as connection:
        connection.sendall(
            b"HEAD /_faas/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
            b"GET /_faas/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        received = read_until(connection, b"}")
    assert received.count(b"Content-Length: ") == 2
    assert received.count(b"{") == 1


@pytest.mark.parametrize(
    ("version", "header", "lives"),
    [("1.0", "", False), ("1.0", "Connection: keep-alive\r\n", True), ("1.1", "Connection: close\r\n", False)],
)
def test_clients_say_whether_the_connection_lives(shared: Shared, version: str, header: str, lives: bool) -> None:
    request = f"GET {INVOKE} HTTP/{version}\r\nHost: localhost\r\n{header}\r\n".encode()
    with shared("echo").connect() as connection:
        connection.sendall(request)
        received = read_until(connection, b"{}")
        if lives:
            connection.sendall(request)
            read_until(connection, b"{}")
        else:
            assert read_all(connection) == b""
    assert (b"Connection: close" in received) is not lives


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # TLS
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (b"GET /  HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA b: c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n folded: c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\rc\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\0c\r\n\r\n", 400),
        (b"GET x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12", 400),
        (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;%b\r\n" % (b"a" * 300), 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: miracles\r\n\r\n", 417),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999999999999999\r\n\r\n", 413),
        (
            b"POST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n600000\r\n%b\r\n1\r\n"
            % (PATH, bytes(6 << 20)),
            413,
        ),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 100 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"b" * 70000, 431),
        (b"GET /" + b"x" * 70000, 431),
    ],
)
def test_what_is_wrong_is_refused_and_the_server_lives_on(shared: Shared, request_: bytes, status: int) -> None:
    emulator = shared("echo")
    received = emulator.raw(request_)
    assert _statuses(received) == [status]
    assert b"\r\nConnection: close\r\n" in received
    assert emulator.invoke(b"1").body == b"1"


def test_an_answer_reaches_a_client_that_still_sends(shared: Shared) -> None:
    """Closing at once would reset the connection, and take the answer with it."""
    with shared("echo").connect() as connection:
        connection.sendall(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n" % PATH)
        for _ in range(20):
            connection.sendall(bytes(100000))
            time.sleep(0.002)
        assert _statuses(read_all(connection)) == [413]


def test_connections_that_vanish_are_daily_life(shared: Shared) -> None:
    emulator = shared("echo")
    for data in (b"", b"GE", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n12"):
        connection = emulator.connect()
        connection.sendall(data)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closing resets
        connection.close()
    assert emulator.invoke(b"1").body == b"1"
    assert "Traceback" not in emulator.err


class _Echo(Routes):
    """Answers the body, or so many bytes if there is none; refuses with the reason."""

    size = 32 << 20

    def limit(self, head: Head) -> int:
        return 1 << 30

    def refuse(self, head: Head | None, status: int, reason: str) -> Sent:
        return Sent(status, reason.encode())

    async def handle(self, request: Request) -> Sent:
        return Sent(200, request.body or b"x" * self.size)


def _with_server(client: Callable[[Server, int], Awaitable[None]]) -> None:
    """Run a client of a server, which it gets with its port."""

    async def run() -> None:
        server = Server(_Echo(), 1)
        port = await server.listen("127.0.0.1", 0)
        await asyncio.wait_for(client(server, port), TIMEOUT_S)
        server.close()
        await server.drain(1.0)

    asyncio.run(run())


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect with small buffers, so that what is not read stays with the server."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    return await asyncio.open_connection(sock=client, limit=1024)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClientConnection, "limits", (0.3, 0.3, 0.6, 0.6))
    monkeypatch.setattr(front, "raise_limit", lambda: 1000)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", []),
        (b"POST / HTTP/1.1\r\nHost", [408]),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n12", [408]),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n12", [200]),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n12POST", [200, 408]),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_patience_ends(sent: bytes, status: list[int]) -> None:
    async def run() -> bytes:
        server = Server(_Echo(), 1)
        port = await server.listen("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        received = await asyncio.wait_for(reader.read(), TIMEOUT_S)
        writer.close()
        server.close()
        await server.drain(1.0)
        return received

    assert _statuses(asyncio.run(run())) == status


@pytest.mark.usefixtures("impatient")
def test_a_slow_head_is_not_kept_alive_by_its_bytes() -> None:
    async def run() -> float:
        server = Server(_Echo(), 1)
        port = await server.listen("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        started = time.monotonic()
        while not reader.at_eof() and time.monotonic() - started < TIMEOUT_S:
            writer.write(b"G")
            try:
                await asyncio.wait_for(reader.read(), 0.05)
            except TimeoutError:
                continue
        writer.close()
        server.close()
        await server.drain(1.0)
        return time.monotonic() - started

    assert asyncio.run(run()) < TIMEOUT_S


@pytest.mark.usefixtures("impatient")
def test_a_slow_body_is_not_kept_alive_by_its_bytes() -> None:
    async def client(server: Server, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        answer = asyncio.ensure_future(reader.readline())
        while not answer.done():
            writer.write(b"1")
            await asyncio.wait([answer], timeout=0.05)
        assert _statuses(answer.result()) == [408]
        writer.close()

    _with_server(client)


def test_requests_wait_until_their_client_has_taken_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Echo, "size", 8 << 20)  # more than systems keep of what is on its way

    async def client(server: Server, port: int) -> None:
        reader, writer = await _connect(port)
        get = b"GET / HTTP/1.1\r\nHost: x\r\n%b\r\n"
        writer.write(get % b"" * 2 + get % b"Connection: close\r\n")
        while not any(connection.transport.get_write_buffer_size() for connection in server.connections):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        (connection,) = server.connections
        assert connection.transport.get_write_buffer_size() < 9 << 20
        received = 0
        while data := await reader.read(1 << 20):
            received += len(data)
        assert 24 << 20 < received < 25 << 20
        writer.close()

    _with_server(client)


@pytest.mark.parametrize("end", [b"", b"Connection: close\r\n"])
@pytest.mark.usefixtures("impatient")
def test_a_client_may_be_slow_as_long_as_it_takes_something(monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    monkeypatch.setattr(ClientConnection, "limits", (0.1, 0.1, 0.2, 0.2))
    monkeypatch.setattr(sending, "STALL_S", 1.0)

    async def client(server: Server, port: int) -> None:
        reader, writer = await _connect(port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n%b\r\n" % end)
        received, target = 0, 0
        started = time.monotonic()
        while data := await reader.read(1 << 20):
            received += len(data)
            if received >= target and received < 31 << 20:
                target += 2 << 20
                await asyncio.sleep(0.1)
        assert received > 32 << 20
        assert time.monotonic() - started > sending.STALL_S, "it was not slow"
        writer.close()

    _with_server(client)


@pytest.mark.usefixtures("impatient")
def test_a_client_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "STALL_S", 0.5)

    async def client(server: Server, port: int) -> None:
        reader, writer = await _connect(port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while not server.connections:
            await asyncio.sleep(0.01)
        while server.connections:
            await asyncio.sleep(0.01)
        with pytest.raises(ConnectionError):
            await reader.read()
        writer.close()

    _with_server(client)


def test_a_client_that_has_sent_all_gets_all_answers(shared: Shared) -> None:
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n" % PATH
    requests = [head + b"%02d" % (n + 10) for n in range(20)]
    for rest in (b"", b"POST / HT"):
        with shared("echo").connect() as connection:
            connection.sendall(b"".join(requests) + rest)
            connection.shutdown(socket.SHUT_WR)
            received = read_all(connection)
        assert re.findall(rb"\r\n\r\n([0-9]{2})", received) == [b"%02d" % (n + 10) for n in range(20)]


def test_the_health_path_never_reaches_the_function(serve: Serve) -> None:
    emulator = serve("echo")
    wait_for(lambda: emulator.request("GET", "/_faas/health").status == 200, "it does not come up")
    answer = emulator.request("GET", "/_faas/health?x=1")
    assert (answer.status, answer.json) == (200, {"status": "ready"})
    assert emulator.out == ""


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
