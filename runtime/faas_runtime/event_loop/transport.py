"""A connection in the event loop: it receives into one shared buffer, and sends as fast as its peer reads."""

import socket
from collections import deque
from contextlib import suppress

from .loop import running_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from .loop import EventLoop

    class ConnectionProtocol(Protocol):
        """What uses a connection."""

        def data_received(self, data: bytes) -> None:
            """Handle what the peer has sent."""

        def eof_received(self) -> bool:
            """The peer sends nothing more; returns whether the connection stays open for writing."""

        def pause_writing(self) -> None:
            """More is waiting than the high-water mark allows."""

        def resume_writing(self) -> None:
            """Nothing is waiting any more."""

        def connection_lost(self, error: "Exception | None") -> None:
            """The connection is closed."""


RECEIVE_SIZE = 256 << 10  # bytes
WRITE_HIGH_WATER = 64 << 10  # bytes that wait; above it, the protocol is asked to pause
_buffer = bytearray(RECEIVE_SIZE)  # what is in it is copied at once, so one is enough for all connections
_view = memoryview(_buffer)


class SocketTransport:
    """A connected socket."""

    __slots__ = (
        "_closes_when_sent", "_fd", "_has_eof", "_is_closing", "_is_held", "_is_lost", "_is_reading",
        "_is_writing_paused", "_loop", "_protocol", "_waiting", "_waiting_size", "peer", "socket",
    )  # fmt: skip

    def __init__(self, connected: "socket.socket", protocol: "ConnectionProtocol", peer: str = "") -> None:
        """`peer` is the other side's IP address. Reading begins at once."""
        connected.setblocking(False)
        with suppress(OSError):  # small answers are not held back until larger ones follow
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connected
        self.peer = peer
        self._fd = connected.fileno()
        self._protocol = protocol
        self._loop: EventLoop = running_loop()
        self._waiting: deque[memoryview] = deque()
        self._waiting_size = 0
        self._is_held = False
        self._is_closing = False
        self._closes_when_sent = False
        self._is_lost = False
        self._is_reading = True
        self._has_eof = False
        self._is_writing_paused = False
        self._loop.add_reader(self._fd, self._read)

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self._is_closing

    # Reading

    def pause_reading(self) -> None:
        """Receive nothing until `resume_reading`."""
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._fd)

    def resume_reading(self) -> None:
        """Receive again."""
        if not (self._is_reading or self._is_closing or self._has_eof):
            self._is_reading = True
            self._loop.add_reader(self._fd, self._read)

    def _read(self) -> None:
        try:
            size = self.socket.recv_into(_buffer)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        if size:
            self._protocol.data_received(bytes(_view[:size]))
            return
        self._has_eof = True
        self.pause_reading()
        if not self._protocol.eof_received():
            self.close()

    # Writing

    def write(self, data: bytes) -> None:
        """Send the data, or keep what cannot be sent yet."""
        if self._is_closing:
            return
        rest = memoryview(data) if self._waiting_size or self._is_held else self._send(data)
        if rest:
            self._keep(rest)

    def hold(self) -> None:
        """Keep what is written until `release`, to send it at once."""
        self._is_held = True

    def release(self) -> None:
        """Send what was kept."""
        if self._is_held:
            self._is_held = False
            if self._waiting_size and not self._is_lost:
                self._write_waiting(is_watched=False)

    def get_write_buffer_size(self) -> int:
        """The number of bytes that wait."""
        return self._waiting_size

    def _send(self, data: bytes) -> "memoryview | None":
        """Send as much as the system takes; returns the rest, if there is any."""
        try:
            sent = self.socket.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._lose(error)
            return None
        return memoryview(data)[sent:] if sent < len(data) else None

    def _keep(self, data: memoryview) -> None:
        if not self._waiting_size and not self._is_held:
            self._loop.add_writer(self._fd, self._write_waiting)
        self._waiting.append(data)
        self._waiting_size += len(data)
        if self._waiting_size > WRITE_HIGH_WATER and not self._is_writing_paused:
            self._is_writing_paused = True
            self._protocol.pause_writing()

    def _write_waiting(self, *, is_watched: bool = True) -> None:
        """Send what waits. `is_watched`: the loop calls this when the socket can be written."""
        waiting = self._waiting
        if len(waiting) > 1 and self._waiting_size <= WRITE_HIGH_WATER:
            data = memoryview(b"".join(waiting))
            waiting.clear()
            waiting.append(data)
        try:
            while waiting:
                sent = self.socket.send(waiting[0])
                self._waiting_size -= sent
                if sent < len(waiting[0]):
                    waiting[0] = waiting[0][sent:]
                    break
                waiting.popleft()
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._lose(error)
            return
        if waiting:
            if not is_watched:
                self._loop.add_writer(self._fd, self._write_waiting)
        else:
            self._all_sent()

    def _all_sent(self) -> None:
        self._loop.remove_writer(self._fd)
        if self._is_writing_paused:
            self._is_writing_paused = False
            self._protocol.resume_writing()
        if self._closes_when_sent:
            self._shut_down()
        if self._is_closing:
            self._lose(None)

    # The end

    def write_eof(self) -> None:
        """Close our half of the connection when everything is sent."""
        self._closes_when_sent = True
        if not self._waiting_size:
            self._shut_down()

    def close(self) -> None:
        """Close the connection when everything is sent; nothing more is received."""
        if self._is_closing:
            return
        self._is_closing = True
        self.pause_reading()
        if not self._waiting_size:
            self._lose(None)

    def abort(self) -> None:
        """Close the connection now."""
        self._lose(None)

    def _shut_down(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def _lose(self, error: "Exception | None") -> None:
        if self._is_lost:
            return
        self._is_lost = self._is_closing = True
        self.pause_reading()
        self._loop.remove_writer(self._fd)
        self._waiting.clear()
        self._waiting_size = 0
        self._loop.call_soon(self._end, error)

    def _end(self, error: "Exception | None") -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self.socket.close()
            del self._protocol  # which refers to this object: without a circle, both are freed at once
