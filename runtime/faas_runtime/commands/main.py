"""The commands that do not start the runtime itself; `--help` and `--version` are among them."""

import difflib

from .._version import __version__
from ..command_line import accept_all_characters, open_closed_output, print_text
from ..errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ("new", "serve", "invoke", "build", "check", "package")
SYNOPSIS = """\
usage: faas-runtime [HANDLER]
       faas-runtime new rust|c NAME
       faas-runtime serve [[NAME=]LIBRARY[.HANDLER]|EXECUTABLE ...] [OPTIONS]
       faas-runtime invoke [LIBRARY[.HANDLER] | --function NAME] [OPTIONS]
       faas-runtime build [OPTIONS]
       faas-runtime check [LIBRARY[.HANDLER]] [OPTIONS]
       faas-runtime package [LIBRARY[.HANDLER]] [OPTIONS]
       faas-runtime --help | --version
"""

HELP = """
Runs a native function behind the AWS Lambda Runtime API at $AWS_LAMBDA_RUNTIME_API.

HANDLER names the library and the symbol and overrides $_HANDLER: simple_handler.handle is the symbol `handle`
of libsimple_handler.so in $LAMBDA_TASK_ROOT. A path works too. The default is the only library in the task root.
A HANDLER has a dot or a slash; only `bootstrap` takes a single word for the name of a library.

new     makes the project of a function from a recipe
serve   runs functions behind an emulator of Lambda, for curl, SDKs and browsers
invoke  runs the function for one event, and prints its response
build   builds the project in the current folder with cargo or make, for an image, Lambda or another processor
check   loads a library and prints what it is, or what is wrong and how to fix it; it calls faas_abi_version, and
        no other symbol of the function. With --for, it reads the library, and says whether it fits an image, Lambda
        or another processor
package puts a library into a zip file or an image for Lambda, and prints the commands that create the function

Each command has options: see its --help.

exit codes: 0 asked to end, 1 the function could not be initialised, 2 wrong usage, 3 the Runtime API failed,
4 an invocation hung, 64 and 65 SnapStart's hooks failed, 70 a bug in the runtime itself, 128 + n ended at once by
signal n; of invoke: 0 success, 5 the function returned an error, 6 it timed out, 7 its process died
"""


def run_command(arguments: "Sequence[str]") -> int:
    """Run a command; returns its exit code. Raises `UsageError`."""
    open_closed_output()
    accept_all_characters()
    name, *others = arguments
    if name in ("invoke", "serve"):
        from ..emulator.cli import run

        return run(name, others)
    if name in ("new", "build", "package"):
        return _of_author(name, others)
    if name == "check":
        from .check import run as run_check

        return run_check(others)
    if "--help" in arguments or "-h" in arguments:
        print_text((SYNOPSIS + HELP).rstrip())
        return 0
    if "--version" in arguments:
        print_text(f"faas-runtime {__version__}")
        return 0
    options = [argument for argument in arguments if argument.startswith("-")]
    if options:
        raise UsageError(f"unknown option {options[0]}\n{SYNOPSIS.rstrip()}")
    raise UsageError(f"{_unknown_command(name, others)}\n{SYNOPSIS.rstrip()}")


def _of_author(name: str, others: "Sequence[str]") -> int:
    """Run one of the commands that write something for the author of a function."""
    from .programs import end_on_signals

    end_on_signals()
    if name == "new":
        from .new import new

        return new(others)
    if name == "build":
        from .build import build

        return build(others)
    return _package(others)


def _package(arguments: "Sequence[str]") -> int:
    try:
        from .package import package
    except ImportError as error:  # images leave the module zipfile out
        raise UsageError(
            f"package does not work here, as this Python has no {error.name}: run it where you build"
        ) from error
    return package(arguments)


def _unknown_command(name: str, others: "Sequence[str]") -> str:
    """What to say about a first word that is no command: the command that was meant, and how a handler is written."""
    similar = difflib.get_close_matches(name, NAMES, 1)
    hint = f" Did you mean {similar[0]}?" if similar else ""
    text = f"there is no command {name}.{hint} The commands are {', '.join(NAMES[:-1])} and {NAMES[-1]}."
    if others:
        return f"{text} Without a command, expected one HANDLER, got {len(others) + 1} arguments"
    return f"{text} For the library {name}, write the handler: {name}.handle"
