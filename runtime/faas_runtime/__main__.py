"""The command `faas-runtime`: runs the bootstrap or another command, and returns the exit code."""

import gc
import sys

from .environment import Settings, system, variable
from .errors import FaasError, FunctionError, Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

INTERNAL_ERROR = 70  # EX_SOFTWARE: a bug in the runtime itself
INTERRUPTED = 130  # 128 + SIGINT, as in shells
COMMANDS = ("build", "check", "invoke", "new", "package", "serve")


def main(arguments: "Sequence[str] | None" = None) -> int:
    """Run the command; returns its exit code, or ends the process with it once a function has been loaded."""
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
    except Exception:
        sys.excepthook(*sys.exc_info())
        code = INTERNAL_ERROR
    exit_guard = sys.modules.get(f"{__package__}.exit_guard")
    if exit_guard is not None:
        exit_guard.exit_process(code)
    return code


def _run(arguments: "Sequence[str]") -> int:
    try:
        if len(arguments) > 1 or (arguments and not _is_handler(arguments[0])):
            return _run_command(arguments)
        if variable("FAAS_RUNTIME_LISTEN") and not variable("AWS_LAMBDA_RUNTIME_API"):  # a container outside of Lambda
            return _run_command(["serve", *arguments])
        return _bootstrap(Settings(arguments[0] if arguments else None))
    except FaasError as error:
        from .log import log, log_failure

        if isinstance(error, FunctionError):
            log_failure(error)
        else:
            log(str(error), "FATAL")
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


def _is_handler(word: str) -> bool:
    """Whether the only argument is a handler. `bootstrap` takes any word as one; elsewhere it may be a typing error."""
    if word.startswith("-") or word in COMMANDS:
        return False
    if not word or "." in word or "/" in word or "\\" in word:
        return True
    return sys.argv[0].rpartition("/")[2] == "bootstrap"


def _run_command(arguments: "Sequence[str]") -> int:
    gc.enable()
    _fill_standard_streams()
    from .commands.main import run_command

    return run_command(arguments)


def _fill_standard_streams() -> None:
    """Open those that the parent has closed: the next socket would get the number, and what the function prints."""
    for number in range(3):
        try:
            system.fstat(number)
        except OSError:
            # 2 is O_RDWR; this takes the lowest free number.
            system.set_inheritable(system.open("nul" if sys.platform == "win32" else "/dev/null", 2), True)


def _bootstrap(settings: Settings) -> int:
    """Serve the function until the process is asked to end; returns the exit code."""
    import faulthandler

    gc.disable()  # until the first answer: what is imported stays, and there is nothing yet to collect

    _fill_standard_streams()
    from .bootstrap import run

    try:
        faulthandler.enable(2)  # the descriptor, as sys.stderr may be missing
    except (OSError, RuntimeError, ValueError):
        pass  # standard error is closed
    try:
        run(settings)
    except Stopped:
        pass  # a signal came before the first invocation
    return 0


if __name__ == "__main__":
    sys.exit(main())
