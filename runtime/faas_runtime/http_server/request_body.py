"""Takes the bodies of HTTP/1.1 requests out of the received bytes, piece by piece (RFC 9112, sections 6 and 7)."""

from .header_fields import FORBIDDEN_IN_VALUE, TOKEN
from .request_head import RequestRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class RequestBody(Protocol):
        """A body that is being received."""

        is_complete: bool
        remaining: int
        """The number of bytes that are still to come; of a chunked body, in the current chunk."""
        trailers: list[tuple[str, str]]

        def take(self, buffer: bytearray) -> bytes:
            """Remove the available bytes of the body from the buffer and return them; raises `RequestRefused`.

            What follows the body stays in the buffer.
            """


SIZE_LINE_LIMIT = 256  # bytes of the line with a chunk's size, with its extensions
TRAILERS_LIMIT = 2 << 20  # bytes; a runtime sends the error of a broken stream in a trailer
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")


class SizedBody:
    """A body of known length."""

    def __init__(self, length: int) -> None:
        self.remaining = length
        self.is_complete = length == 0
        self.trailers: list[tuple[str, str]] = []

    def take(self, buffer: bytearray) -> bytes:
        """Take what is available, up to the length."""
        piece = bytes(buffer[: self.remaining])
        del buffer[: self.remaining]
        self.remaining -= len(piece)
        self.is_complete = self.remaining == 0
        return piece


class ChunkedBody:
    """A chunked body, with trailers at its end."""

    def __init__(self) -> None:
        self.remaining = 0
        self.is_complete = False
        self.trailers: list[tuple[str, str]] = []
        self._has_begun = False
        self._is_in_trailers = False

    def take(self, buffer: bytearray) -> bytes:
        """Take the available parts of chunks."""
        pieces = []
        while not self.is_complete:
            if self._is_in_trailers:
                if not self._take_trailers(buffer):
                    break
            elif self.remaining:
                piece = bytes(buffer[: self.remaining])
                del buffer[: self.remaining]
                self.remaining -= len(piece)
                pieces.append(piece)
                if self.remaining:
                    break
            elif not self._take_size(buffer):
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _take_size(self, buffer: bytearray) -> bool:
        """Take the end of the last chunk and the size of the next one; returns whether they were available."""
        start = 2 if self._has_begun else 0
        if buffer[:start] != b"\r\n"[: min(start, len(buffer))]:
            raise RequestRefused(400, "a chunk is longer than its size")
        end = buffer.find(b"\r\n", start, start + SIZE_LINE_LIMIT + 2)
        if end < 0:
            if len(buffer) >= start + SIZE_LINE_LIMIT + 2:
                raise RequestRefused(400, "malformed size of a chunk")
            return False
        line = bytes(buffer[start:end])
        digits = line.partition(b";")[0].rstrip(b" \t")
        is_size = digits and len(digits) <= 15 and _HEX_DIGITS.issuperset(digits)
        if not is_size or FORBIDDEN_IN_VALUE.search(line.decode("latin-1")):
            raise RequestRefused(400, f"malformed size of a chunk {bytes(buffer[start:end])[:40]!r}")
        del buffer[: end + 2]
        self.remaining = int(digits, 16)
        self._has_begun = True
        self._is_in_trailers = self.remaining == 0
        return True

    def _take_trailers(self, buffer: bytearray) -> bool:
        """Take the trailers and the empty line after them; returns whether all of it was available."""
        if buffer[:2] == b"\r\n":
            del buffer[:2]
            self.is_complete = True
            return True
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(buffer) > TRAILERS_LIMIT:
                raise RequestRefused(431, "the trailers are too large")
            return False
        for line in bytes(buffer[:end]).decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(":")
            value = value.strip(" \t")
            if not colon or not TOKEN.fullmatch(name) or FORBIDDEN_IN_VALUE.search(value):
                raise RequestRefused(400, f"malformed trailer {line[:80]!r}")
            self.trailers.append((name, value))
        del buffer[: end + 4]
        self.is_complete = True
        return True
