"""How long clients are waited for, and what a client that is slow with its answers holds up."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable

import pytest
from faas_runtime.emulator import front, sending
from faas_runtime.emulator.front import ClientConnection, Routes, Server
from faas_runtime.emulator.heads import Head
from faas_runtime.emulator.messages import Answer as Sent
from faas_runtime.emulator.messages import Request

from tests.emulator.support import TIMEOUT_S, statuses


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

    assert statuses(asyncio.run(run())) == status


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
        assert statuses(answer.result()) == [408]
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
