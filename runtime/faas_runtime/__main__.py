"""The command `faas-runtime`: the way into the runtime, and the exit code that tells what went wrong."""

import sys

from .environment import Environment, system, variable
from .errors import FaasError, FunctionError, Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

BROKEN = 70  # EX_SOFTWARE: a fault of the runtime itself
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
COMMANDS = ("check", "invoke", "new", "serve")


def main(arguments: "Sequence[str] | None" = None) -> int:
    """Run the command; returns its exit code, or ends the process with it once a function has been loaded."""
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
    except Exception:
        sys.excepthook(*sys.exc_info())
        code = BROKEN
    words = sys.modules.get(f"{__package__}.last_words")
    if words is not None:
        words.leave(code)
    return code


def _run(arguments: "Sequence[str]") -> int:
    try:
        if len(arguments) > 1 or (arguments and (arguments[0].startswith("-") or arguments[0] in COMMANDS)):
            from .command import run_command

            return run_command(arguments)
        if variable("FAAS_RUNTIME_LISTEN") and not variable("AWS_LAMBDA_RUNTIME_API"):  # an image outside of Lambda
            from .command import run_command

            return run_command(["serve", *arguments])
        return bootstrap(Environment(arguments[0] if arguments else None))
    except FaasError as error:
        from .log import log, log_failure

        if isinstance(error, FunctionError):
            log_failure(error)
        else:
            log(str(error), "FATAL")
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


def _fill_standard_streams() -> None:
    """Open what the parent has closed: the next socket would take its number, and what the function prints."""
    for number in range(3):
        try:
            system.fstat(number)
        except OSError:
            system.open("nul" if sys.platform == "win32" else "/dev/null", 2)  # O_RDWR; takes the lowest free number


def bootstrap(environment: Environment) -> int:
    """Serve the function until the process is asked to end."""
    import faulthandler

    _fill_standard_streams()
    from .loop import run

    try:
        faulthandler.enable(2)  # standard error, whatever has become of sys.stderr
    except (OSError, RuntimeError, ValueError):
        pass  # there is none
    try:
        run(environment)
    except Stopped:
        pass  # before there was a first invocation
    return 0


if __name__ == "__main__":
    sys.exit(main())
