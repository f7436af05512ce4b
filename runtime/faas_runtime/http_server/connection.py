"""The server's side of HTTP/1.1 connections (RFC 9112), on the transports of the event loop.

A connection handles one request at a time; what a client sends ahead waits. It has at most one timer.
"""

from enum import Enum

from .request_body import ChunkedBody, SizedBody
from .request_head import (
    HEAD_END,
    HEAD_LIMIT,
    KNOWN_SIZE,
    RequestHead,
    RequestRefused,
    check_first_byte,
    parse_request_head,
)
from .response_head import CONTINUE
from .response_writer import ResponseWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..event_loop.transport import SocketTransport
    from .messages import HttpResponse
    from .request_body import RequestBody

_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
READ_HIGH_WATER = 64 << 10  # bytes that a client may send ahead before its response is written
LINGER_S = 2.0  # for a client to read a response while it still sends
_CLOSE_CHECK_S = 75.0  # how often to check a client without timeouts that does not read its last response


class Timeouts:
    """How long a client may take, in seconds."""

    __slots__ = ("body_piece_s", "body_s", "head_s", "idle_s")

    def __init__(
        self, *, head_s: float = 10.0, body_piece_s: float = 30.0, body_s: float = 600.0, idle_s: float = 75.0
    ) -> None:
        self.head_s = head_s
        """From the first byte of a head to its last one."""
        self.body_piece_s = body_piece_s
        """From one piece of a body to the next one."""
        self.body_s = body_s
        """From the first byte of a body to its last one; the default allows 6 MiB at 10 KiB/s."""
        self.idle_s = idle_s
        """Between two requests; also how often to check whether the client reads its response."""


class ConnectionState(Enum):
    """What a connection is doing."""

    READING_HEAD = "reading head"
    """It waits for a request, or reads the head of one."""
    READING_BODY = "reading body"
    RESPONDING = "responding"
    """The request is complete; its response is being made or written."""
    LINGERING = "lingering"
    """The last response is written; the client reads it."""


# Bound once: before Python 3.12, looking a member up in its class is slow.
READING_HEAD, READING_BODY, RESPONDING, LINGERING = ConnectionState


