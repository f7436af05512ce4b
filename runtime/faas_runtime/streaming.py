"""A streamed answer: sent in chunks while the function writes it (RFC 9112, section 7.1).

Nothing is kept back: each piece is handed to the socket before the function goes on, so a slow reader slows down the
function, and no more than one piece is in memory. The connection is closed afterwards, as the contract wants it.
"""

from .errors import ConnectionLost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .client import RuntimeApi
    from .errors import FunctionError

_JOINED_SIZE = 16384
_ERROR_TYPE = b"Lambda-Runtime-Function-Error-Type"
_ERROR_BODY = b"Lambda-Runtime-Function-Error-Body"
_FIELDS = (
    b"Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n"
    b"Trailer: " + _ERROR_TYPE + b", " + _ERROR_BODY + b"\r\nConnection: close\r\n\r\n"
)


class Stream:
    """One answer, begun with its head."""

    def __init__(self, api: "RuntimeApi", path: str, head: bytes) -> None:
        self._api = api
        self._path = path
        self._connection = connection = api.connection
        if not connection.is_open():
            connection.close()
            connection.open()
        try:
            self._send(head + _FIELDS)
        except ConnectionLost:
            connection.close()
            raise

    def send(self, data: "bytes | memoryview") -> None:
        """Send a piece."""
        size = len(data)
        if not size:
            return  # an empty chunk would be the end
        if size <= _JOINED_SIZE:
            self._send(b"".join((b"%x\r\n" % size, data, b"\r\n")))
            return
        self._send(b"%x\r\n" % size)
        self._send(data)
        self._send(b"\r\n")

    def end(self, error: "FunctionError | None") -> None:
        """Send the end: with trailers, if the function failed after its first piece."""
        from .log import log_failure

        trailers = b""
        if error is not None:
            from binascii import b2a_base64

            from .reports import header_type, trailer_document

            log_failure(error, self._api.invocation)
            body = b2a_base64(trailer_document(error), newline=False)
            kind = header_type(error.error_type).encode()
            trailers = b"%b: %b\r\n%b: %b\r\n" % (_ERROR_TYPE, kind, _ERROR_BODY, body)
        try:
            self._send(b"0\r\n%b\r\n" % trailers)
        except ConnectionLost as lost:
            self.abandon(lost)
        else:
            self._settle()

    def abandon(self, reason: Exception) -> None:
        """Give up in the middle, after a piece that nobody took; the server may have said why."""
        try:
            self._settle()
        except ConnectionLost:
            raise ConnectionLost(f"the stream broke: {reason}", unanswered=True) from reason

    def _send(self, data: "bytes | memoryview") -> None:
        assert self._connection.socket is not None
        try:
            self._connection.socket.sendall(data)
        except OSError as error:
            raise ConnectionLost(f"the stream broke: {error}", unanswered=False) from error

    def _settle(self) -> None:
        try:
            answer = self._connection.finish(b"")
            self._api.check(self._path, answer)
        finally:
            self._connection.close()
