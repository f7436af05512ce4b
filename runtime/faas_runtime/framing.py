"""HTTP/1.1 answers, taken apart as they come from a socket (RFC 9112)."""

from .errors import ConnectionLost, RuntimeApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 65536
LARGE_CHUNK = 1 << 20
HEAD_LIMIT = 1 << 20  # a head is a few KiB; beyond this the peer does not speak HTTP
END_OF_LINE = b"\r\n"
END_OF_HEAD = b"\r\n\r\n"
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")


class Answer:
    """An answer: its status, its headers by their names in lower case, and its body."""

    __slots__ = ("body", "headers", "keep_alive", "status")

    def __init__(self, status: int, headers: "dict[bytes, bytes]", body: bytes, keep_alive: bool) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.keep_alive = keep_alive


class Reader:
    """Reads answers from `receive`, which is the `recv` of a connected socket."""

    __slots__ = ("_buffer", "_receive")

    def __init__(self, receive: "Callable[[int], bytes]") -> None:
        self._receive = receive
        self._buffer = b""

    @property
    def is_drained(self) -> bool:
        """Whether nothing was received beyond the last answer."""
        return not self._buffer

    def answer(self) -> Answer:
        """Read the next answer, skipping interim ones (1xx)."""
        unanswered = True
        while True:
            head = self._until(END_OF_HEAD, unanswered=unanswered)
            version, status, headers = parse_head(head)
            if status >= 200:
                break
            unanswered = False
        body, delimited = self._body(status, headers)
        options = headers.get(b"connection", b"").lower()
        persistent = b"keep-alive" in options if version == b"HTTP/1.0" else b"close" not in options
        return Answer(status, headers, body, keep_alive=delimited and persistent)

    def _body(self, status: int, headers: "dict[bytes, bytes]") -> "tuple[bytes, bool]":
        """The body, and whether it ends before the connection does (RFC 9112, section 6.3)."""
        if status in (204, 304):
            return b"", True
        encoding = headers.get(b"transfer-encoding")
        if encoding is not None:
            if encoding.lower() != b"chunked":
                raise _malformed("transfer encoding", encoding)
            return self._chunks(), True
        length = headers.get(b"content-length")
        if length is None:
            return self._rest(), False
        if not length.isdigit():
            raise _malformed("Content-Length", length)
        return self._exactly(int(length)), True

    def _chunks(self) -> bytes:
        parts = []
        while True:
            size = parse_chunk_size(self._until(END_OF_LINE))
            if size == 0:
                break
            parts.append(self._exactly(size))
            if self._exactly(2) != END_OF_LINE:
                raise _malformed("chunk, longer than its size", parts[-1])
        while self._until(END_OF_LINE):
            pass  # trailers mean nothing here
        return b"".join(parts)

    def _until(self, end: bytes, *, unanswered: bool = False) -> bytes:
        """What comes before `end`, which is taken off as well."""
        while (position := self._buffer.find(end)) < 0:
            if len(self._buffer) > HEAD_LIMIT:
                raise _malformed("head without an end", self._buffer)
            self._buffer += self._more(CHUNK, unanswered=unanswered and not self._buffer)
        taken = self._buffer[:position]
        self._buffer = self._buffer[position + len(end) :]
        return taken

    def _exactly(self, size: int) -> bytes:
        buffer = self._buffer
        if len(buffer) >= size:
            self._buffer = buffer[size:]
            return buffer[:size]
        self._buffer = b""
        parts = [buffer]
        missing = size - len(buffer)
        while missing:
            part = self._more(min(missing, LARGE_CHUNK))
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _rest(self) -> bytes:
        parts = [self._buffer]
        self._buffer = b""
        while part := self._receive(CHUNK):
            parts.append(part)
        return b"".join(parts)

    def _more(self, size: int, *, unanswered: bool = False) -> bytes:
        try:
            data = self._receive(size)
        except OSError as error:
            message = f"the connection to the Runtime API broke: {error}"
            raise ConnectionLost(message, unanswered=unanswered) from error
        if not data:
            moment = "without an answer" if unanswered else "in mid-answer"
            raise ConnectionLost(f"the Runtime API closed the connection {moment}", unanswered=unanswered)
        return data


def parse_head(head: bytes) -> "tuple[bytes, int, dict[bytes, bytes]]":
    """Take a status line and headers apart: version, status, headers by name in lower case."""
    first, *lines = head.split(END_OF_LINE)
    version, _, rest = first.partition(b" ")
    status = rest[:3]
    is_status = len(status) == 3 and status.isdigit() and rest[3:4] in (b"", b" ")
    if not version.startswith(b"HTTP/1.") or not is_status:
        raise _malformed("status line", first)
    if b"\0" in head:
        raise _malformed("NUL byte in the head", head)
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        name = name.lower()
        value = value.strip(b" \t")
        if not colon or not name or b" " in name or b"\t" in name:
            raise _malformed("header", line)
        if name == b"content-length" and headers.get(name, value) != value:
            raise _malformed("second Content-Length", value)
        headers[name] = value
    return version, int(status), headers


def parse_chunk_size(line: bytes) -> int:
    """The size in the line that comes before a chunk; extensions are dropped."""
    size = line.partition(b";")[0].strip(b" \t")
    if not size or not _HEX_DIGITS.issuperset(size):
        raise _malformed("chunk size", line)
    return int(size, 16)


def _malformed(what: str, data: bytes) -> RuntimeApiError:
    return RuntimeApiError(
        f"what listens at AWS_LAMBDA_RUNTIME_API does not speak HTTP/1.1; malformed {what}: {data[:80]!r}"
    )
