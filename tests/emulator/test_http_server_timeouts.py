"""How long the server waits for clients, and for clients that are slow to read."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from faas_runtime.event_loop import tasks
from faas_runtime.event_loop.loop import EventLoop
from faas_runtime.http_server import listener, response_writer
from faas_runtime.http_server.connection import Timeouts
from faas_runtime.http_server.listener import AcceptedConnection, HttpServer, RequestHandler
from faas_runtime.http_server.messages import HttpRequest, HttpResponse
from faas_runtime.http_server.request_head import RequestHead

from tests.emulator.support import read_all, statuses
from tests.waiting import TIMEOUT_S, pause, wait_until


class _Echo(RequestHandler):
    """Responds with the body, or with `size` bytes if there is none; refuses with the reason."""

    size = 32 << 20

    def body_limit(self, head: RequestHead) -> int:
        return 1 << 30

    def refuse(self, head: RequestHead | None, status: int, reason: str) -> HttpResponse:
        return HttpResponse(status, reason.encode())

    def handle(self, request: HttpRequest, connection: AcceptedConnection) -> None:
        connection.respond(HttpResponse(200, request.body or b"x" * self.size))


@contextlib.contextmanager
def running_server() -> Iterator[tuple[HttpServer, int, EventLoop]]:
    """A server in a thread; yields it, its port, and its loop."""
    loop, started = EventLoop(), threading.Event()
    found: list[tuple[HttpServer, int]] = []
    end: list[tasks.Future] = []

    async def run() -> None:
        server = HttpServer(_Echo(), 0)
        end.append(tasks.Future())
        found.append((server, server.listen("127.0.0.1", 0)))
        started.set()
        await end[0]
        server.close()
        await server.drain(1.0)

    thread = threading.Thread(target=lambda: tasks.run(run(), loop), daemon=True)
    thread.start()
    assert started.wait(TIMEOUT_S)
    try:
        yield (*found[0], loop)
    finally:
        loop.call_soon_threadsafe(end[0].set_result)
        thread.join(TIMEOUT_S)


def connect(port: int, *, buffer: int = 0) -> socket.socket:
    """Connect; with a small `buffer`, what is not read stays in the server."""
    client = socket.socket()
    client.settimeout(TIMEOUT_S)
    if buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.connect(("127.0.0.1", port))
    return client


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AcceptedConnection, "timeouts", Timeouts(head_s=0.3, body_piece_s=0.3, body_s=0.6, idle_s=0.6))
    monkeypatch.setattr(listener, "raise_limit", lambda: 1000)


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
@pytest.mark.usefixtures("short_timeouts")
def test_slow_clients_time_out(sent: bytes, status: list[int]) -> None:
    with running_server() as (_, port, _), connect(port) as client:
        client.sendall(sent)
        assert statuses(read_all(client)) == status


def drip(client: socket.socket, byte: bytes) -> bytes:
    """Send a byte again and again, until the server sends something or closes the connection; returns what it sends."""
    client.settimeout(0.05)
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError):
            client.sendall(byte)
            return client.recv(1 << 16)
    raise AssertionError("the server waits without end")


@pytest.mark.usefixtures("short_timeouts")
def test_bytes_do_not_extend_the_timeout_of_a_head() -> None:
    with running_server() as (_, port, _), connect(port) as client:
        assert statuses(drip(client, b"G")) == [408]


@pytest.mark.usefixtures("short_timeouts")
def test_bytes_do_not_extend_the_timeout_of_a_body() -> None:
    with running_server() as (_, port, _), connect(port) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        assert statuses(drip(client, b"1")) == [408]


def unsent(server: HttpServer) -> int:
    """The bytes that wait in the server's own buffers."""
    return sum(each.transport.get_write_buffer_size() for each in list(server.connections))


def test_a_request_waits_until_the_client_has_read_the_last_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Echo, "size", 8 << 20)  # more than the buffers of the system hold
    with running_server() as (server, port, loop), connect(port, buffer=4096) as client:
        get = b"GET / HTTP/1.1\r\nHost: x\r\n%b\r\n"
        client.sendall(get % b"" * 2 + get % b"Connection: close\r\n")
        wait_until(lambda: unsent(server), "it does not respond")
        for _ in range(100):  # steps of the event loop, in which the server could answer the next request
            stepped = threading.Event()
            loop.call_soon_threadsafe(stepped.set)
            assert stepped.wait(TIMEOUT_S)
        assert unsent(server) < 9 << 20
        received = 0
        while data := client.recv(1 << 20):
            received += len(data)
        assert 24 << 20 < received < 25 << 20


@pytest.mark.parametrize("end", [b"", b"Connection: close\r\n"])
@pytest.mark.usefixtures("short_timeouts")
def test_a_slow_client_is_served_as_long_as_it_reads(monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    monkeypatch.setattr(AcceptedConnection, "timeouts", Timeouts(head_s=0.1, body_piece_s=0.1, body_s=0.2, idle_s=0.2))
    monkeypatch.setattr(response_writer, "STALL_S", 1.0)
    with running_server() as (_, port, _), connect(port, buffer=4096) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n%b\r\n" % end)
        received, target = 0, 0
        started = time.monotonic()
        while data := client.recv(1 << 20):
            received += len(data)
            if received >= target and received < 31 << 20:
                target += 2 << 20
                pause(0.1)
        assert received > 32 << 20
        assert time.monotonic() - started > response_writer.STALL_S, "it was not slow"


@pytest.mark.usefixtures("short_timeouts")
def test_a_client_that_does_not_read_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_writer, "STALL_S", 0.5)
    with running_server() as (server, port, _), connect(port, buffer=4096) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: server.connections, "it does not accept")
        wait_until(lambda: not server.connections, "it is still connected")
        with pytest.raises(ConnectionError):
            read_to_the_end(client)


def read_to_the_end(client: socket.socket) -> None:
    while client.recv(1 << 20):
        pass
