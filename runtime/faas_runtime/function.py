"""The native function: loaded and called by the rules of `include/faas.h`."""

import _signal  # type: ignore[import-not-found]
import sys

from .calls import ABI_VERSION, HandlerFunction, Procedure, VersionFunction
from .environment import system
from .errors import InitError, Stopped
from .library import SUFFIX, Handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .environment import Environment
    from .watcher import Watcher

SIGNALS = ("SIGTERM", "SIGINT", "SIGBREAK") if sys.platform == "win32" else ("SIGTERM", "SIGINT")
"""Those that ask the process to end. On Windows, a process can send another one Ctrl-Break alone."""
HOOKS = ("faas_init", "faas_shutdown", "faas_before_snapshot", "faas_after_restore")
_FIRST = 1  # of a container: no signal ends this process by itself
_ACCESS_VIOLATION = 0xC0000005 - (1 << 32)  # as the exit code that Windows gives a process that crashed


class Function:
    """A loaded function: its handler and its hooks."""

    def __init__(self, environment: "Environment") -> None:
        """Load and check the library; says as an `InitError` what does not fit."""
        handler = Handler.parse(environment.handler, environment.task_root)
        self.environment = environment
        self._watcher: Watcher | None = None
        self._is_initialised = False
        if system.getpid() == _FIRST:
            self._handle_signals()
        self.symbol = handler.symbol
        self.library = library = handler.load()
        check_version(self.library.function("faas_abi_version", VersionFunction), library.path)
        call = library.function(handler.symbol, HandlerFunction)
        if call is None:
            raise missing(library.path, handler.symbol)
        self.call = _named(call, library.path, handler.symbol)
        self._shutdown = library.function("faas_shutdown", Procedure)

    def initialise(self) -> None:
        """Call `faas_init`; from then on a signal raises `Stopped`, so that the function is shut down."""
        self.run_hook("faas_init")
        self._is_initialised = True
        if self._watcher is not None:
            self._watcher.is_starting = False
        self._handle_signals()

    def watch(self) -> "Watcher":
        """The watcher of the process, which is started when it is first asked for.

        It takes imports and a thread. A function without `faas_init` gets it while its first request is waiting, and
        any other before its hook, as Python's handlers of signals do not run while that does.
        """
        if self._watcher is None:
            from .watcher import Watcher

            self._watcher = Watcher(is_starting=not self._is_initialised)
            self._watcher.start()
        return self._watcher

    def _handle_signals(self) -> None:
        for name in SIGNALS:
            _signal.signal(getattr(_signal, name), self._stop)

    def _stop(self, _number: int, _frame: object) -> None:
        """The handler of signals while nothing is in hand; `shutdown` has a watcher for the second one."""
        if self._watcher is None:
            for name in SIGNALS:
                _signal.signal(getattr(_signal, name), _signal.SIG_DFL)
        raise Stopped

    def run_hook(self, name: str, error_class: "type[InitError]" = InitError) -> None:
        """Call an optional hook, which follows the rules of a handler."""
        hook = self.library.function(name, HandlerFunction)
        if hook is None:
            return
        from . import abi
        from .last_words import guard

        self.watch()
        response = abi.Memory(abi.RESPONSE_SIZE)
        guard(hook=name)
        try:
            status = _named(hook, self.library.path, name)(response.argument)
            if status:
                error = abi.failure(response, f"{name} returned {status}")
                kind = error_class.reported_as
                message = str(error) if kind else error.message
                raise error_class(kind or error.error_type, message, error.stack_trace)
        finally:
            guard()
            release = response.words[abi.RELEASE]
            if release:
                Procedure(release)(response.argument)

    def shutdown(self) -> None:
        """Let the function tidy up, if it has anything to tidy up; a signal from now on ends the process at once."""
        if self._shutdown is not None:
            from .last_words import guard

            if self._watcher is None:
                self.watch().stop()
            guard(hook="faas_shutdown")
            _named(self._shutdown, self.library.path, "faas_shutdown")()


def missing(path: str, symbol: str) -> InitError:
    """The error of a library that has no such handler."""
    hint = f"export it, or name another symbol: LIBRARY{SUFFIX}.SYMBOL"
    return InitError("Runtime.HandlerNotFound", f"{path} does not export the symbol {symbol}; {hint}")


def check_version(version: "VersionFunction | None", path: str) -> None:
    """Refuse a library that is not made for this version of the ABI."""
    if version is None:
        raise InitError(
            "Runtime.AbiVersionMissing",
            f"{path} does not export faas_abi_version, so it is no function for this runtime; "
            "build it with faas.h or with the glue of the Rust recipe",
        )
    found = version()
    if found != ABI_VERSION:
        raise InitError(
            "Runtime.AbiVersionMismatch",
            f"{path} is built for version {found} of the function ABI, and this runtime speaks "
            f"version {ABI_VERSION}; rebuild it with the faas.h of this runtime",
        )


def _named(native: "Callable[..., int]", path: str, symbol: str) -> "Callable[..., int]":
    """A frame around the native function that carries its library and its name.

    When the function crashes, `faulthandler` prints the frames of Python: this one tells where the function is, with
    the line 0, as there is none to be looked at.
    """
    # Lambdas, as all of one is in its first line.
    call = (
        (lambda *response: native(*response))
        if symbol in HOOKS
        else (lambda request, response: native(request, response))
    )
    call.__code__ = call.__code__.replace(co_filename=path, co_name=symbol, co_firstlineno=0)
    return _ending(call) if sys.platform == "win32" else call


def _ending(call: "Callable[..., int]") -> "Callable[..., int]":
    """The same for Windows: a crash of the function ends the process, as on other systems.

    A `_ctypes` that Microsoft's compiler has made raises it as an OSError, and the process would go on with whatever
    is broken. By then, faulthandler has told the place.
    """

    def ending(*arguments: object) -> int:
        try:
            return call(*arguments)
        except OSError as error:
            system._exit(getattr(error, "winerror", None) or _ACCESS_VIOLATION)

    return ending
