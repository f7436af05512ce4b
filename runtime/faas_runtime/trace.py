"""_X_AMZN_TRACE_ID in the C environment, where native code looks for it."""

from . import abi
from .environment import system
from .ffi import NativeFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "_X_AMZN_TRACE_ID"
_PREFIX = NAME.encode() + b"="
_INITIAL_SIZE = 1024  # bytes of the value


class TraceVariable:
    """The variable, changed in place.

    The C library's `setenv` keeps every value that it ever got, as native code may still read it. That would be a
    hundred bytes more for each invocation. `putenv` makes the caller's own memory part of the environment, so that one
    call is enough, and each further value is a copy of some bytes.
    """

    def __init__(self) -> None:
        self._putenv = NativeFunction(abi.python_symbol("putenv")) if system.__name__ == "posix" else None
        self._is_set = False
        self._old_buffers: list[bytearray] = []
        self._allocate(_INITIAL_SIZE)

    def set(self, value: "bytes | None") -> None:
        """Set the variable, or unset it if there is no value."""
        if not value:
            system.unsetenv(NAME)
            self._is_set = False
        elif self._putenv is None:
            system.putenv(NAME, value.decode("utf-8", "replace"))
        else:
            if len(value) >= self._size:
                self._allocate(2 * len(value))
            start = len(_PREFIX)
            self._view[start : start + len(value) + 1] = value + b"\0"
            if not self._is_set:
                self._putenv(abi.pointer_to(self._buffer))
                self._is_set = True

    def copy_from(
        self, texts: bytearray, start: int, size: int
    ) -> "tuple[Callable[..., object], object, object, object]":
        """A function, with its three arguments, that sets the variable to the text in this place.

        The text always has this size. Until the first call, the variable has a value without a meaning.
        """
        if self._putenv is None:
            return (lambda *_: self.set(bytes(texts[start : start + size]))), None, None, None
        from .io_vectors import memmove

        self.set(b"-" * size)
        return memmove, abi.pointer_to(self._buffer, len(_PREFIX)), abi.pointer_to(texts, start), abi.Address(size)

    def _allocate(self, size: int) -> None:
        self._buffer = bytearray(_PREFIX) + bytearray(size)
        self._old_buffers.append(self._buffer)  # kept, as native code may still read them
        self._view = memoryview(self._buffer)
        self._size = size
        self._is_set = False
