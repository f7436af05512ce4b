"""Where the values are in the head of an event's response, learned from one head and checked on those that follow.

A platform writes its heads alike: the same headers in the same order, and values of the same lengths. So the parts of a
head can be received into places of their own. What never changes is compared with what it was in the head that was
parsed. So a head that fits has the same meaning; one that does not is parsed.
"""

from . import abi
from .client import INVOCATION_ID_FIELD
from .invocation import DEADLINE_HEADER, INVOCATION_ID_HEADER, REQUEST_ID_HEADER, TEXT_HEADERS, TRACE_ID_HEADER
from .io_vectors import IoVector, gather, scatter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import _CArgObject as CArgObject

    from .http_reader import ReceivedResponse
    from .io_vectors import Piece

_LENGTH = b"content-length"
_DATE = b"date"
RECEIPT_SIZE = 470  # bytes; with an object's head, this is what Python allocates at hardly any cost
_CHANGING_TEXTS = tuple(header for header in TEXT_HEADERS if header.changes)
_DEADLINE_DIGITS = 18  # of numbers that fit into 64 bits
_LARGEST_PIECE = 1 << 30  # bytes; `recvmsg` returns an int here

# The shape of values that appear in paths, headers and C strings: letters and digits all become `a`, some punctuation
# stays, and any other byte becomes `!`. For bytes.translate.
_PUNCTUATION = b"-=;:._+,"
_LETTERS = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
SHAPES = bytes(ord("a") if byte in _LETTERS else byte if byte in _PUNCTUATION else ord("!") for byte in range(256))


