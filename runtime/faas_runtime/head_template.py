"""Where the values are in the head of an event's response, learned from one head and checked on those that follow.

A platform writes its heads alike: the same headers in the same order, and values of the same lengths. Everything
between the values that change is compared with what it was in the head that was parsed. So a head that fits has the
same meaning; one that does not is parsed.
"""

from _operator import itemgetter
from _struct import Struct

from . import abi
from .invocation import DEADLINE_HEADER, INVOCATION_ID_HEADER, REQUEST_ID_HEADER, TEXT_HEADERS, TRACE_ID_HEADER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .http_reader import ReceivedResponse

    Parts = tuple[bytes, ...]

_LENGTH = b"content-length"
_DATE = b"date"
RECEIPT_SIZE = 470  # bytes; with an object's head, this is what Python allocates at hardly any cost
_READ_BY_NAME = (REQUEST_ID_HEADER.name, DEADLINE_HEADER.name, _LENGTH, TRACE_ID_HEADER.name, INVOCATION_ID_HEADER.name)
_POINTERS = tuple((abi.REQUEST_INDEX[header.field], header.name) for header in TEXT_HEADERS if header.changes)
_OTHERS = tuple(name for _, name in _POINTERS if name not in _READ_BY_NAME)
_CHANGING = (*_READ_BY_NAME, *_OTHERS)
_DEADLINE_DIGITS = 18  # of numbers that fit into 64 bits

# The shape of values that appear in paths, headers and C strings: letters and digits all become `a`, some punctuation
# stays, and any other byte becomes `!`. For bytes.translate.
_PUNCTUATION = b"-=;:._+,"
_LETTERS = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
SHAPES = bytes(ord("a") if byte in _LETTERS else byte if byte in _PUNCTUATION else ord("!") for byte in range(256))


class HeadTemplate:
    """One form of a head: fixed texts and, between them, the values that change. Each kind is unpacked by itself."""

    __slots__ = (
        "_date",
        "_date_span",
        "fixed",
        "pointers",
        "read",
        "shape",
        "size",
        "trace_size",
        "unpack_fixed",
        "unpack_values",
        "value_ends",
        "values",
    )

    def __init__(self, response: "ReceivedResponse", head: bytearray, values: "dict[str, bytes]") -> None:
        """Learn from a response, its head and what was parsed: the texts by their fields."""
        self.size = size = response.body_start
        """The bytes of the head, with the empty line."""
        self.values = values
        """The request's text fields; those that do not change hold for each head that fits."""
        given = [name for name in _CHANGING if response.headers.get(name)]
        given.sort(key=response.value_starts.__getitem__)
        spans = {name: _span(response, name) for name in given}
        fixed_form = values_form = ""
        end = 0
        for start, stop in spans.values():
            fixed_form += f"{start - end}s{stop - start}x"
            values_form += f"{start - end}x{stop - start}s"
            end = stop
        self.unpack_fixed: Callable[[bytearray], Parts] = Struct(f"{fixed_form}{size - end}s").unpack_from
        """Takes the fixed texts out of a head. Those of a head that does not fit differ from `fixed`."""
        # The last value is empty, and is read for each one that is not given.
        self.unpack_values: Callable[[bytearray], Parts] = Struct(f"{values_form}0s").unpack_from
        """Takes the values out of a head that fits."""
        values_given = self.unpack_values(head)
        indexes = {name: number for number, name in enumerate(given)}
        absent = len(given)
        self.fixed = self.unpack_fixed(head)
        """The fixed texts, which have to be the same in each head."""
        self._date = response.headers.get(_DATE, b"")
        self._date_span = _span(response, _DATE) if self._date else None
        self.read = itemgetter(*(indexes.get(name, absent) for name in _READ_BY_NAME))
        """Takes out of the values: request id, deadline, length of the event, trace id, invocation id; b"" for none."""
        request_id, _, _, trace_id, invocation_id = self.read(values_given)
        self.shape = (request_id + trace_id + invocation_id).translate(SHAPES)
        """The shape of these three. It has to be the same in each head."""
        self.trace_size = len(trace_id)
        others = [indexes[name] for name in _OTHERS if name in indexes]
        if others:
            self.unpack_fixed = _checking(self.unpack_fixed, self.unpack_values, values_given, others)
        self.pointers = [(index, spans[name][0]) for index, name in _POINTERS if name in spans]
        """The request's fields that point into the head, and where."""
        self.value_ends = [spans[name][1] for _, name in _POINTERS if name in spans]
        """Where the strings that they point to end, and need a NUL byte."""

    def follow_date(self, head: bytearray) -> bool:
        """Fit heads with the Date of this one from now on; returns whether the Date is all in which it differs."""
        if self._date_span is None:
            return False
        start, end = self._date_span
        same = head[: self.size]
        date = bytes(same[start:end])
        same[start:end] = self._date
        if self.unpack_fixed(same) != self.fixed or not _is_text(date):
            return False
        self._date = date
        self.fixed = self.unpack_fixed(head)
        return True

    @classmethod
    def of(cls, buffer: bytearray, response: "ReceivedResponse", values: "dict[str, bytes]") -> "HeadTemplate | None":
        """The template of a head at the beginning of the buffer; None if such heads have to be parsed each time."""
        headers = response.headers
        is_plain = buffer.count(b"\r\n", 0, response.body_start) == len(headers) + 2  # no header is given twice
        is_plain = is_plain and len(headers.get(DEADLINE_HEADER.name, b"")) <= _DEADLINE_DIGITS
        is_usual = is_plain and response.keep_alive and not response.head_start and b"transfer-encoding" not in headers
        if not is_usual or not headers.get(_LENGTH):
            return None
        has_usual_values = b"!" not in b"".join(headers.get(name, b"") for _, name in _POINTERS).translate(SHAPES)
        return cls(response, buffer, values) if has_usual_values else None


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


def _is_text(date: bytes) -> bool:
    return date.isascii() and date.decode().isprintable()


def _span(response: "ReceivedResponse", name: bytes) -> "tuple[int, int]":
    """Where the value of a header begins and ends."""
    start = response.value_starts[name]
    return start, start + len(response.headers[name])


def _checking(
    unpack_fixed: "Callable[[bytearray], Parts]",
    unpack_values: "Callable[[bytearray], Parts]",
    learned: "Parts",
    indexes: "list[int]",
) -> "Callable[[bytearray], Parts]":
    """An `unpack_fixed` that also checks the shapes of values that the fast path does not read itself.

    A head in which one has another shape gives no parts, and so does not fit.
    """
    shapes = [(index, learned[index].translate(SHAPES)) for index in indexes]

    def unpack_checked(buffer: bytearray) -> "Parts":
        values = unpack_values(buffer)
        has_same_shapes = all(values[index].translate(SHAPES) == shape for index, shape in shapes)
        return unpack_fixed(buffer) if has_same_shapes else ()

    return unpack_checked
