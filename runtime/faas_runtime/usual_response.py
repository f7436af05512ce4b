"""The usual response of a function, and the memory from which it is sent, with its head and the next request.

Responses of one size differ in their ids and contents alone. These are copied or pointed to, and all else is kept.
"""

from . import abi
from .caller import COPIED_SIZE
from .client import INVOCATION_ID_FIELD, JSON
from .io_vectors import IoVector, comparison, gather, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .caller import Caller
    from .ffi import NativeFunction
    from .head_template import HeadTemplate

_FIRST_ROOM = 4096  # bytes of the memory for copies, until a longer response comes
_BODY = -2  # the response among the pieces that are sent; behind it, there is the request for the next event
_KNOWN_START = abi.LEN * abi.WORD


class UsualResponse:
    """What the responses have in common: their size, the function that frees them, and what surrounds them."""

    __slots__ = (
        "_caller",
        "_end",
        "_known",
        "_memory",
        "_next_request",
        "_parts",
        "_vector",
        "compared",
        "differs",
        "message",
        "message_with_request",
        "place",
        "release",
        "size",
        "total",
    )

    def __init__(self, caller: "Caller", head: bytes, next_request: bytes) -> None:
        """`head` is what the client formats: request id, fields, size."""
        self._caller = caller
        self._parts = head.split(b"%b")
        self._next_request = bytearray(next_request)
        self._known = bytearray((abi.RELEASE + 1 - abi.LEN) * abi.WORD)
        """The response's words from its length to the function that frees it."""
        self.differs, self.compared = comparison(caller.response_data, _KNOWN_START, self._known)
        """Tells, with these arguments, whether the function has given another response than the usual one."""
        self.release: NativeFunction | None = None
        """Frees the function's response."""
        self.size = abi.Address(0)
        """The bytes of the response, as the argument of a foreign function."""
        self._make_room(_FIRST_ROOM)

    def learn(self, template: "HeadTemplate") -> bool:
        """Expect responses like the one that the function has given; returns False for one that cannot be copied."""
        words = self._caller.words
        size, release_address = words[abi.LEN], words[abi.RELEASE]
        if words[abi.CONTENT_TYPE] or size > COPIED_SIZE or not words[abi.DATA]:
            return False
        self._known[:] = self._caller.response_data[_KNOWN_START : _KNOWN_START + len(self._known)]
        self.release = self._caller.release_at(release_address) if release_address else None
        self.size.value = size
        end = self._parts[-1] % size
        if size > len(self._memory):
            self._make_room(2 * size)
            self.follow(template)
        elif len(end) != len(self._end):
            self.follow(template)
        else:
            self._end[:] = end
            self._vector.resize(_BODY, size)
            self.total = self._vector.size - len(self._next_request)
        return True

    def follow(self, template: "HeadTemplate") -> None:
        """Answer events with this head from now on."""
        start, fields, end = self._parts
        fields += JSON
        pieces = [whole(start), (template.texts, *template.request_id)]
        if template.invocation_id is not None:
            pieces += whole(fields + INVOCATION_ID_FIELD), (template.texts, *template.invocation_id)
            fields = b"\r\n"
        size = self.size.value or 0  # ctypes reads 0 as None
        self._end = bytearray(end % size)
        pieces += whole(fields), whole(self._end), (self._memory, 0, size), whole(self._next_request)
        self._vector = vector = IoVector(pieces)
        self.message, self.message_with_request = vector.message(len(pieces) - 1), vector.message(len(pieces))
        """What is sent, without and with the request for the next event, as the argument of `sendmsg`."""
        self.total = vector.size - len(self._next_request)
        """The bytes of a response with its head."""

    def gather(self) -> bytes:
        """A response with its head."""
        return gather(self._vector.pieces[:-1])

    def copied(self) -> bytes:
        """The copy of the response."""
        return bytes(self._memory[: self.size.value or 0])

    def _make_room(self, size: int) -> None:
        self._memory = bytearray(size)
        self.place = abi.pointer_to(self._memory)
        """Where the response is copied to."""
