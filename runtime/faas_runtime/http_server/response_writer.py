"""The response side of an HTTP/1.1 connection: writes responses, and notices clients that stop reading them."""

import socket
import struct
import sys

from ..event_loop.loop import running_loop
from ..event_loop.tasks import Future
from .response_head import BODILESS, encode_response_head
from .timeout import Timeout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..event_loop.transport import SocketTransport
    from .messages import HttpResponse, StreamedBody
    from .request_head import RequestHead

STALL_S = 300.0  # for a client to read any byte of what is in the write buffer
_LINGER_FORMAT = "HH" if sys.platform == "win32" else "ii"  # struct linger


class ResponseWriter:
    """A connection that responses are written to; subclasses read the requests."""

    def __init__(self) -> None:
        self.transport: SocketTransport = None  # type: ignore[assignment]
        self.head: RequestHead | None = None
        """The head of the current request."""
        self.is_closing = False
        """Whether the connection is closed after the current request."""
        self._loop = running_loop()
        self._timeout = Timeout(self._loop, self._timed_out)
        self._stall_check_s = 0.0
        """How often to check whether the client still reads; 0: it may take any time."""
        self._drained: Future | None = None
        """Set when there is room in the write buffer again; None: there is room."""
        self._streamed: StreamedBody | None = None
        self._unread = 0
        """The size of the write buffer at the last check."""
        self._last_read_at = 0.0

    def _timed_out(self) -> None:
        raise NotImplementedError

    # Called by the event loop

    def pause_writing(self) -> None:
        """The write buffer is above its high-water mark."""
        self._drained = Future()
        self._unread = 0
        if self._stall_check_s:
            self._timeout.restart(self._stall_check_s)

    def resume_writing(self) -> None:
        """There is room in the write buffer again."""
        drained, self._drained = self._drained, None
        if drained is not None:
            drained.set_result()

    def connection_lost(self, error: "Exception | None") -> None:
        """The connection is closed: discard the rest of a streamed response."""
        self.is_closing = True
        self._timeout.cancel()
        if self._streamed is not None:
            self._streamed.discard()
        self.resume_writing()

    # Writing

    def write(self, status: int, headers: "list[tuple[str, str]]", body: bytes) -> None:
        """Write a complete response."""
        if self.transport.is_closing():
            return
        framing = "" if status in BODILESS else f"Content-Length: {len(body)}\r\n"
        data = encode_response_head(status, headers, framing + self._connection_field)
        self.transport.write(data if self._is_bodiless(status) else data + body)

    async def write_streamed(self, response: "HttpResponse", body: "StreamedBody") -> None:
        """Write a response piece by piece, each piece when the client has room for it.

        An iterator that fails cuts the response off. The body is discarded at the end in every case: at once if the
        client needs none of it or has gone.
        """
        try:
            if self.transport.is_closing():
                return
            is_chunked = self.head is not None and self.head.version != "HTTP/1.0"
            if not is_chunked:
                self.is_closing = True
            framing = "Transfer-Encoding: chunked\r\n" if is_chunked and response.status not in BODILESS else ""
            head = encode_response_head(response.status, response.headers, framing + self._connection_field)
            self.transport.write(head)
            if not self._is_bodiless(response.status):
                self._streamed = body
                await self._write_pieces(body, is_chunked)
        finally:
            self._streamed = None
            body.discard()

    async def _write_pieces(self, body: "StreamedBody", is_chunked: bool) -> None:
        try:
            async for piece in body:
                if piece and not self.transport.is_closing():
                    self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
                if self._drained is not None:
                    await self._drained
                if self.transport.is_closing():
                    return
            if is_chunked and not self.transport.is_closing():
                self.transport.write(b"0\r\n\r\n")
        except Exception:
            self._cut_off(is_chunked)
            raise

    def _cut_off(self, is_chunked: bool) -> None:
        """Cut a response off. A chunked one lacks its last chunk; any other is reset so that the client notices."""
        self.is_closing = True
        if not is_chunked:
            self._reset()

    def _give_up(self) -> None:
        """Close the connection now. What the system holds of a complete response is still sent."""
        if self.transport.get_write_buffer_size():
            self._reset()
        else:
            self.transport.abort()

    def _reset(self) -> None:
        """Close the connection in such a way that the client sees an incomplete response."""
        try:
            self.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(_LINGER_FORMAT, 1, 0))
        except OSError:
            pass  # it is closed already
        self.transport.abort()

    def _is_client_reading(self) -> bool:
        """Whether the client has read something since the last check, or may still do so; restarts the timeout if so.

        False for a client that has read everything, and for one that has read nothing for `STALL_S`.
        """
        unread = self.transport.get_write_buffer_size()
        now = self._loop.time()
        if unread != self._unread:
            self._unread, self._last_read_at = unread, now
        elif not unread or now - self._last_read_at >= STALL_S:
            return False
        self._timeout.restart(self._stall_check_s)
        return True

    def _is_bodiless(self, status: int) -> bool:
        return status in BODILESS or (self.head is not None and self.head.method == "HEAD")

    @property
    def _connection_field(self) -> str:
        """The header field Connection as a line; empty if the default of the HTTP version holds."""
        if self.is_closing:
            return "Connection: close\r\n"
        is_http_1_0 = self.head is not None and self.head.version == "HTTP/1.0"
        return "Connection: keep-alive\r\n" if is_http_1_0 else ""
