"""Where the values lie in the head of an answer to /invocation/next, learnt from one and checked on those that follow.

A platform writes its heads alike: the same headers in the same order, and values of the same lengths. All that lies
between the values that change is compared with what it was in the head that was parsed, so a head that fits has the
same meaning; one that does not is parsed.
"""

from _operator import itemgetter
from _struct import Struct

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


# Of values that stand in paths, headers and C strings: letters and digits all look like `a`, some punctuation like
# itself, and whatever else there may be like `!`.
_USUAL = b"-=;:._+,"
_LETTERS = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
SHAPES = bytes(ord("a") if byte in _LETTERS else byte if byte in _USUAL else ord("!") for byte in range(256))


class Layout:
    """One shape of a head: `unpack` takes it apart, into texts that have to be `texts` and, between them, the values.

    `live` takes out of the parts, in this order, request id, deadline, length of the event, trace id, invocation id;
    what is not given is empty.
    """

    __slots__ = ("ends", "live", "pointers", "shape", "size", "texts", "trace_size", "unpack", "values")

    def __init__(self, answer: "Answer", head: bytearray, values: "dict[str, bytes]") -> None:
        self.size = size = answer.body_start
        self.values = values
        """The request's fields that do not change, as long as the head has this layout."""
        given = [name for name in _LIVE if answer.headers.get(name)]
        given.sort(key=answer.places.__getitem__)
        spans = {name: (answer.places[name], answer.places[name] + len(answer.headers[name])) for name in given}
        sizes, end = [], 0
        for start, stop in spans.values():
            sizes += [start - end, stop - start]
            end = stop
        # The last part is empty, and stands for whatever is not given.
        self.unpack = Struct("".join(f"{size}s" for size in (*sizes, size - end, 0))).unpack_from
        places = {name: 2 * number + 1 for number, name in enumerate(given)}
        self.live = itemgetter(*(places.get(name, len(sizes) + 1) for name in _LIVE))
        parts = self.unpack(head)
        self.texts = parts[::2]
        request_id, _, _, trace_id, invocation_id = self.live(parts)
        self.shape = (request_id + trace_id + invocation_id).translate(SHAPES)
        """What these three look like: letters and digits are all the same, other characters have to be as they are."""
        self.trace_size = len(trace_id)
        self.pointers = [(place, spans[name][0]) for place, name in _POINTERS if name in spans]
        """The request's fields that point into the head."""
        self.ends = [spans[name][1] for _, name in _POINTERS if name in spans]
        """Where the strings that they point to end: a NUL byte has to be put there."""

    @classmethod
    def of(cls, buffer: bytearray, answer: "Answer", values: "dict[str, bytes]") -> "Layout | None":
        """The layout of an answer's head, which begins the buffer, unless it is better parsed each time."""
        headers = answer.headers
        is_plain = buffer.count(b"\r\n", 0, answer.body_start) == len(headers) + 2  # no header is given twice
        is_plain = is_plain and len(headers.get(b"lambda-runtime-deadline-ms", b"")) <= 18  # it fits into 64 bits
        usual = is_plain and answer.keep_alive and not answer.head_start and b"transfer-encoding" not in headers
        if not usual or not answer.headers.get(b"content-length"):
            return None
        layout = cls(answer, buffer, values)
        return layout if b"!" not in layout.shape else None
