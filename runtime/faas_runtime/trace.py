"""_X_AMZN_TRACE_ID in the C environment, where native code looks for it."""

from _ctypes import CFuncPtr

from . import abi
from .calls import Int32
from .environment import system

NAME = "_X_AMZN_TRACE_ID"
_PREFIX = NAME.encode() + b"="
_USUAL_SIZE = 1024


class _PutEnv(CFuncPtr):
    _flags_ = 1  # FUNCFLAG_CDECL
    _restype_ = Int32
    _argtypes_ = (abi.Address,)


class Setter:
    """A place for values that have to be handed over one by one."""

    def __init__(self, variable: "TraceVariable") -> None:
        self._variable = variable

    def __setitem__(self, _: slice, value: bytes) -> None:
        self._variable.set(value)


class TraceVariable:
    """The variable, changed in place.

    The C library's `setenv` keeps every value that it was ever given, as somebody may still read it: a hundred bytes
    for each invocation, for good. `putenv` makes the caller's own memory part of the environment, so that one call is
    enough and each further value is a copy of some bytes.
    """

    def __init__(self) -> None:
        self._put = _PutEnv(abi.python_symbol("putenv")) if system.__name__ == "posix" else None
        self._is_set = False
        self._outgrown: list[bytearray] = []
        self._renew(_USUAL_SIZE)

    def set(self, value: "bytes | None") -> None:
        """Set the variable, or unset it where there is nothing to set."""
        if not value:
            system.unsetenv(NAME)
            self._is_set = False
        elif self._put is None:
            system.putenv(NAME, value.decode("utf-8", "replace"))
        else:
            if len(value) >= self._size:
                self._renew(2 * len(value))
            start = len(_PREFIX)
            self._view[start : start + len(value) + 1] = value + b"\0"
            if not self._is_set:
                self._put(abi.address_of(self._buffer))
                self._is_set = True

    def place(self, size: int) -> "memoryview | Setter | None":
        """Where values of exactly this size are to be put from now on, one after the other; None for no value."""
        if self._put is None and size:
            return Setter(self)
        self.set(b"-" * size)
        return self._view[len(_PREFIX) : len(_PREFIX) + size] if size else None

    def _renew(self, size: int) -> None:
        self._buffer = bytearray(_PREFIX) + bytearray(size)
        self._outgrown.append(self._buffer)  # somebody may still read the one before
        self._view = memoryview(self._buffer)
        self._size = size
        self._is_set = False
