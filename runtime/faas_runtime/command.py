"""The command line, as far as it does not start the runtime."""

import io
import sys

from . import __version__
from .errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = """\
usage: faas-runtime [HANDLER]
       faas-runtime new rust|c NAME
       faas-runtime serve [LIBRARY[.HANDLER]] [OPTIONS]
       faas-runtime invoke LIBRARY[.HANDLER] [OPTIONS]
       faas-runtime check LIBRARY[.HANDLER]
       faas-runtime --help | --version

Runs a native function behind the AWS Lambda Runtime API at $AWS_LAMBDA_RUNTIME_API.

HANDLER names the library and the symbol and overrides $_HANDLER: simple_handler.handle is the symbol `handle`
of libsimple_handler.so in $LAMBDA_TASK_ROOT. A path works too. Without it: the one library in the task root.

new     makes the project of a function out of a recipe
serve   runs the function behind an emulator of Lambda, for curl, SDKs and browsers
invoke  runs the function for one event, and prints its answer
check   loads a library and says what it found, or what is wrong and how to mend it; it calls faas_abi_version,
        and nothing else of the function

new, serve and invoke tell more with --help.

exit codes: 0 asked to end, 1 the function could not be initialised, 2 wrong usage, 3 the Runtime API failed,
4 an invocation hung, 64 and 65 SnapStart's hooks failed, 70 a fault of the runtime itself, 128 + n ended at once by
signal n; of invoke: 0 answered, 5 the function answered an error, 6 it timed out, 7 its process died
"""


def accept_all_characters() -> None:
    """Let standard output write what its encoding lacks as an escape.

    Names of files may hold any character, and where Windows sends output into a pipe, few can be encoded. Elsewhere,
    `surrogateescape` writes a name as it is.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and (sys.platform == "win32" or sys.stdout.errors == "strict"):
        sys.stdout.reconfigure(errors="backslashreplace")


def run_command(arguments: "Sequence[str]") -> int:
    """Run what is not the bootstrap, and return its exit code."""
    accept_all_characters()
    name, *others = arguments
    if name in ("invoke", "serve"):
        from .emulator.command import run

        return run(name, others)
    if name == "new":
        from .new import new

        return new(others)
    if "--help" in arguments or "-h" in arguments:
        print(USAGE, end="")
        return 0
    if "--version" in arguments:
        print(f"faas-runtime {__version__}")
        return 0
    options = [argument for argument in arguments if argument.startswith("-")]
    if options:
        raise UsageError(f"unknown option {options[0]}\n{USAGE}")
    if name != "check":
        raise UsageError(
            f"there is no command {name}; there are new, serve, invoke and check. "
            f"Without a command, one HANDLER is expected, and {len(arguments)} arguments were given\n{USAGE}"
        )
    if len(others) != 1:
        raise UsageError(f"one LIBRARY expected after check, {len(others)} given\n{USAGE}")
    from .check import check

    return check(sys.stdout, others[0])
