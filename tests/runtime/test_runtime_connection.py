"""How the connection to the Runtime API is made, and how requests are sent."""

from __future__ import annotations

import _socket
import socket
from collections.abc import Iterator, Sequence

import pytest
from faas_runtime.connection import RuntimeApiConnection
from faas_runtime.environment import Endpoint
from faas_runtime.errors import RuntimeApiError

STREAM = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
NOBODY = (*STREAM, ("127.0.0.1", 9))


class Slow:
    """A socket whose system calls send only a part of the data."""

    def __init__(self, takes: int) -> None:
        self.sent = bytearray()
        self._takes = takes

    def sendmsg(self, pieces: Sequence[bytes]) -> int:
        self.sent += b"".join(pieces)[: self._takes]
        return self._takes

    def sendall(self, data: bytes | memoryview) -> None:
        self.sent += data


@pytest.mark.parametrize("takes", [1, 9, 10, 11, 70_000])
def test_a_large_request_may_be_sent_in_pieces(takes: int) -> None:
    connection = RuntimeApiConnection(Endpoint.parse("127.0.0.1:9"))
    slow = Slow(takes)
    connection.socket = slow  # type: ignore[assignment]
    head, body = b"0123456789", bytes(range(251)) * 300
    assert not connection.send_request(head, body)
    assert slow.sent == head + body


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_small_packets_are_sent_at_once_and_nothing_has_a_time_limit(listener: socket.socket) -> None:
    """The process may be frozen for hours while it waits."""
    connection = RuntimeApiConnection(Endpoint.parse(f"127.0.0.1:{listener.getsockname()[1]}"))
    connection.open()
    opened = connection.socket
    assert opened is not None
    assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert opened.gettimeout() is None
    connection.close()


def test_every_address_of_a_host_is_tried(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_socket, "getaddrinfo", lambda *_: [NOBODY, (*STREAM, listener.getsockname())])
    connection = RuntimeApiConnection(Endpoint.parse("several.example:9"))
    connection.open()
    assert connection.socket is not None
    assert connection.socket.getpeername() == listener.getsockname()
    connection.close()


def test_host_without_an_address_that_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_socket, "getaddrinfo", lambda *_: [NOBODY, NOBODY])
    with pytest.raises(RuntimeApiError, match="refused"):
        RuntimeApiConnection(Endpoint.parse("several.example:9")).open()
