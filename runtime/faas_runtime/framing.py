"""HTTP/1.1 answers, taken apart where they were received (RFC 9112).

The body of an answer stays in the buffer of the connection: a function reads its event there. A chunked body is
put together there too, by moving its chunks to the left.
"""

from .errors import ConnectionLost, RuntimeApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = 65536
HEAD_LIMIT = 1 << 20  # a head is a few KiB; beyond this the peer does not speak HTTP
SIZE_LIMIT = 1 << 31  # payloads are a few MiB
END_OF_LINE = b"\r\n"
END_OF_HEAD = b"\r\n\r\n"
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")


class Answer:
    """An answer: its status, headers by their names in lower case, where values and body lie, and how it ends."""

    __slots__ = ("body_end", "body_start", "head_start", "headers", "keep_alive", "places", "status")

    def __init__(self, status: int, headers: "dict[bytes, bytes]", places: "dict[bytes, int]", start: int) -> None:
        self.status = status
        self.headers = headers
        self.places = places
        """Where in the head each value begins."""
        self.head_start = start
        self.body_start = self.body_end = 0
        self.keep_alive = True


class Reader:
    """A buffer, filled by `receive`, which is the `recv_into` of a connected socket."""

    __slots__ = ("buffer", "count", "receive", "view")

    def __init__(self, receive: "Callable[[memoryview], int]", size: int = SMALL) -> None:
        self.receive = receive
        self.buffer = bytearray(size)
        self.view = memoryview(self.buffer)
        self.count = 0
        """How many bytes were received into the buffer."""

    def answer(self, count: int = 0) -> Answer:
        """Read an answer, skipping interim ones (1xx), of which `count` bytes are in the buffer already.

        All heads together have the limit of one.
        """
        self.count = count
        start = 0
        while True:
            end = self._find(END_OF_HEAD, start, 0)
            version, answer = parse_head(bytes(self.view[start:end]), start)
            start = end + len(END_OF_HEAD)
            if answer.status >= 200:
                break
        answer.body_start = start
        delimited = self._body(answer)
        options = answer.headers.get(b"connection", b"").lower()
        persistent = b"keep-alive" in options if version == b"HTTP/1.0" else b"close" not in options
        answer.keep_alive = delimited and persistent
        return answer

    def need(self, end: int) -> None:
        """Receive until the buffer is filled up to `end`, making it larger if it has to be."""
        if end > len(self.buffer):
            self._grow(max(end, 2 * len(self.buffer)))  # twice, as chunks come one by one
        while self.count < end:
            self._more(self.view[self.count :])

    def _body(self, answer: Answer) -> bool:
        """Receive the body, and tell whether it ends before the connection does (RFC 9112, section 6.3)."""
        start = answer.body_start
        encoding = answer.headers.get(b"transfer-encoding")
        length = answer.headers.get(b"content-length")
        answer.body_end = start
        if answer.status in (204, 304):
            return True
        if encoding is not None:
            if encoding.lower() != b"chunked":
                raise malformed("transfer encoding", encoding)
            self._chunks(answer)
            return True
        if length is None:
            answer.body_end = self._rest()
            return False
        if not length.isdigit() or len(length) > 18:
            raise malformed("Content-Length", length)
        answer.body_end = start + int(length)
        self.need(answer.body_end)
        return True

    def _chunks(self, answer: Answer) -> None:
        position = answer.body_start
        while True:
            end = self._find(END_OF_LINE, position, position)
            size = parse_chunk_size(bytes(self.view[position:end]))
            position = end + 2
            if size == 0:
                break
            self.need(position + size + 2)
            if self.buffer[position + size : position + size + 2] != END_OF_LINE:
                raise malformed("chunk, longer than its size", bytes(self.view[position : position + 80]))
            self.view[answer.body_end : answer.body_end + size] = self.view[position : position + size]
            answer.body_end += size
            position += size + 2
        trailers = position
        while (end := self._find(END_OF_LINE, position, trailers)) > position:
            position = end + 2  # trailers mean nothing here
        # What was received beyond this answer has to stay recognisable as such.
        self.count += answer.body_end - (end + 2)

    def _find(self, end: bytes, position: int, limited_from: int) -> int:
        """Where `end` begins, at or after the position."""
        searched = position
        while (found := self.buffer.find(end, searched, self.count)) < 0:
            if self.count - limited_from > HEAD_LIMIT:
                raise malformed("head without an end", bytes(self.view[position : position + 80]))
            searched = max(position, self.count - len(end) + 1)
            if self.count == len(self.buffer):
                self._grow(2 * self.count)
            self._more(self.view[self.count :])
        return found

    def _rest(self) -> int:
        while True:
            if self.count == len(self.buffer):
                self._grow(2 * self.count)
            try:
                received = self.receive(self.view[self.count :])
            except OSError as error:
                raise ConnectionLost(f"the connection to the Runtime API broke: {error}", unanswered=False) from error
            if not received:
                return self.count
            self.count += received

    def _more(self, place: memoryview) -> None:
        unanswered = not self.count
        try:
            received = self.receive(place)
        except OSError as error:
            message = f"the connection to the Runtime API broke: {error}"
            raise ConnectionLost(message, unanswered=unanswered) from error
        if not received:
            moment = "without an answer" if unanswered else "in mid-answer"
            raise ConnectionLost(f"the Runtime API closed the connection {moment}", unanswered=unanswered)
        self.count += received

    def _grow(self, size: int) -> None:
        if size > SIZE_LIMIT:
            raise malformed("length, which is beyond any payload", b"%d" % size)
        larger = bytearray(size)
        larger[: self.count] = self.view[: self.count]
        self.buffer = larger
        self.view = memoryview(larger)


def parse_head(head: bytes, start: int = 0) -> "tuple[bytes, Answer]":
    """Take a status line and headers apart; the head begins at `start` in its buffer."""
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
    places: dict[bytes, int] = {}
    position = start + len(first) + 2
    for line in lines:
        name, colon, rest = line.partition(b":")
        name = name.lower()
        value = rest.strip(b" \t")
        if not colon or not name or b" " in name or b"\t" in name:
            raise malformed("header", line)
        if name == b"transfer-encoding" and name in headers:
            raise malformed("second Transfer-Encoding", value)
        if name == b"content-length" and headers.get(name, value) != value:
            raise malformed("second Content-Length", value)
        headers[name] = value
        places[name] = position + len(name) + 1 + len(rest) - len(rest.lstrip(b" \t"))
        position += len(line) + 2
    return version, Answer(int(status), headers, places, start)


def parse_chunk_size(line: bytes) -> int:
    """The size in the line that comes before a chunk; extensions are dropped."""
    size = line.partition(b";")[0].strip(b" \t")
    if not size or not _HEX_DIGITS.issuperset(size) or len(size) > 15:
        raise malformed("chunk size", line)
    return int(size, 16)


def malformed(what: str, data: bytes) -> RuntimeApiError:
    """The error for an answer that is none."""
    return RuntimeApiError(
        f"what listens at AWS_LAMBDA_RUNTIME_API does not speak HTTP/1.1; malformed {what}: {data[:80]!r}"
    )
