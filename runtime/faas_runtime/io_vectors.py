"""Input and output in several pieces of memory by one system call: recvmsg(2) and sendmsg(2).

Such a call puts each part of a head where it is compared or used, so that nothing has to be cut out of it. It refuses a
descriptor that is no socket. So nothing is written into a file that has got the number of a closed socket.
"""

from _ctypes import _memmove_addr  # type: ignore[attr-defined]

from . import abi
from .ffi import NativeFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from ctypes import _CArgObject as CArgObject

    Piece = tuple[bytearray, int, int]
    """A part of a buffer: the buffer, where the part begins, and its size in bytes."""
    Arguments = tuple[object, object, object]

memmove = NativeFunction(_memmove_addr)
"""memmove(3): to, from, size."""
# The words of a `struct msghdr` (recvmsg(2)) on Linux: an address, its size, the vector, its count, control data, their
# size, flags. macOS has 32 bits for the sizes, the count and the flags. The vector and its count are in the same place.
_MESSAGE_WORDS, _VECTOR, _COUNT = 7, 2, 3


class IoVector:
    """An array of `struct iovec`: pieces of memory that are received or sent one after the other.

    The system reads and writes the pieces by their addresses. So this object has to live as long as its messages.
    """

    __slots__ = ("_array", "_words", "pieces", "size")

    def __init__(self, pieces: "list[Piece]") -> None:
        self.pieces = pieces
        self.size = sum(size for _, _, size in pieces)
        """The bytes of all pieces."""
        self._array = bytearray(2 * abi.WORD * len(pieces))
        self._words: memoryview[int] = memoryview(self._array).cast("N")  # type: ignore[call-overload]
        for number, (buffer, start, size) in enumerate(pieces):
            self._words[2 * number], self._words[2 * number + 1] = abi.address_of(buffer) + start, size

    def message(self, count: int) -> "CArgObject":
        """The first pieces, so many of them, as the argument of `recvmsg` or `sendmsg`: a `struct msghdr`."""
        message = bytearray(_MESSAGE_WORDS * abi.WORD)
        words: memoryview[int] = memoryview(message).cast("N")  # type: ignore[call-overload]
        words[_VECTOR], words[_COUNT] = abi.address_of(self._array), count
        return abi.pointer_to(message)

    def resize(self, number: int, size: int) -> None:
        """Let a piece have another size; `number` may count from the end."""
        buffer, start, old_size = self.pieces[number]
        self.pieces[number] = buffer, start, size
        self._words[2 * number + 1] = size
        self.size += size - old_size


def whole(data: "bytes | bytearray") -> "Piece":
    """A piece that is all of the data; bytes are copied."""
    return (data if isinstance(data, bytearray) else bytearray(data)), 0, len(data)


def gather(pieces: "Sequence[Piece]") -> bytes:
    """What is in the pieces."""
    return b"".join([buffer[start : start + size] for buffer, start, size in pieces])


def scatter(data: bytearray, pieces: "Sequence[Piece]") -> None:
    """Copy the beginning of the data into the pieces."""
    position = 0
    for buffer, start, size in pieces:
        buffer[start : start + size] = data[position : position + size]
        position += size


def comparison(first: bytearray, start: int, second: bytearray) -> "tuple[Callable[..., int], Arguments]":
    """Tells whether a part of the first buffer differs from the second one: a function, and its three arguments."""
    compare = abi.c_function("memcmp")
    if compare is None:
        view = memoryview(first)[start : start + len(second)]
        return (lambda *_: view != second), (None, None, None)
    return compare, (abi.pointer_to(first, start), abi.pointer_to(second), abi.Address(len(second)))
