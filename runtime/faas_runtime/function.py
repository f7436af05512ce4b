"""The native function: loaded and called by the rules of `include/faas.h`."""

import _signal  # type: ignore[import-not-found]
import sys

from .environment import system
from .errors import InitError, Stopped
from .ffi import ABI_VERSION, NativeFunction
from .library import SUFFIX, Handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from sys import UnraisableHookArgs

    from .environment import Settings
    from .watcher import Watcher

SIGNALS = tuple(int(getattr(_signal, name)) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(_signal, name))
"""The signals that ask the process to end. SIGBREAK is Windows' own, and the only one that another process can send
there."""
HOOKS = ("faas_init", "faas_shutdown", "faas_before_snapshot", "faas_after_restore")
_INIT_PROCESS = 1  # the first process of a container, which no signal ends by default
# The exit code that Windows gives a process that crashed, as a signed number.
_ACCESS_VIOLATION = 0xC0000005 - (1 << 32)


class Function:
    """A loaded function: its handler and its hooks."""

    def __init__(self, settings: "Settings") -> None:
        """Load and check the library; raises `InitError` for what is wrong."""
        handler = Handler.parse(settings.handler, settings.task_root)
        self.settings = settings
        self._watcher: Watcher | None = None
        self._is_initialised = False
        self.is_stopping = False
        """Whether a signal has come before the invocations began. Python drops what is raised in some places, such as a
        callback at the end of an import, so `Stopped` may not arrive."""
        if system.getpid() == _INIT_PROCESS:
            self._handle_signals()
        self.symbol = handler.symbol
        self.library = library = handler.load()
        check_version(library.function("faas_abi_version"), library.path)
        call = library.function(handler.symbol)
        if call is None:
            raise missing_handler(library.path, handler.symbol)
        self.call = _with_named_frame(call, library.path, handler.symbol)
        self._shutdown = library.function("faas_shutdown")

    @property
    def has_shutdown(self) -> bool:
        """Whether the library exports `faas_shutdown`."""
        return self._shutdown is not None

    def initialise(self) -> None:
        """Call `faas_init`; from then on a signal raises `Stopped`, so that the function is shut down.

        Raises `InitError` for its failure.
        """
        self.run_hook("faas_init")
        self._is_initialised = True
        if self._watcher is not None:
            self._watcher.is_starting = False
        self._handle_signals()

    def watch(self) -> "Watcher":
        """The watcher of the process, which is started by the first call.

        It takes imports and a thread. A function without `faas_init` gets it while its first request waits. Any other
        gets it before its hook, as Python's signal handlers do not run while the hook does.
        """
        if self._watcher is None:
            from .watcher import Watcher

            self._watcher = Watcher(SIGNALS, is_starting=not self._is_initialised)
            self._watcher.start()
        return self._watcher

    def _handle_signals(self) -> None:
        sys.unraisablehook = _report_unless_stopped
        for number in SIGNALS:
            _signal.signal(number, self._stop)

    def _stop(self, _number: int, _frame: object) -> None:
        """The signal handler while there is no invocation; `shutdown` has a watcher for a second signal."""
        self.is_stopping = True
        if self._watcher is None:
            for number in SIGNALS:
                _signal.signal(number, _signal.SIG_DFL)
        raise Stopped

    def run_hook(self, name: str, error_class: "type[InitError]" = InitError) -> None:
        """Call an optional hook, which follows the rules of a handler; raises `error_class` for its failure."""
        hook = self.library.function(name)
        if hook is None:
            return
        from . import abi
        from .exit_guard import guard

        self.watch()
        response = abi.CStruct(abi.RESPONSE_SIZE)
        guard(hook=name)
        try:
            status = _with_named_frame(hook, self.library.path, name)(response.argument)
            if status:
                from .native_memory import failure

                error = failure(response, f"{name} returned {status}")
                error_type = error_class.reported_as
                message = str(error) if error_type else error.message
                failed = error_class(error_type or error.error_type, message, error.stack_trace)
                failed.hook = name
                raise failed
        finally:
            guard()
            release = response.words[abi.RELEASE]
            if release:
                NativeFunction(release)(response.argument)

    def shutdown(self) -> None:
        """Call `faas_shutdown`, if there is one; a signal from now on ends the process at once."""
        if self._shutdown is not None:
            from .exit_guard import guard

            if self._watcher is None:
                self.watch().stop()
            guard(hook="faas_shutdown")
            _with_named_frame(self._shutdown, self.library.path, "faas_shutdown")()


def _report_unless_stopped(dropped: "UnraisableHookArgs") -> None:
    """Say nothing of a signal whose exception Python drops, as in callbacks: `is_stopping` is looked at later."""
    if dropped.exc_type is not Stopped:
        sys.__unraisablehook__(dropped)


def missing_handler(path: str, symbol: str) -> InitError:
    """The error for a library that has no such handler."""
    hint = f"export it, or name another symbol: LIBRARY{SUFFIX}.SYMBOL"
    return InitError("Runtime.HandlerNotFound", f"{path} does not export the symbol {symbol}; {hint}")


def check_version(version: "NativeFunction | None", path: str) -> None:
    """Raise `InitError` for a library that is not built for this version of the ABI."""
    if version is None:
        raise InitError(
            "Runtime.AbiVersionMissing",
            f"{path} does not export faas_abi_version, so it is not a function for this runtime; "
            "build it with faas.h or with the glue of the Rust recipe",
        )
    found = version() & 0xFFFFFFFF  # the function returns an unsigned number
    if found != ABI_VERSION:
        raise InitError(
            "Runtime.AbiVersionMismatch",
            f"{path} is built for version {found} of the function ABI, and this runtime supports "
            f"version {ABI_VERSION}; rebuild it with the faas.h of this runtime",
        )


def _with_named_frame(native: "Callable[..., int]", path: str, symbol: str) -> "Callable[..., int]":
    """A Python function that calls the native one, with the names of its library and symbol.

    When the native function crashes, `faulthandler` prints the frames of Python. This one shows which native function
    it was, with the line 0, as there is no source.
    """
    # Lambdas, whose code is all in the first line.
    call = (
        (lambda *response: native(*response))
        if symbol in HOOKS
        else (lambda request, response: native(request, response))
    )
    call.__code__ = call.__code__.replace(co_filename=path, co_name=symbol, co_firstlineno=0)
    return _ending_on_crash(call) if sys.platform == "win32" else call


def _ending_on_crash(call: "Callable[..., int]") -> "Callable[..., int]":
    """The same for Windows: a crash of the function ends the process, as on other systems.

    A `_ctypes` built by Microsoft's compiler raises an OSError for it, and the process would go on with corrupt memory.
    By then, faulthandler has printed the place.
    """

    def call_or_end(*arguments: object) -> int:
        try:
            return call(*arguments)
        except OSError as error:
            system._exit(getattr(error, "winerror", None) or _ACCESS_VIOLATION)

    return call_or_end