class HeadTemplate:
    """One form of a head, with the places of its parts.

    `fixed` gets all that stays the same, then the Date and the event's length, which differ from time to time. `texts`
    gets the texts that differ in each head, and `deadline` its digits.
    """

    __slots__ = (
        "_buffer",
        "_constant_size",
        "_length_start",
        "_vector",
        "deadline",
        "expected",
        "fixed",
        "invocation_id",
        "message",
        "payload_size",
        "pieces",
        "pointers",
        "request_id",
        "shape",
        "size",
        "texts",
        "trace_id",
        "values",
    )

    def __init__(self, response: "ReceivedResponse", head: bytearray, values: "dict[str, bytes]") -> None:
        """Learn from a response, its head and what was parsed: the texts by their fields."""
        self.size = size = response.body_start
        """The bytes of the head, with the empty line."""
        self.values = values
        """The request's text fields; those that do not change hold for each head that fits."""
        headers = response.headers
        self.deadline = bytearray(headers[DEADLINE_HEADER.name])
        places: dict[bytes, Piece] = {DEADLINE_HEADER.name: (self.deadline, 0, len(self.deadline))}
        self._place_texts(headers, places)
        self._constant_size = size - sum(len(headers[name]) for name in places)
        self._constant_size -= len(headers.get(_DATE, b"")) + len(headers[_LENGTH])
        self._length_start = self._constant_size + len(headers.get(_DATE, b""))
        self.fixed = fixed = bytearray(self._length_start + len(headers[_LENGTH]))
        if headers.get(_DATE):
            places[_DATE] = (fixed, self._constant_size, len(headers[_DATE]))
        places[_LENGTH] = (fixed, self._length_start, len(headers[_LENGTH]))
        self.pieces: list[Piece] = []
        """Where the parts of a head go, one after the other."""
        end = constants = 0
        for name in sorted(places, key=response.value_starts.__getitem__):
            start = response.value_starts[name]
            self.pieces += (fixed, constants, start - end), places[name]
            constants += start - end
            end = start + len(headers[name])
        self.pieces.append((fixed, constants, size - end))
        scatter(head, self.pieces)
        self.expected = bytes(fixed)
        """What `fixed` has to be."""
        self.payload_size = int(headers[_LENGTH])
        self.shape = self.texts.translate(SHAPES)
        """The shape of the texts. It has to be the same in each head."""
        self._buffer: bytearray | None = None
        self.message: CArgObject | None = None
        """Where a head and its event go, as the argument of `recvmsg`."""

    def _place_texts(self, headers: "dict[bytes, bytes]", places: "dict[bytes, Piece]") -> None:
        """Make room for the texts that change, each with a NUL byte behind it, as the request points to them."""
        given = [header for header in _CHANGING_TEXTS if headers.get(header.name)]
        self.texts = bytearray(sum(len(headers[header.name]) + 1 for header in given))
        self.pointers: list[tuple[int, int]] = []
        """The request's fields that point into `texts`, and where."""
        spans: dict[bytes, tuple[int, int]] = {}
        start = 0
        for header in given:
            size = len(headers[header.name])
            spans[header.name] = start, size
            places[header.name] = (self.texts, start, size)
            self.pointers.append((abi.REQUEST_INDEX[header.field], start))
            start += size + 1
        self.request_id = spans[REQUEST_ID_HEADER.name]
        """Where the id is in `texts`, and its size."""
        self.invocation_id = spans.get(INVOCATION_ID_HEADER.name)
        self.trace_id = spans.get(TRACE_ID_HEADER.name)

    def use_buffer(self, buffer: bytearray) -> None:
        """Receive events into this buffer, behind room for their heads: `join` may put a head there."""
        if self._buffer is not buffer:
            self._buffer = buffer
            event = (buffer, self.size, min(len(buffer) - self.size, _LARGEST_PIECE))
            self._vector = IoVector([*self.pieces, event])
            self.message = self._vector.message(len(self._vector.pieces))

    def invocation_id_field(self) -> bytes:
        """The field that the response has to repeat, with its line end, if there is such an id."""
        assert self.invocation_id is not None
        start, size = self.invocation_id
        return INVOCATION_ID_FIELD + self.texts[start : start + size] + b"\r\n"

    def join(self, buffer: bytearray, received: int) -> None:
        """Put the parts of a head together in the buffer; the last ones may not have been received."""
        end = min(received, self.size)
        buffer[:end] = gather(self.pieces)[:end]

    def follow_date_and_length(self) -> bool:
        """Fit heads with the Date and the length of this one from now on; False if anything else differs."""
        fixed, expected, constant_size = self.fixed, self.expected, self._constant_size
        date, length = fixed[constant_size : self._length_start], fixed[self._length_start :]
        if fixed[:constant_size] != expected[:constant_size] or not _is_text(date) or not length.isdigit():
            return False
        self.expected = bytes(fixed)
        self.payload_size = int(length, 10)
        return True

    @classmethod
    def of(cls, buffer: bytearray, response: "ReceivedResponse", values: "dict[str, bytes]") -> "HeadTemplate | None":
        """The template of a head at the beginning of the buffer; None if such heads have to be parsed each time."""
        headers = response.headers
        is_plain = buffer.count(b"\r\n", 0, response.body_start) == len(headers) + 2  # no header is given twice
        is_plain = is_plain and 0 < len(headers.get(DEADLINE_HEADER.name, b"")) <= _DEADLINE_DIGITS
        is_usual = is_plain and response.keep_alive and not response.head_start and b"transfer-encoding" not in headers
        if not is_usual or not headers.get(_LENGTH):
            return None
        texts = b"".join(headers.get(header.name, b"") for header in _CHANGING_TEXTS)
        return None if b"!" in texts.translate(SHAPES) else cls(response, buffer, values)


class UsualReceipt:
    """All bytes that the Runtime API sends to acknowledge a response. Only the Date changes."""

    __slots__ = ("_date_span", "text")

    def __init__(self) -> None:
        self.text = b"-"
        """The bytes; `-` as long as they are unknown."""
        self._date_span: tuple[int, int] | None = None

    def learn(self, buffer: bytearray, response: "ReceivedResponse") -> None:
        """Expect this receipt, which is at the beginning of the buffer, from now on, if it is a plain one."""
        is_plain = response.status == 202 and not response.head_start and response.end == response.body_end
        if is_plain and response.keep_alive and response.end <= RECEIPT_SIZE:
            self.text = bytes(buffer[: response.end])
            self._date_span = _span(response, _DATE) if response.headers.get(_DATE) else None

    def follow_date(self, text: bytes) -> bool:
        """Expect the Date of these bytes from now on; returns whether the Date is all in which they differ."""
        if self._date_span is None or len(text) != len(self.text):
            return False
        start, end = self._date_span
        known = self.text
        if text[:start] != known[:start] or text[end:] != known[end:] or not _is_text(text[start:end]):
            return False
        self.text = text
        return True


def _is_text(date: "bytes | bytearray") -> bool:
    return date.isascii() and date.decode().isprintable()


def _span(response: "ReceivedResponse", name: bytes) -> "tuple[int, int]":
    """Where the value of a header begins and ends."""
    start = response.value_starts[name]
    return start, start + len(response.headers[name])
