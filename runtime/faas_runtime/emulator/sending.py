"""The answers' side of an HTTP/1.1 connection: what is written, how fast a client takes it, and one that does not."""

import asyncio
import socket
import struct
import sys

from .patience import Patience
from .replies import BODILESS, reply_head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .heads import Head
    from .messages import Answer, Pieces

WRITE_LIMIT = 64 << 10  # bytes on their way out, beyond which whoever writes waits
LINGER_FORMAT = "HH" if sys.platform == "win32" else "ii"
STALL_S = 300.0  # for a client to take anything at all of what is on its way to it


class Sender(asyncio.Protocol):
    """A connection that answers are written to; how they are asked for is up to its child."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.head: Head | None = None
        """That of the request in hand."""
        self.is_closing = False
        """Whether the connection is closed after the request in hand."""
        self._loop = asyncio.get_running_loop()
        self._patience = Patience(self._loop, self._late)
        self._look_s = 0.0
        """How often is looked whether the client takes what is on its way; 0: it has all the time that it wants."""
        self._room: asyncio.Future[None] | None = None
        self._streamed: Pieces | None = None
        self._left = 0  # bytes that were on their way at the last look
        self._taken_at = 0.0

    def _late(self) -> None:
        raise NotImplementedError

    # What the event loop calls

    def pause_writing(self) -> None:
        """There is no room for more."""
        self._room = self._loop.create_future()
        self._left = 0
        if self._look_s:
            self._patience.within(self._look_s)

    def resume_writing(self) -> None:
        """There is room again."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def connection_lost(self, error: "Exception | None") -> None:
        """It is closed: nobody takes the rest of a streamed answer."""
        self.is_closing = True
        self._patience.end()
        if self._streamed is not None:
            self._streamed.drop()
        self.resume_writing()

    # Writing

    def write(self, status: int, headers: "list[tuple[str, str]]", body: bytes) -> None:
        """Write a whole answer."""
        if self.transport.is_closing():
            return
        framing = "" if status in BODILESS else f"Content-Length: {len(body)}\r\n"
        data = reply_head(status, headers, framing + self._persistence)
        self.transport.write(data if self._is_bodiless(status) else data + body)

    async def write_pieces(self, answer: "Answer", body: "Pieces") -> None:
        """Write an answer piece by piece, each when the client has room for it; an iterator that fails cuts it off.

        Whatever happens, the body is dropped in the end: at once if the client wants none of it or has gone.
        """
        try:
            if self.transport.is_closing():
                return
            is_chunked = self.head is not None and self.head.version != "HTTP/1.0"
            if not is_chunked:
                self.is_closing = True
            framing = "Transfer-Encoding: chunked\r\n" if is_chunked and answer.status not in BODILESS else ""
            self.transport.write(reply_head(answer.status, answer.headers, framing + self._persistence))
            if not self._is_bodiless(answer.status):
                self._streamed = body
                await self._write_all(body, is_chunked)
        finally:
            self._streamed = None
            body.drop()

    async def _write_all(self, body: "Pieces", is_chunked: bool) -> None:
        try:
            async for piece in body:
                if piece and not self.transport.is_closing():
                    self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
                if self._room is not None:
                    await self._room
                if self.transport.is_closing():
                    return
            if is_chunked and not self.transport.is_closing():
                self.transport.write(b"0\r\n\r\n")
        except Exception:
            self._cut(is_chunked)
            raise

    def _cut(self, is_chunked: bool) -> None:
        """Break off an answer: a chunked one lacks its end, any other has to be reset to show it."""
        self.is_closing = True
        if not is_chunked:
            self._reset()

    def _give_up(self) -> None:
        """Close it now; what the system has taken of an answer that is whole still goes out."""
        if self.transport.get_write_buffer_size():
            self._reset()
        else:
            self.transport.abort()

    def _reset(self) -> None:
        """Close it so that the client sees that its answer is not whole."""
        found = self.transport.get_extra_info("socket")
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(LINGER_FORMAT, 1, 0))
        except (AttributeError, OSError):
            pass  # it is gone
        self.transport.abort()

    def _is_taking(self) -> bool:
        """Whether the client still takes what is on its way to it; one that has all of it, or takes nothing, does not.

        To be called at each look: what counts is that something has gone since the last one.
        """
        left = self.transport.get_write_buffer_size()
        now = self._loop.time()
        if left != self._left:
            self._left, self._taken_at = left, now
        elif not left or now - self._taken_at >= STALL_S:
            return False
        self._patience.within(self._look_s)
        return True

    def _is_bodiless(self, status: int) -> bool:
        return status in BODILESS or (self.head is not None and self.head.method == "HEAD")

    @property
    def _persistence(self) -> str:
        """What is said about the life of the connection."""
        if self.is_closing:
            return "Connection: close\r\n"
        is_old = self.head is not None and self.head.version == "HTTP/1.0"
        return "Connection: keep-alive\r\n" if is_old else ""
