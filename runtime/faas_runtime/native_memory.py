"""The function's own memory: strings that it returns, and responses that are too large to be copied.

Imported when a response has either. Most have neither.
"""

from _ctypes import CFuncPtr, _SimpleCData

from . import abi
from .errors import FunctionError

DEFAULT_ERROR_TYPE = "Function.Error"
INVALID_RESPONSE = "Function.InvalidResponse"
LENGTH_LIMIT = 2**31 - 1  # bytes; a longer response is one whose length is wrong, such as -1
_WITH_GIL = 4  # FUNCFLAG_PYTHONAPI: call with the GIL, and raise what the function raised
_READ_ONLY = 0x100  # PyBUF_READ


class _String(_SimpleCData):  # type: ignore[type-arg]
    """`const char *` to a string that ends with NUL, read as bytes or None."""

    _type_ = "z"


class _Int(_SimpleCData):  # type: ignore[type-arg]
    """`int`."""

    _type_ = "i"


class _PythonObject(_SimpleCData):  # type: ignore[type-arg]
    """`PyObject *`."""

    _type_ = "O"


class _ViewFunction(CFuncPtr):
    """`PyMemoryView_FromMemory`: a view of the function's memory, without a copy."""

    _flags_ = _WITH_GIL
    _restype_ = _PythonObject
    _argtypes_ = (abi.Address, abi.Address, _Int)


_view = _ViewFunction(abi.python_symbol("PyMemoryView_FromMemory"))


def string(structure: abi.CStruct, index: int) -> "bytes | None":
    """The string that a field of a structure points to."""
    found: bytes | None = _String.from_buffer(structure.data, index * abi.WORD).value
    return found


def view(address: "int | None", length: int) -> memoryview:
    """A view of the function's memory, without a copy; raises `FunctionError` if there can be none."""
    if not address or length > LENGTH_LIMIT:
        what_is_wrong = "which is too many" if address else "at the address NULL"
        raise FunctionError(INVALID_RESPONSE, f"the function's response has {length} bytes, {what_is_wrong}")
    seen: memoryview = _view(address, length, _READ_ONLY)
    return seen


def failure(response: abi.CStruct, default_message: str) -> FunctionError:
    """The failure that the response describes; bytes in it that are not UTF-8 are replaced."""

    def text(index: int) -> str:
        value = string(response, index)
        return value.decode("utf-8", "replace") if value else ""

    error_type, message = text(abi.ERROR_TYPE) or DEFAULT_ERROR_TYPE, text(abi.ERROR_MESSAGE) or default_message
    return FunctionError(error_type, message, text(abi.STACK_TRACE).splitlines())
