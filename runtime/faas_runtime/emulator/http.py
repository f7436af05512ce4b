"""The server's side of HTTP/1.1 connections (RFC 9112), on the transports of asyncio.

One request at a time on each connection; what a client sends ahead waits. A connection has one timer at most.
"""

import asyncio

from .bodies import Chunked, Sized
from .heads import END, HEAD_LIMIT, Head, Refused, parse
from .patience import Patience
from .replies import BODILESS, CONTINUE, reply_head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from .bodies import Body
    from .messages import Answer

AHEAD_LIMIT = 64 << 10  # bytes that a client may send before its answer is there
WRITE_LIMIT = 64 << 10  # bytes on their way out, beyond which whoever writes waits
HEAD_S = 10.0  # from the first byte of a head to its last
BODY_S = 30.0  # from one piece of a body to the next
IDLE_S = 75.0  # between two requests
STALL_S = 300.0  # for a client to take a piece of an answer
LINGER_S = 2.0  # for a client to read an answer while it still sends

HEAD, BODY, BUSY, LINGERING = "head", "body", "busy", "lingering"


class Connection(asyncio.Protocol):
    """A connection; what is done with its requests is up to its children: `begun`, `piece`, `complete`, `lost`."""

    limits: "tuple[float, float, float] | None" = (HEAD_S, BODY_S, IDLE_S)
    """None: the peer may take all the time that it wants."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.state = HEAD
        self.head: Head | None = None
        self.is_closing = False
        """Whether the connection is closed after the request in hand."""
        self._buffer = bytearray()
        self._body: Body | None = None
        self._room: asyncio.Future[None] | None = None
        self._is_held = False
        self._loop = asyncio.get_running_loop()
        self._patience = Patience(self._loop, self._late)

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
            self._patience.within(self.limits[2])

    def connection_lost(self, error: "Exception | None") -> None:
        """It is closed."""
        self.is_closing = True
        self._patience.end()
        self.resume_writing()
        self.lost()

    def eof_received(self) -> bool:
        """A client may close its half when it has sent its request; nothing else will come from it."""
        if self.state in (HEAD, BODY, LINGERING):
            return False
        self.is_closing = True
        return True

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

    def pause_writing(self) -> None:
        """There is no room for more."""
        self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        """There is room again."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

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
        """The answer is written: take the next request, or close."""
        self.head = self._body = None
        if self.is_closing:
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
            self._patience.within(IDLE_S)
        self.transport.close()

    def _advance(self) -> None:
        if self.transport.is_closing():
            return
        try:
            if self.state is HEAD and not self._take_head():
                return
            if self.state is BODY:
                self._take_body()
        except Refused as error:
            self._turn_away(error.status, error.reason)

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
            self._patience.within(self.limits[1])

    def _completed(self, trailers: "list[tuple[str, str]]") -> None:
        self.state = BUSY
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
        self._patience.within(LINGER_S)

    def _late(self) -> None:
        """The client has let its time pass; while a request is answered, there is no hurry."""
        if self.state is LINGERING or (self.state is HEAD and not self._buffer):
            self.transport.abort()
        elif self.state is not BUSY:
            self._turn_away(408, "the rest of the request did not come in time")

    # Writing

    def write(self, status: int, headers: "list[tuple[str, str]]", body: bytes) -> None:
        """Write a whole answer."""
        if self.transport.is_closing():
            return
        framing = "" if status in BODILESS else f"Content-Length: {len(body)}\r\n"
        data = reply_head(status, headers, framing + self._persistence)
        self.transport.write(data if self._is_bodiless(status) else data + body)

    async def write_pieces(self, answer: "Answer", body: "AsyncIterator[bytes]") -> None:
        """Write an answer piece by piece, each when the client has room for it; an iterator that fails cuts it off."""
        is_chunked = self.head is not None and self.head.version != "HTTP/1.0"
        if not is_chunked:
            self.is_closing = True
        framing = "Transfer-Encoding: chunked\r\n" if is_chunked else ""
        self.transport.write(reply_head(answer.status, answer.headers, framing + self._persistence))
        if self._is_bodiless(answer.status):
            return
        try:
            async for piece in body:
                if self.transport.is_closing():
                    return
                if piece:
                    self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
                await self._take_room()
            if is_chunked:
                self.transport.write(b"0\r\n\r\n")
        except Exception:
            self.cut(is_chunked)
            raise

    async def _take_room(self) -> None:
        """Wait until the client has taken enough of what is on its way; one that never does is given up."""
        if self._room is not None:
            limit = self._loop.call_later(STALL_S, self.transport.abort)
            await self._room
            limit.cancel()

    def cut(self, is_chunked: bool) -> None:
        """Break off an answer: a chunked one lacks its end, any other has to be reset to show it."""
        self.is_closing = True
        if not is_chunked:
            self.transport.abort()

    def _is_bodiless(self, status: int) -> bool:
        return status in BODILESS or (self.head is not None and self.head.method == "HEAD")

    @property
    def _persistence(self) -> str:
        """What is said about the life of the connection."""
        if self.is_closing:
            return "Connection: close\r\n"
        is_old = self.head is not None and self.head.version == "HTTP/1.0"
        return "Connection: keep-alive\r\n" if is_old else ""
