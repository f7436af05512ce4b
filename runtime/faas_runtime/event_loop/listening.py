"""Sockets that wait for connections."""

import socket
import sys

from .loop import running_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Accept = Callable[[socket.socket, str], None]

RETRY_S = 1.0  # when the system has no descriptor or no memory for a new connection


class ListeningSocket:
    """Accepts connections, one in each step of the loop, so that others are not kept waiting."""

    def __init__(self, bound: "socket.socket", backlog: int, accept: "Accept") -> None:
        """`accept` gets each new socket and the IP address of its peer."""
        bound.setblocking(False)
        bound.listen(backlog)
        self._socket = bound
        self._loop = running_loop()
        self._accept = accept
        self._kind = int(bound.family), int(bound.type), bound.proto
        self._is_open = True
        self._loop.add_reader(bound.fileno(), self._connected)

    def close(self) -> None:
        """Accept nothing more."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _connected(self) -> None:
        try:
            connected, address = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return  # the client has gone
        except OSError as error:
            self._loop.report("a connection cannot be accepted", error)
            self._loop.remove_reader(self._socket.fileno())
            self._loop.call_later(RETRY_S, self._retry)
            return
        self._accept(connected, str(address[0]))

    def _retry(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._socket.fileno(), self._connected)


def bind(family: int, address: "tuple[Any, ...]") -> socket.socket:
    """A socket that is bound to an address; for an IPv6 address, it accepts IPv6 only. Raises OSError."""
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there, other programs could take the port then
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
