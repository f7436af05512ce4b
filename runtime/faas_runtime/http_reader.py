"""HTTP/1.1 responses, parsed in the buffer that they were received into (RFC 9112).

The body of a response stays in the buffer of the connection: a function reads its event there. A chunked body is
put together there too, by moving its chunks to the left.
"""

from .errors import ConnectionLost, RuntimeApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

INITIAL_SIZE = 65536  # bytes of the buffer
HEAD_LIMIT = 1 << 20  # bytes; a head has a few KiB, and a peer that sends more does not speak HTTP
SIZE_LIMIT = 1 << 31  # bytes; payloads have a few MiB
EXPECTED_SIZE = 8 << 20  # bytes; room for an event is made at once up to here, and beyond that when it has arrived
QUOTE_LIMIT = 80  # bytes of a malformed response that an error message shows
_LENGTH_DIGITS = 18  # of numbers that fit into 64 bits
_CHUNK_SIZE_DIGITS = 15  # of hexadecimal numbers that fit into 64 bits
END_OF_LINE = b"\r\n"
END_OF_HEAD = b"\r\n\r\n"
_SINGLE = (b"content-length", b"lambda-runtime-")
"""The beginnings of the names of headers that have one value. Two readers could understand two values differently."""
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")


class ReceivedResponse:
    """A response: its status, headers by their names in lower case, and where in the buffer its parts are."""

    __slots__ = ("body_end", "body_start", "end", "head_start", "headers", "keep_alive", "status", "value_starts")

    def __init__(
        self, status: int, headers: "dict[bytes, bytes]", value_starts: "dict[bytes, int]", start: int
    ) -> None:
        self.status = status
        self.headers = headers
        self.value_starts = value_starts
        """Where each header's value begins."""
        self.head_start = start
        self.body_start = self.body_end = 0
        self.end = 0
        """Where the next response begins, if the server has sent one behind this one."""
        self.keep_alive = True
        """Whether the server leaves the connection open."""


class ResponseReader:
    """Reads responses into a buffer, which `receive` fills: the `recv_into` of a connected socket.

    Raises `ConnectionLost` when the connection breaks, and `RuntimeApiError` for what is not HTTP/1.1.
    """

    __slots__ = ("buffer", "count", "receive", "view")

    def __init__(self, receive: "Callable[[memoryview], int]", size: int = INITIAL_SIZE) -> None:
        self.receive = receive
        self.buffer = bytearray(size)
        self.view = memoryview(self.buffer)
        self.count = 0
        """How many bytes have been received into the buffer."""

    def read_response(self, count: int = 0) -> ReceivedResponse:
        """Read a response of which `count` bytes are in the buffer already, and skip interim ones (1xx) before it.

        The limit of a head holds for all their heads together.
        """
        self.count = count
        start = 0
        while True:
            end = self._find(END_OF_HEAD, start, 0)
            version, response = parse_head(bytes(self.view[start:end]), start)
            start = end + len(END_OF_HEAD)
            if response.status >= 200:
                break
        response.body_start = start
        is_delimited = self._receive_body(response)
        response.end = max(response.end, response.body_end)
        options = response.headers.get(b"connection", b"").lower()
        is_persistent = b"keep-alive" in options if version == b"HTTP/1.0" else b"close" not in options
        response.keep_alive = is_delimited and is_persistent
        return response

    def receive_until(self, end: int) -> None:
        """Receive until the buffer is filled up to `end`, and make it larger if necessary.

        A large size alone does not take memory: beyond EXPECTED_SIZE, the buffer grows only when it is full.
        """
        if end > SIZE_LIMIT:
            raise malformed("length, which is beyond any payload", b"%d" % end)
        while self.count < end:
            size = len(self.buffer)
            if size < end and (size < EXPECTED_SIZE or self.count == size):
                self._grow(max(2 * size, min(end, EXPECTED_SIZE)))  # twice, as chunks come one by one
            self._receive_some(self.view[self.count :])

    def _receive_body(self, response: ReceivedResponse) -> bool:
        """Receive the body; returns whether it has an end of its own (RFC 9112, section 6.3).

        Otherwise it ends with the connection.
        """
        start = response.body_start
        encoding = response.headers.get(b"transfer-encoding")
        length = response.headers.get(b"content-length")
        response.body_end = start
        if response.status in (204, 304):
            return True
        if encoding is not None:
            if encoding.lower() != b"chunked":
                raise malformed("transfer encoding", encoding)
            self._receive_chunks(response)
            return True
        if length is None:
            response.body_end = self._receive_all()
            return False
        if not length.isdigit() or len(length) > _LENGTH_DIGITS:
            raise malformed("Content-Length", length)
        response.body_end = start + int(length)
        self.receive_until(response.body_end)
        return True

    def _receive_chunks(self, response: ReceivedResponse) -> None:
        """Receive a chunked body (RFC 9112, section 7.1), and put it together."""
        position = response.body_start
        while True:
            end = self._find(END_OF_LINE, position, position)
            size = parse_chunk_size(bytes(self.view[position:end]))
            position = end + 2
            if size == 0:
                break
            self.receive_until(position + size + 2)
            if self.buffer[position + size : position + size + 2] != END_OF_LINE:
                raise malformed("chunk, longer than its size", self._quote(position))
            self.view[response.body_end : response.body_end + size] = self.view[position : position + size]
            response.body_end += size
            position += size + 2
        trailers = position
        while (end := self._find(END_OF_LINE, position, trailers)) > position:
            position = end + 2  # trailers have no meaning here
        response.end = end + 2

    def _find(self, end: bytes, position: int, limited_from: int) -> int:
        """Where `end` begins, at or after the position; receives until it is there.

        At most HEAD_LIMIT bytes are received, counted from `limited_from`.
        """
        searched = position
        while (found := self.buffer.find(end, searched, self.count)) < 0:
            if self.count - limited_from > HEAD_LIMIT:
                raise malformed("head without an end", self._quote(position))
            searched = max(position, self.count - len(end) + 1)
            if self.count == len(self.buffer):
                self._grow(2 * self.count)
            self._receive_some(self.view[self.count :])
        return found

    def _receive_all(self) -> int:
        """Receive until the peer closes the connection; returns where the data ends."""
        while True:
            if self.count == len(self.buffer):
                self._grow(2 * self.count)
            try:
                received = self.receive(self.view[self.count :])
            except OSError as error:
                raise ConnectionLost(
                    f"the connection to the Runtime API broke: {error}", is_unanswered=False
                ) from error
            if not received:
                return self.count
            self.count += received

    def _receive_some(self, place: memoryview) -> None:
        is_unanswered = not self.count
        try:
            received = self.receive(place)
        except OSError as error:
            message = f"the connection to the Runtime API broke: {error}"
            raise ConnectionLost(message, is_unanswered=is_unanswered) from error
        if not received:
            when = "before its response" if is_unanswered else "in the middle of its response"
            raise ConnectionLost(f"the Runtime API closed the connection {when}", is_unanswered=is_unanswered)
        self.count += received

    def _quote(self, position: int) -> bytes:
        """The received bytes at the position, for a message. After `count`, the buffer has parts of earlier events."""
        return bytes(self.view[position : min(position + QUOTE_LIMIT, self.count)])

    def _grow(self, size: int) -> None:
        larger = bytearray(size)
        larger[: self.count] = self.view[: self.count]
        self.buffer = larger
        self.view = memoryview(larger)


