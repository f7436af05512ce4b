"""The command `faas-runtime`: its arguments, and the exit code that tells what went wrong."""

import os
import sys

from . import __version__
from .environment import Environment
from .errors import FaasError, UsageError
from .log import log
from .loop import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = """\
usage: faas-runtime [--help] [--version] [HANDLER]

Runs a native function behind the AWS Lambda Runtime API at $AWS_LAMBDA_RUNTIME_API.

HANDLER names the library and the symbol and overrides $_HANDLER: simple_handler.handle is the symbol `handle`
of libsimple_handler.so in $LAMBDA_TASK_ROOT. A path works too. Without it: the one library in the task root.

exit codes: 1 the function could not be initialised, 2 wrong usage, 3 the Runtime API failed
"""
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def parse_arguments(arguments: "Sequence[str]") -> "str | None":
    """The HANDLER among the command's arguments, none of which is an option any more."""
    options = [argument for argument in arguments if argument.startswith("-")]
    if options:
        raise UsageError(f"unknown option {options[0]}\n{USAGE}")
    if len(arguments) > 1:
        raise UsageError(f"one HANDLER expected, {len(arguments)} arguments given\n{USAGE}")
    return arguments[0] if arguments else None


def main(arguments: "Sequence[str] | None" = None) -> int:
    """Run the command and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if "--help" in arguments or "-h" in arguments:
        print(USAGE, end="")
        return 0
    if "--version" in arguments:
        print(f"faas-runtime {__version__}")
        return 0
    try:
        run(Environment.read(os.environ, parse_arguments(arguments)))
    except FaasError as error:
        log(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