class ServerConnection(ResponseWriter):
    """A connection of a client. Subclasses handle the requests: see the first five methods."""

    timeouts: "Timeouts | None" = Timeouts()
    """None: the client may take any time."""

    def __init__(self) -> None:
        super().__init__()
        self.state = READING_HEAD
        self._buffer = bytearray()
        self._body: RequestBody | None = None
        self._last_heads: dict[int, tuple[bytes, RequestHead]] = {}
        """By their first bytes, which tell a GET from a POST: a runtime sends both, one after the other."""
        self._body_deadline = 0.0
        self._body_allowance = 0  # bytes
        self._is_reading_paused = False
        self._has_client_finished = False
        """Whether the client has closed its half: it sends nothing more."""

    # Implemented by subclasses

    def head_received(self, head: RequestHead) -> int:
        """Handle a head; returns the size that the body may have, in bytes. May raise `RequestRefused`."""
        raise NotImplementedError

    def body_piece_received(self, piece: bytes) -> None:
        """Handle a piece of the body."""
        raise NotImplementedError

    def request_received(self, trailers: "list[tuple[str, str]]") -> None:
        """Handle a complete request: write the complete response with `write` at some time, then call `responded`."""
        raise NotImplementedError

    def refusal(self, status: int, reason: str) -> "HttpResponse":
        """The response to a refused request. The status is 413 if the body is larger than `head_received` allows."""
        raise NotImplementedError

    def closed(self) -> None:
        """Handle the end of the connection, whatever its state is."""

    # Called by the event loop

    def connection_made(self, transport: "SocketTransport") -> None:
        """Wait for the first request."""
        self.transport = transport
        if self.timeouts:
            self._stall_check_s = self.timeouts.idle_s
            self._timeout.restart(self.timeouts.idle_s)

    def connection_lost(self, error: "Exception | None") -> None:
        """Drop what waits to be sent, and call `closed`, since nothing more can be sent or received."""
        super().connection_lost(error)
        self.closed()

    def eof_received(self) -> bool:
        """The client has closed its half. It still gets the responses to its complete requests."""
        self._has_client_finished = True
        if self.state is READING_HEAD and self._buffer:
            self._loop.call_soon(self._advance)  # it closes the connection if the rest is not a request
            return True
        if self.state is RESPONDING and not self._buffer:
            self.is_closing = True
        return self.state is RESPONDING

    def data_received(self, data: bytes) -> None:
        """Read on, or keep the data until the current response is written."""
        if self.state is READING_HEAD and not self._buffer and self._read_whole(data):
            return
        if self.state is LINGERING:
            return
        self._buffer += data
        if self.state is RESPONDING:
            if len(self._buffer) > READ_HIGH_WATER:
                self.pause_reading()
            return
        self._advance()

    # Reading

    def pause_reading(self) -> None:
        """Receive nothing until `resume_reading`."""
        if not self._is_reading_paused and not self.transport.is_closing():
            self._is_reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        if self._is_reading_paused:
            self._is_reading_paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    def responded(self) -> None:
        """The response is written: take the next request when the client has read enough of it, or close."""
        if self._drained is not None and not self.is_closing:
            self._drained.add_done_callback(lambda drained: self.responded())
            return
        self.head = self._body = None
        if self.is_closing or (self._has_client_finished and not self._buffer):
            self._close()
            return
        self.state = READING_HEAD
        if self.timeouts:
            self._timeout.restart(self.timeouts.idle_s)
        if self._is_reading_paused:
            self.resume_reading()
        if self._buffer:
            self._loop.call_soon(self._advance)  # not a direct call: there may be thousands of requests in a row

    def _close(self) -> None:
        """Close when the response is sent. A client that does not read it has a limited time."""
        if not self.transport.is_closing() and self.transport.get_write_buffer_size():
            self.state = LINGERING
            self._stall_check_s = self._stall_check_s or _CLOSE_CHECK_S
            self._timeout.restart(self._stall_check_s)
        self.transport.close()

    def _advance(self) -> None:
        """Read as much of the request as is in the buffer."""
        if self.transport.is_closing():
            return
        try:
            is_complete = self._read_request()
        except RequestRefused as error:
            self._refuse(error.status, error.reason)
            return
        if self._has_client_finished and not is_complete:
            self._close()  # the rest of the request will not come

    def _read_request(self) -> bool:
        """Read from the buffer; returns whether the request is complete."""
        if self.state is READING_HEAD and not self._read_head():
            return False
        return self.state is RESPONDING or self._read_body()

    def _read_whole(self, data: bytes) -> bool:
        """Read a request that has arrived as a whole, without the buffer; returns whether it was one."""
        end = data.find(HEAD_END, 0, HEAD_LIMIT + len(HEAD_END))
        if end < 0 or data[0] not in _LETTERS or self.transport.is_closing():
            return False
        try:
            head = self._begin_request(data[:end])
            start = end + len(HEAD_END)
            stop = start + head.length
            if head.is_chunked or len(data) < stop:
                self._buffer += data[start:]
                self._begin_body(head)
                self._read_body()
            else:
                self._buffer += data[stop:]
                if head.length:
                    self.body_piece_received(data[start:stop])
                self._complete([])
        except RequestRefused as error:
            self._refuse(error.status, error.reason)
        return True

    def _begin_request(self, data: bytes) -> RequestHead:
        """Parse a head, unless it is the same as the last one, and ask how large the body may be."""
        last = self._last_heads.get(data[0])
        if last is not None and last[0] == data:
            head = self.head = last[1]
        else:
            head = self.head = parse_request_head(data)
            if len(data) <= KNOWN_SIZE:
                self._last_heads[data[0]] = (data, head)
        if not head.keep_alive:
            self.is_closing = True
        self._body_allowance = self.head_received(head)
        if head.length > self._body_allowance:
            raise RequestRefused(413, f"the body is over {self._body_allowance} bytes")
        return head

    def _begin_body(self, head: RequestHead) -> None:
        self._body = ChunkedBody() if head.is_chunked else SizedBody(head.length)
        if self.timeouts:
            self._body_deadline = self._loop.time() + self.timeouts.body_s
        self.state = READING_BODY
        if head.expects_continue and not self._buffer:
            self.transport.write(CONTINUE)

    def _read_head(self) -> bool:
        """Read a head if it is complete; returns whether it was."""
        buffer = self._buffer
        while buffer.startswith(b"\r\n"):  # some clients send it after the body of the previous request
            del buffer[:2]
        if buffer and buffer != b"\r":
            check_first_byte(buffer)
        end = buffer.find(HEAD_END, 0, HEAD_LIMIT + len(HEAD_END))
        if end < 0:
            if len(buffer) > HEAD_LIMIT:
                raise RequestRefused(431, f"the head of the request is over {HEAD_LIMIT >> 10} KiB")
            if b"\n\n" in buffer:
                raise RequestRefused(400, "lines of the head have to end with CR LF")
            if self.timeouts and buffer:
                self._timeout.shorten(self.timeouts.head_s)
            return False
        data = bytes(buffer[:end])
        del buffer[: end + len(HEAD_END)]
        self._begin_body(self._begin_request(data))
        return True

    def _read_body(self) -> bool:
        """Read what there is of the body; returns whether the request is complete."""
        body = self._body
        assert body is not None
        piece = body.take(self._buffer)
        if piece:
            self._body_allowance -= len(piece)
        if self._body_allowance < body.remaining:
            raise RequestRefused(413, "the body is too large")
        if piece:
            self.body_piece_received(piece)
        if body.is_complete:
            self._complete(body.trailers)
        elif self.timeouts:
            self._timeout.restart(min(self.timeouts.body_piece_s, self._body_deadline - self._loop.time()))
        return body.is_complete

    def _complete(self, trailers: "list[tuple[str, str]]") -> None:
        self.state = RESPONDING
        if self._has_client_finished and not self._buffer:
            self.is_closing = True
        self.request_received(trailers)

    def _refuse(self, status: int, reason: str) -> None:
        """Refuse a request, and let the client read why although it still sends."""
        response = self.refusal(status, reason)
        assert isinstance(response.body, bytes)
        self.is_closing = True
        self.write(response.status, response.headers, response.body)
        self._linger()

    def _linger(self) -> None:
        """Close soon. Closing at once would lose the response if the client still sends."""
        self.state = LINGERING
        self._buffer.clear()
        self.resume_reading()
        self.transport.write_eof()
        self._stall_check_s = LINGER_S
        self._timeout.restart(LINGER_S)

    def _timed_out(self) -> None:
        """The client took too long. While its response is being made, it has nothing to do."""
        state = self.state
        if state is RESPONDING and self._drained is None:
            return
        if state in (RESPONDING, LINGERING) or (state is READING_HEAD and not self._buffer):
            if not self._is_client_reading():
                self._give_up()
        else:
            self._refuse(408, "the rest of the request did not come in time")
