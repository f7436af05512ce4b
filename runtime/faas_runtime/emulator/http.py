"""The server's side of HTTP/1.1 connections (RFC 9112), on the transports of asyncio.

One request at a time on each connection; what a client sends ahead waits. A connection has one timer at most.
"""

from .bodies import Chunked, Sized
from .heads import END, HEAD_LIMIT, Head, Refused, parse
from .replies import CONTINUE
from .sending import WRITE_LIMIT, Sender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .bodies import Body
    from .messages import Answer

AHEAD_LIMIT = 64 << 10  # bytes that a client may send before its answer is there
HEAD_S = 10.0  # from the first byte of a head to its last
BODY_S = 30.0  # from one piece of a body to the next
IDLE_S = 75.0  # between two requests
ALL_BODY_S = 600.0  # from the first byte of a body to its last: 6 MiB at 10 KiB/s
LINGER_S = 2.0  # for a client to read an answer while it still sends

HEAD, BODY, BUSY, LINGERING = "head", "body", "busy", "lingering"


class Connection(Sender):
    """A connection; what is done with its requests is up to its children: `begun`, `piece`, `complete`, `lost`."""

    limits: "tuple[float, float, float, float] | None" = (HEAD_S, BODY_S, IDLE_S, ALL_BODY_S)
    """None: the peer may take all the time that it wants."""

    def __init__(self) -> None:
        super().__init__()
        self.state = HEAD
        self._buffer = bytearray()
        self._body: Body | None = None
        self._body_due = 0.0
        self._is_held = False
        self._has_ended = False
        """Whether the peer has closed its half: nothing else will come from it."""

    # What children do with a request

    def begun(self, head: Head) -> int:
        """A head is there: returns how large the body may be (bytes); `piece` gets its pieces."""
        raise NotImplementedError

    def piece(self, data: bytes) -> None:
        """A piece of the body is there."""
        raise NotImplementedError

    def complete(self, trailers: "list[tuple[str, str]]") -> None:
        """The request is whole: sooner or later, `write` has to be called with all of the answer, then `ready`."""
        raise NotImplementedError

    def refuse(self, status: int, reason: str) -> "Answer":
        """The answer to a request that is not taken (more than `begun` allowed: 413)."""
        raise NotImplementedError

    def lost(self) -> None:
        """The connection is gone, whatever was in hand."""

    # What the event loop calls

    def connection_made(self, transport: "Any") -> None:
        """It is open."""
        self.transport = transport
        transport.set_write_buffer_limits(high=WRITE_LIMIT)
        if self.limits:
            self._look_s = self.limits[2]
            self._patience.within(self.limits[2])

    def connection_lost(self, error: "Exception | None") -> None:
        """It is closed."""
        super().connection_lost(error)
        self.lost()

    def eof_received(self) -> bool:
        """A client may close its half when it has sent its requests, and gets all answers."""
        self._has_ended = True
        if self.state is HEAD and self._buffer:
            self._advance()
        elif self.state is BUSY and not self._buffer:
            self.is_closing = True
        return self.state is BUSY

    def data_received(self, data: bytes) -> None:
        """Something has come."""
        if self.state is LINGERING:
            return
        self._buffer += data
        if self.state is BUSY:
            if len(self._buffer) > AHEAD_LIMIT:
                self.hold()
            return
        self._advance()

    # Reading

    def hold(self) -> None:
        """Read no more for now."""
        if not self._is_held and not self.transport.is_closing():
            self._is_held = True
            self.transport.pause_reading()

    def go_on(self) -> None:
        """Read on."""
        if self._is_held:
            self._is_held = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    def ready(self) -> None:
        """The answer is written: take the next request when the client has taken enough of it, or close."""
        if self._room is not None and not self.is_closing:
            self._room.add_done_callback(lambda room: self.ready())
            return
        self.head = self._body = None
        if self.is_closing or (self._has_ended and not self._buffer):
            self._close()
            return
        self.state = HEAD
        if self.limits:
            self._patience.within(self.limits[2])
        if self._is_held:
            self.go_on()
        if self._buffer:
            self._loop.call_soon(self._advance)  # not within: there may be thousands of requests in a row

    def _close(self) -> None:
        """Close when the answer has gone out; a client that does not take it has some time for that."""
        if not self.transport.is_closing() and self.transport.get_write_buffer_size():
            self.state = LINGERING
            self._look_s = self._look_s or IDLE_S
            self._patience.within(self._look_s)
        self.transport.close()

    def _advance(self) -> None:
        if self.transport.is_closing():
            return
        try:
            if (self.state is HEAD and self._take_head()) or self.state is BODY:
                self._take_body()
        except Refused as error:
            self._turn_away(error.status, error.reason)
            return
        if self._has_ended and self.state is not BUSY:
            self._close()  # in the middle of a request, whose rest will not come

    def _take_head(self) -> bool:
        buffer = self._buffer
        while buffer.startswith(b"\r\n"):  # after the body of the last request, as some clients send it
            del buffer[:2]
        end = buffer.find(END, 0, HEAD_LIMIT + len(END))
        if end < 0:
            if len(buffer) > HEAD_LIMIT:
                raise Refused(431, f"the head of the request is over {HEAD_LIMIT >> 10} KiB")
            if b"\n\n" in buffer:
                raise Refused(400, "lines of the head have to end with CR LF")
            if self.limits and buffer:
                self._patience.at_most(self.limits[0])
            return False
        head = self.head = parse(bytes(buffer[:end]))
        del buffer[: end + len(END)]
        if not head.keep_alive:
            self.is_closing = True
        allowed = self.begun(head)
        if head.length > allowed:
            raise Refused(413, f"the body is over {allowed} bytes")
        if not head.has_body:
            self._completed([])
            return False
        self._body = Chunked() if head.is_chunked else Sized(head.length)
        self._allowed = allowed
        if self.limits:
            self._body_due = self._loop.time() + self.limits[3]
        self.state = BODY
        if head.expects_continue and not buffer:
            self.transport.write(CONTINUE)
        return True

    def _take_body(self) -> None:
        body = self._body
        assert body is not None
        piece = body.take(self._buffer)
        if piece:
            self._allowed -= len(piece)
        if self._allowed < body.left:
            raise Refused(413, "the body is too large")
        if piece:
            self.piece(piece)
        if body.is_whole:
            self._completed(body.trailers)
        elif self.limits:
            self._patience.within(min(self.limits[1], self._body_due - self._loop.time()))

    def _completed(self, trailers: "list[tuple[str, str]]") -> None:
        self.state = BUSY
        if self._has_ended and not self._buffer:
            self.is_closing = True
        self.complete(trailers)

    def _turn_away(self, status: int, reason: str) -> None:
        """Refuse a request, and let the client read why although it still sends."""
        answer = self.refuse(status, reason)
        assert isinstance(answer.body, bytes)
        self.is_closing = True
        self.write(answer.status, answer.headers, answer.body)
        self.linger()

    def linger(self) -> None:
        """Close, but not in the face of a client that sends: it would lose the answer that is on its way."""
        self.state = LINGERING
        self._buffer.clear()
        self.go_on()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._look_s = LINGER_S
        self._patience.within(LINGER_S)

    def _late(self) -> None:
        """The client has let its time pass; while its request is answered, there is no hurry."""
        if self.state is BUSY and self._room is None:
            return
        if self.state in (BUSY, LINGERING) or (self.state is HEAD and not self._buffer):
            if not self._is_taking():
                self._give_up()
        else:
            self._turn_away(408, "the rest of the request did not come in time")
