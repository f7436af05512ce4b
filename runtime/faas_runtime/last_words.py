"""What is said when the function takes the process down: by a fatal signal, or by calling exit()."""

from _ctypes import CFuncPtr, byref

from . import abi
from .calls import HandlerFunction, Int32
from .environment import system
from .log import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

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
_guarded = 0
"""The process: a child that the function forks calls back as well, and has nothing to tell."""
_is_leaving = False
_clients: "list[RuntimeApi]" = []
_hook = ""


def guard(clients: "Sequence[RuntimeApi]" = (), hook: str = "") -> None:
    """Tell which request, or which hook, it was when the function calls exit() instead of returning.

    May be called again, with further clients, and with the hook that is called from here on, or with none. The C
    library calls back when the process exits. By then the interpreter may be gone, so from here on the process has to
    end with `leave`.
    """
    global _guard, _guarded, _hook
    _clients.extend(clients)
    _hook = hook
    if _guard is not None:
        return
    try:
        register = HandlerFunction(abi.python_symbol("__cxa_atexit"))
    except (OSError, AttributeError):
        return  # not on this system
    _guarded = system.getpid()
    _guard = _Ending(_tell)
    register(_guard, byref(abi.Address()), byref(abi.Address()))


def _tell(_: "int | None") -> None:
    if _is_leaving or system.getpid() != _guarded:
        return
    requests = ", ".join(client.current_request for client in _clients if client.is_busy)
    place = f"in {_hook}" if _hook else f"during request {requests or 'none'}"
    log(f"the function ended the process with exit() {place}", "FATAL")


def leave(code: int) -> None:
    """End the process as a C program does, with its handlers for that and its files flushed."""
    global _is_leaving
    if _guard is not None:
        _is_leaving = True
        _Leave(abi.python_symbol("exit"))(code)
