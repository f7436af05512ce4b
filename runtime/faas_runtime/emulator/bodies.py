"""The bodies of HTTP/1.1 requests, taken out of what is received, piece by piece (RFC 9112, sections 6 and 7)."""

from .heads import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Body(Protocol):
        """A body that is being received."""

        is_whole: bool
        left: int
        """How many bytes, at the least, are still to come."""
        trailers: list[tuple[str, str]]

        def take(self, buffer: bytearray) -> bytes:
            """Take what there is of the body out of the buffer, and leave there what follows; raises `Refused`."""


SIZE_LINE_LIMIT = 256  # with its extensions, which nobody uses
TRAILERS_LIMIT = 2 << 20  # bytes: a runtime sends the error of a broken stream here
_HEX = frozenset(b"0123456789abcdefABCDEF")


class Sized:
    """A body of known length."""

    def __init__(self, length: int) -> None:
        self.left = length
        self.is_whole = length == 0
        self.trailers: list[tuple[str, str]] = []

    def take(self, buffer: bytearray) -> bytes:
        """Take up to the length."""
        piece = bytes(buffer[: self.left])
        del buffer[: self.left]
        self.left -= len(piece)
        self.is_whole = self.left == 0
        return piece


class Chunked:
    """A chunked body, with trailers at its end."""

    def __init__(self) -> None:
        self.left = 0
        self._is_in_chunk = False
        self._is_in_trailers = False
        self.is_whole = False
        self.trailers: list[tuple[str, str]] = []

    def take(self, buffer: bytearray) -> bytes:
        """Take what there is of chunks."""
        pieces = []
        while not self.is_whole:
            if self._is_in_trailers:
                if not self._take_trailers(buffer):
                    break
            elif self.left:
                piece = bytes(buffer[: self.left])
                del buffer[: self.left]
                self.left -= len(piece)
                pieces.append(piece)
                if self.left:
                    break
            elif not self._take_size(buffer):
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _take_size(self, buffer: bytearray) -> bool:
        """Take the end of the last chunk and the size of the next one, if they are there."""
        start = 2 if self._is_in_chunk else 0
        if buffer[:start] != b"\r\n"[: min(start, len(buffer))]:
            raise Refused(400, "a chunk is longer than its size")
        end = buffer.find(b"\r\n", start, start + SIZE_LINE_LIMIT + 2)
        if end < 0:
            if len(buffer) >= start + SIZE_LINE_LIMIT + 2:
                raise Refused(400, "malformed size of a chunk")
            return False
        digits = bytes(buffer[start:end]).partition(b";")[0].rstrip(b" \t")
        if not digits or len(digits) > 15 or not _HEX.issuperset(digits):
            raise Refused(400, f"malformed size of a chunk {bytes(buffer[start:end])[:40]!r}")
        del buffer[: end + 2]
        self.left = int(digits, 16)
        self._is_in_chunk = True
        self._is_in_trailers = self.left == 0
        return True

    def _take_trailers(self, buffer: bytearray) -> bool:
        """Take trailers up to the empty line, if they are there whole."""
        if buffer[:2] == b"\r\n":
            del buffer[:2]
            self.is_whole = True
            return True
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(buffer) > TRAILERS_LIMIT:
                raise Refused(431, "the trailers are too large")
            return False
        for line in bytes(buffer[:end]).decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(":")
            if not colon:
                raise Refused(400, f"malformed trailer {line[:80]!r}")
            self.trailers.append((name.strip(), value.strip(" \t")))
        del buffer[: end + 4]
        self.is_whole = True
        return True