def parse_head(head: bytes, start: int = 0) -> "tuple[bytes, ReceivedResponse]":
    """Parse a status line and headers, which begin at `start` in their buffer; returns the HTTP version too."""
    first, *lines = head.split(END_OF_LINE)
    version, _, rest = first.partition(b" ")
    status = rest[:3]
    is_status = len(status) == 3 and status.isdigit() and rest[3:4] in (b"", b" ")
    if not version.startswith(b"HTTP/1.") or not is_status:
        raise malformed("status line", first)
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
        raise malformed("line end in the head", head)
    if b"\0" in head:
        raise malformed("NUL byte in the head", head)
    headers: dict[bytes, bytes] = {}
    value_starts: dict[bytes, int] = {}
    position = start + len(first) + 2
    for line in lines:
        name, colon, rest = line.partition(b":")
        name = name.lower()
        value = rest.strip(b" \t")
        if not colon or not name or b" " in name or b"\t" in name:
            raise malformed("header", line)
        if name in headers and (name == b"transfer-encoding" or (headers[name] != value and name.startswith(_SINGLE))):
            raise malformed(f"second {name.title().decode('latin-1')}", value)
        headers[name] = value
        value_starts[name] = position + len(name) + 1 + len(rest) - len(rest.lstrip(b" \t"))
        position += len(line) + 2
    return version, ReceivedResponse(int(status), headers, value_starts, start)


def parse_chunk_size(line: bytes) -> int:
    """The size in the line before a chunk; extensions are dropped."""
    size = line.partition(b";")[0].strip(b" \t")
    if not size or not _HEX_DIGITS.issuperset(size) or len(size) > _CHUNK_SIZE_DIGITS:
        raise malformed("chunk size", line)
    return int(size, 16)


def malformed(what: str, data: bytes) -> RuntimeApiError:
    """The error for a response that is not HTTP/1.1."""
    return RuntimeApiError(
        f"what listens at AWS_LAMBDA_RUNTIME_API does not speak HTTP/1.1; malformed {what}: {data[:QUOTE_LIMIT]!r}"
    )
