"""Where the values lie in the head of an answer to /invocation/next, learnt from one and checked on those that follow.

A platform writes its heads alike: the same headers in the same order, and values of the same lengths. All that lies
between the values that change is compared with what it was in the head that was parsed, so a head that fits has the
same meaning; one that does not is parsed.
"""

from _operator import itemgetter

from . import abi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .framing import Answer

_LIVE = (
    b"lambda-runtime-aws-request-id",
    b"lambda-runtime-deadline-ms",
    b"content-length",
    b"lambda-runtime-trace-id",
    b"lambda-runtime-invocation-id",
)
_POINTERS = (
    (abi.REQUEST_ID, b"lambda-runtime-aws-request-id"),
    (abi.TRACE_ID, b"lambda-runtime-trace-id"),
    (abi.INVOCATION_ID, b"lambda-runtime-invocation-id"),
)
_NOTHING = slice(0, 0)


class Layout:
    """One shape of a head: `live` takes the changing values out of it, `fixed` the rest, which has to be `texts`."""

    __slots__ = ("ends", "fixed", "live", "pointers", "size", "texts", "values")

    def __init__(self, answer: "Answer", head: bytes, values: "dict[str, bytes]") -> None:
        self.size = len(head)
        self.values = values
        """The request's fields that do not change, as long as the head has this layout."""
        spans = {name: _span(answer, name) for name in _LIVE}
        self.live = itemgetter(*spans.values())
        given = sorted((span.start, span.stop) for span in spans.values() if span.stop)
        ends = [0, *(stop for _, stop in given)]
        fixed = [slice(start, stop) for start, stop in zip(ends, [*(start for start, _ in given), self.size])]
        self.fixed = itemgetter(*fixed)
        self.texts = self.fixed(head)
        self.pointers = [(place, spans[name].start) for place, name in _POINTERS if spans[name].stop]
        """The request's fields that point into the head."""
        self.ends = [spans[name].stop for _, name in _POINTERS if spans[name].stop]
        """Where the strings that they point to end: a NUL byte has to be put there."""

    @classmethod
    def of(cls, answer: "Answer", head: bytes, values: "dict[str, bytes]") -> "Layout | None":
        """The layout of an answer, unless it is of an unusual kind that is better parsed each time."""
        headers = answer.headers
        is_plain = head.count(b"\r\n") == len(headers) + 2  # no header is given twice
        is_plain = is_plain and len(headers.get(b"lambda-runtime-deadline-ms", b"")) <= 18  # it fits into 64 bits
        usual = is_plain and answer.keep_alive and not answer.head_start and b"transfer-encoding" not in headers
        return cls(answer, head, values) if usual and answer.headers.get(b"content-length") else None


def _span(answer: "Answer", name: bytes) -> slice:
    value = answer.headers.get(name)
    if not value:
        return _NOTHING
    start = answer.places[name]
    return slice(start, start + len(value))
