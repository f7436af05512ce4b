"""The structures of `include/faas.h` as memory, and the types of `_ctypes` that reach it.

Structures of `ctypes` cost more per field than the whole request does here: a structure is a bytearray, seen as words
by a memoryview. The header orders its fields so that none needs padding, so a field's place follows from the sizes of
those before it.
"""

import sys
from _ctypes import CFuncPtr, _Pointer, _SimpleCData, addressof, byref, sizeof

from .calls import CDECL, Int32, VersionFunction
from .errors import FunctionError

DEFAULT_ERROR_TYPE = "Function.Error"

_WITH_GIL = 4  # FUNCFLAG_PYTHONAPI: call with it and raise what the function raised


class Char(_SimpleCData):  # type: ignore[type-arg]
    """`char`."""

    _type_ = "c"


class Text(_SimpleCData):  # type: ignore[type-arg]
    """`const char *`, read as bytes or None."""

    _type_ = "z"


class Address(_SimpleCData):  # type: ignore[type-arg]
    """`void *`, read as a number."""

    _type_ = "P"


class Bytes(_Pointer):  # type: ignore[type-arg]
    """`const char *`, read by slicing: `[0:n]` copies n bytes, whatever they are."""

    _type_ = Char


class Object(_SimpleCData):  # type: ignore[type-arg]
    """`PyObject *`."""

    _type_ = "O"


WORD: int = sizeof(Address)
_HALF = 8 // WORD  # words in what is always eight bytes long

REQUEST_FIELDS = (
    *(("struct_size", 4), ("memory_limit_mb", 4), ("payload", WORD), ("payload_len", WORD), ("request_id", WORD)),
    *(("invocation_id", WORD), ("deadline_ms", 8), ("function_arn", WORD), ("trace_id", WORD)),
    *(("client_context", WORD), ("cognito_identity", WORD), ("tenant_id", WORD), ("function_name", WORD)),
    *(("function_version", WORD), ("log_group", WORD), ("log_stream", WORD), ("write", WORD), ("stream", WORD)),
)
RESPONSE_FIELDS = (
    *(("struct_size", 4), ("reserved", 4), ("data", WORD), ("len", WORD), ("content_type", WORD)),
    *(("error_type", WORD), ("error_message", WORD), ("stack_trace", WORD), ("release", WORD), ("private_data", WORD)),
)
REQUEST_SIZE = sum(size for _, size in REQUEST_FIELDS)
RESPONSE_SIZE = sum(size for _, size in RESPONSE_FIELDS)

# The places of fields, counted in words; two 32-bit fields come first in both structures.
PAYLOAD = _HALF
PAYLOAD_LEN = _HALF + 1
REQUEST_ID = _HALF + 2
INVOCATION_ID = _HALF + 3
DEADLINE = (_HALF + 4) // _HALF  # counted in eight bytes
FUNCTION_ARN = 2 * _HALF + 4
TRACE_ID = FUNCTION_ARN + 1
CLIENT_CONTEXT = FUNCTION_ARN + 2
COGNITO_IDENTITY = FUNCTION_ARN + 3
TENANT_ID = FUNCTION_ARN + 4
FUNCTION_NAME = FUNCTION_ARN + 5
FUNCTION_VERSION = FUNCTION_ARN + 6
LOG_GROUP = FUNCTION_ARN + 7
LOG_STREAM = FUNCTION_ARN + 8
WRITE = FUNCTION_ARN + 9
STREAM = FUNCTION_ARN + 10

DATA = _HALF
LEN = _HALF + 1
CONTENT_TYPE = _HALF + 2
ERROR_TYPE = _HALF + 3
ERROR_MESSAGE = _HALF + 4
STACK_TRACE = _HALF + 5
RELEASE = _HALF + 6


class WriteFunction(CFuncPtr):
    """The type of the callback `write`: stream, data, len."""

    _flags_ = CDECL
    _restype_ = Int32
    _argtypes_ = (Address, Address, Address)


class ViewFunction(CFuncPtr):
    """`PyMemoryView_FromMemory`: memory of the function as it is, without a copy."""

    _flags_ = _WITH_GIL
    _restype_ = Object
    _argtypes_ = (Address, Address, Int32)


class Memory:
    """A structure: its bytes, its words, its strings, and the argument that a foreign function takes for it."""

    __slots__ = ("argument", "data", "longs", "size", "texts", "words")

    def __init__(self, size: int) -> None:
        self.data = bytearray((size + 7) & ~7)
        whole = (Char * size).from_buffer(self.data)
        view = memoryview(self.data)
        view.cast("I")[0] = size
        self.size = size
        self.words: memoryview[int] = view.cast("N")  # type: ignore[call-overload]
        self.longs = view.cast("q")
        self.texts = (Text * (size // WORD)).from_buffer(self.data)
        self.argument = byref(whole)


def address_of(buffer: bytearray) -> int:
    """The address of a bytearray, which holds until it is resized: nobody here ever does."""
    address: int = addressof((Char * len(buffer)).from_buffer(buffer))
    return address


def python_symbol(name: str) -> int:
    """The address of a function that the interpreter, or the C library with it, exports."""
    if sys.platform == "win32":
        found: int = Address.from_buffer(VersionFunction((name, _Interpreter))).value  # type: ignore[call-overload]
        return found
    from _ctypes import dlopen, dlsym

    return dlsym(dlopen(None, 0), name)  # type: ignore[arg-type]


class _Interpreter:
    """Where Windows exports the interpreter's functions, in the form that a CFuncPtr looks them up in."""

    _handle: int = getattr(sys, "dllhandle", 0)


def failure(response: Memory, otherwise: str) -> FunctionError:
    """What the response says about the failure; nothing in it is trusted to be UTF-8."""

    def text(place: int) -> str:
        value: bytes | None = response.texts[place]
        return value.decode("utf-8", "replace") if value else ""

    error_type, message = text(ERROR_TYPE) or DEFAULT_ERROR_TYPE, text(ERROR_MESSAGE) or otherwise
    return FunctionError(error_type, message, text(STACK_TRACE).splitlines())
