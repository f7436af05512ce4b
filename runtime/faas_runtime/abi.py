"""The structures of `include/faas.h` in memory, and the ctypes that reach them.

Structures of `ctypes` cost more per field than the whole request does here. A structure is a bytearray, seen as words
by a memoryview. The header orders its fields so that none needs padding, so the index of a field follows from the sizes
of those before it.
"""

import sys
from _ctypes import CFuncPtr, _Pointer, _SimpleCData, addressof, byref, sizeof

from .ffi import CDECL, NativeFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from ctypes import _CArgObject as CArgObject


class Char(_SimpleCData):  # type: ignore[type-arg]
    """`char`."""

    _type_ = "c"


class Address(_SimpleCData):  # type: ignore[type-arg]
    """`void *`, read as a number."""

    _type_ = "P"


class CharPointer(_Pointer):  # type: ignore[type-arg]
    """`const char *` to any bytes, read by slicing: `[0:n]` copies n bytes."""

    _type_ = Char


WORD: int = sizeof(Address)  # bytes of a pointer

REQUEST_FIELDS = (
    *(("struct_size", 4), ("memory_limit_mb", 4), ("payload", WORD), ("payload_len", WORD), ("request_id", WORD)),
    *(("invocation_id", WORD), ("deadline_ms", 8), ("function_arn", WORD), ("trace_id", WORD)),
    *(("client_context", WORD), ("cognito_identity", WORD), ("tenant_id", WORD), ("function_name", WORD)),
    *(("function_version", WORD), ("log_group", WORD), ("log_stream", WORD), ("write", WORD), ("stream", WORD)),
)
"""The fields of `faas_request`, with their sizes in bytes."""
RESPONSE_FIELDS = (
    *(("struct_size", 4), ("reserved", 4), ("data", WORD), ("len", WORD), ("content_type", WORD)),
    *(("error_type", WORD), ("error_message", WORD), ("stack_trace", WORD), ("release", WORD), ("private_data", WORD)),
)
"""The fields of `faas_response`, with their sizes in bytes."""
REQUEST_SIZE = sum(size for _, size in REQUEST_FIELDS)
RESPONSE_SIZE = sum(size for _, size in RESPONSE_FIELDS)


def _indexes(fields: "Sequence[tuple[str, int]]") -> "dict[str, int]":
    """The index of each field in an array of values of the field's own size."""
    indexes, offset = {}, 0
    for name, size in fields:
        indexes[name] = offset // size
        offset += size
    return indexes


REQUEST_INDEX = _indexes(REQUEST_FIELDS)
PAYLOAD = REQUEST_INDEX["payload"]
PAYLOAD_LEN = REQUEST_INDEX["payload_len"]
DEADLINE = REQUEST_INDEX["deadline_ms"]  # in `CStruct.longs`
WRITE = REQUEST_INDEX["write"]
STREAM = REQUEST_INDEX["stream"]
MEMORY_LIMIT = REQUEST_INDEX["memory_limit_mb"]  # in an array of 32-bit numbers

RESPONSE_INDEX = _indexes(RESPONSE_FIELDS)
DATA = RESPONSE_INDEX["data"]
LEN = RESPONSE_INDEX["len"]
CONTENT_TYPE = RESPONSE_INDEX["content_type"]
ERROR_TYPE = RESPONSE_INDEX["error_type"]
ERROR_MESSAGE = RESPONSE_INDEX["error_message"]
STACK_TRACE = RESPONSE_INDEX["stack_trace"]
RELEASE = RESPONSE_INDEX["release"]


class Callback(CFuncPtr):
    """A function in Python that native code calls: `write`, with stream, data and len, or a handler of `exit`.

    Its result has the size of a register, of which C reads what it needs. A handler has one argument, and ignores what
    is in the places of the others.
    """

    _flags_ = CDECL
    _restype_ = Address
    _argtypes_ = (Address, Address, Address)


class CStruct:
    """A structure: its bytes, its words, and the argument that a foreign function takes for it."""

    __slots__ = ("argument", "data", "longs", "size", "words")

    def __init__(self, size: int) -> None:
        """A structure of `size` bytes, all zero except its first field, which holds the size."""
        self.data = bytearray((size + 7) & ~7)
        view = memoryview(self.data)
        view.cast("I")[0] = size
        self.size = size
        self.words: memoryview[int] = view.cast("N")  # type: ignore[call-overload]
        """The pointers and sizes."""
        self.longs = view.cast("q")
        """The 64-bit numbers."""
        self.argument = pointer_to(self.data)


def pointer_to(buffer: bytearray, start: int = 0) -> "CArgObject":
    """A pointer into a bytearray, as the argument of a foreign function."""
    return byref(Char.from_buffer(buffer, start))


def address_of(buffer: bytearray) -> int:
    """The address of a bytearray. It is valid until the bytearray is resized, which the runtime never does."""
    address: int = addressof(Char.from_buffer(buffer))  # an array of its length would be a new type for each length
    return address


def python_symbol(name: str) -> int:
    """The address of a function that the interpreter exports, or the C library that it is linked with.

    Raises OSError or AttributeError if there is none.
    """
    if sys.platform == "win32":
        found: int = Address.from_buffer(NativeFunction((name, _Interpreter))).value  # type: ignore[call-overload]
        return found
    from _ctypes import dlopen, dlsym

    return dlsym(dlopen(None, 0), name)  # type: ignore[arg-type]


def c_function(name: str) -> "NativeFunction | None":
    """A function of the C library; None where there is none, as often on Windows."""
    try:
        return NativeFunction(python_symbol(name))
    except (OSError, AttributeError):
        return None


if sys.platform == "win32":

    class _Interpreter:
        """The library that exports the interpreter's functions, in the form that CFuncPtr takes."""

        _handle: int = sys.dllhandle
