"""What is said when the function takes the process down: by a fatal signal, or by calling exit()."""

from _ctypes import CFuncPtr, byref

from . import abi
from .calls import HandlerFunction, Int32
from .log import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .client import RuntimeApi


class _Ending(CFuncPtr):
    _flags_ = 1  # FUNCFLAG_CDECL
    _restype_ = None
    _argtypes_ = (abi.Address,)


class _Leave(CFuncPtr):
    _flags_ = 1
    _restype_ = None
    _argtypes_ = (Int32,)


_guard: "_Ending | None" = None
_is_leaving = False


def guard(clients: "Iterable[RuntimeApi]") -> None:
    """Tell which request it was when the function calls exit() instead of returning.

    The C library calls back when the process exits. By then the interpreter may be gone, so from here on the process
    has to end with `leave`.
    """
    global _guard

    def ending(_: "int | None") -> None:
        if not _is_leaving:
            requests = ", ".join(client.current_request for client in clients if client.is_busy)
            log(f"the function ended the process with exit() during request {requests or 'none'}", "FATAL")

    try:
        register = HandlerFunction(abi.python_symbol("__cxa_atexit"))
    except (OSError, AttributeError):
        return  # not on this system
    _guard = _Ending(ending)
    register(_guard, byref(abi.Address()), byref(abi.Address()))


def leave(code: int) -> None:
    """End the process as a C program does, with its handlers for that and its files flushed."""
    global _is_leaving
    if _guard is not None:
        _is_leaving = True
        _Leave(abi.python_symbol("exit"))(code)
