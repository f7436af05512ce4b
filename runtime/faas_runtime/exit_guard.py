"""Reports that the function ended the process by calling exit() instead of returning.

A crash is reported by `faulthandler`, which `__main__` enables.
"""

from _ctypes import byref

from . import abi
from .environment import system
from .ffi import NativeFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .client import RuntimeApiClient


_exit_handler: "abi.Callback | None" = None
_guarded_process = 0
"""The id of the process. A child that the function forks calls the handler too, and has nothing to report."""
_is_exiting = False
_clients: "list[RuntimeApiClient]" = []
_hook = ""


def guard(clients: "Sequence[RuntimeApiClient]" = (), hook: str = "") -> None:
    """Report from now on which request, or which hook, the function was called for when it calls exit().

    May be called again: with further clients, with the hook that is called next, or with none. The C library calls the
    handler when the process exits. The interpreter may be gone by then, so the process has to end with `exit_process`.
    """
    global _exit_handler, _guarded_process, _hook
    _clients.extend(clients)
    _hook = hook
    if _exit_handler is not None:
        return
    register = abi.c_function("__cxa_atexit")
    if register is None:
        return  # not on this system
    _guarded_process = system.getpid()
    _exit_handler = abi.Callback(_report)
    register(_exit_handler, byref(abi.Address()), byref(abi.Address()))


def exit_process(code: int) -> None:
    """End the process as a C program does: exit handlers run, and files are flushed. Nothing without a guard."""
    global _is_exiting
    if _exit_handler is not None:
        _is_exiting = True
        NativeFunction(abi.python_symbol("exit"))(code)


def _report(*_: object) -> int:
    if _is_exiting or system.getpid() != _guarded_process:
        return 0
    from .log import log

    requests = ", ".join(client.current_request for client in _clients if client.is_busy)
    place = f"in {_hook}" if _hook else f"during request {requests or 'none'}"
    log(f"the function ended the process with exit() {place}", "FATAL")
    return 0
