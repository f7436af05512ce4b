"""A streamed response: sent in chunks while the function writes it (RFC 9112, section 7.1).

Nothing is buffered: each piece is handed to the socket before the function goes on. So a slow reader slows down the
function, and there is never more than one piece in memory. The contract requires that the connection is closed
afterwards.
"""

from .errors import ConnectionLost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .connection import RuntimeApiConnection
    from .errors import FunctionError
    from .http_reader import ReceivedResponse
    from .invocation import Invocation

_JOINED_SIZE = 16384  # bytes; up to here, copying a piece between its size and its end costs less than more calls
_ERROR_TYPE = b"Lambda-Runtime-Function-Error-Type"
_ERROR_BODY = b"Lambda-Runtime-Function-Error-Body"
_FIELDS = (
    b"Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n"
    b"Trailer: " + _ERROR_TYPE + b", " + _ERROR_BODY + b"\r\nConnection: close\r\n\r\n"
)


class ChunkedResponse:
    """One streamed response, begun with its head: the `ResponseStream` of the Runtime API's client."""

    def __init__(
        self,
        connection: "RuntimeApiConnection",
        head: bytes,
        invocation: "Invocation",
        check_outcome: "Callable[[ReceivedResponse], None]",
    ) -> None:
        """Send the head, which ends behind the line of a field; `check_outcome` gets the server's response."""
        self._connection = connection
        self._invocation = invocation
        self._check_outcome = check_outcome
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
            return  # an empty chunk would end the body
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

            log_failure(error, self._invocation)
            body = b2a_base64(trailer_document(error), newline=False)
            error_type = header_type(error.error_type).encode()
            trailers = b"%b: %b\r\n%b: %b\r\n" % (_ERROR_TYPE, error_type, _ERROR_BODY, body)
        try:
            self._send(b"0\r\n%b\r\n" % trailers)
        except ConnectionLost as lost:
            self.abandon(lost)
        else:
            self._read_outcome()

    def abandon(self, reason: Exception) -> None:
        """Give up after a piece that could not be sent; the server may have given the reason in a response."""
        try:
            self._read_outcome()
        except ConnectionLost:
            raise ConnectionLost(f"the stream broke: {reason}", is_unanswered=True) from reason

    def _send(self, data: "bytes | memoryview") -> None:
        assert self._connection.socket is not None
        try:
            self._connection.socket.sendall(data)
        except OSError as error:
            raise ConnectionLost(f"the stream broke: {error}", is_unanswered=False) from error

    def _read_outcome(self) -> None:
        try:
            self._check_outcome(self._connection.read_response(b""))
        finally:
            self._connection.close()
