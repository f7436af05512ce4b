"""`faas-runtime check`: loads a library in a child process, and prints what it is or what is wrong with it.

Loading a library runs its code. A crash, or a wait without end, affects the child alone, and is reported. With `--for`,
the library is read and not loaded: see `check_for.py`.
"""

import os
import sys

from ..binary import inspection
from ..command_line import accept_all_characters, current_folder, has_folder, print_text
from ..command_parser import CommandParser
from ..errors import InitError, UsageError
from ..ffi import NativeFunction
from ..function import HOOKS, check_version, missing_handler
from ..library import SUFFIX, Handler
from ..python_command import python_command
from .targets import TARGETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from faas_runtime.commands.check import inspect; inspect(*sys.argv[2:])"
)

# The child's exit codes. A library that ends the process while it is loaded would choose 0 or 1.
RUNS = 100
WRONG = 101
NOT_PRINTED = 102

CRASHED = 0xC0000000  # the lowest exit code that Windows gives a process that crashed

TIMEOUT_S = 10.0  # as Lambda's own for an initialisation
ON_LOADING = "the code that runs on loading: constructors, static initialisers, thread-local data"
DEPENDENCIES = "the libraries that it needs, as one may be cut off, and "


def run(arguments: "Sequence[str]") -> int:
    """Run the command; returns its exit code. Raises UsageError."""
    given = _parser().parse_args(arguments)
    name = _own_library() if given.library is None else given.library
    if given.targets is None:
        return check(name)
    from .check_for import check_for, parse_targets

    return check_for(name, _root(name), parse_targets(given.targets))


def _own_library() -> str:
    """The library that the project in the current folder has built; raises UsageError if there is none."""
    from ..project import finder

    found = finder.library(current_folder())
    if found is None:
        raise UsageError("there is no project in the current folder; name the library: LIBRARY[.HANDLER]")
    return found


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="faas-runtime check",
        description="Load a library and print what it is, or what is wrong and how to fix it. It calls "
        "faas_abi_version, and no other symbol of the function.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "library",
        metavar="LIBRARY[.HANDLER]",
        nargs="?",
        help="a path, or a name in $LAMBDA_TASK_ROOT (default: what the project in the current folder has built)",
    )
    parser.add_argument(
        "--for",
        dest="targets",
        metavar="TARGETS",
        help="read the library instead of loading it, and say for each target whether it fits there: "
        f"{', '.join(TARGETS)}, or several of them with commas between; with @ before it, the file that has them",
    )
    return parser


def _root(name: str) -> str:
    """The folder that a handler's name is relative to."""
    if os.path.isabs(name):
        return os.path.dirname(name)  # the current folder may be gone
    root = os.environ.get("LAMBDA_TASK_ROOT") or "."
    if os.path.exists(name) or has_folder(name):
        root = "."  # a path, as a shell completes it
    return os.path.normpath(root if os.path.isabs(root) else os.path.join(current_folder(), root))


def check(name: str) -> int:
    """Check a library, given as a handler or by its path; returns 0 if it can be run, otherwise 1."""
    root = _root(name)
    code = _load(name, root)
    if code in (RUNS, WRONG):
        return 0 if code == RUNS else 1
    if code is None:
        _wrong(f"loading it did not end within {TIMEOUT_S:g} seconds")
    elif code < 0:
        import signal

        name = signal.Signals(-code).name
        _wrong(f"loading it crashed: {name}", DEPENDENCIES if name == "SIGBUS" else "")
    elif code >= CRASHED:
        _wrong(f"loading it crashed: exception {code:#x}")
    else:
        _wrong(f"loading it ended the process with exit code {code}")
    return 1


def _load(name: str, root: str) -> "int | None":
    """Let a child inspect the library; returns its exit code, or None if it did not end in time."""
    import subprocess

    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    command = [*python_command(), "-I", "-S", "-B", "-X", "utf8", "-c", _CHILD, package, name, root]
    try:
        return subprocess.run(command, stdout=sys.stdout, check=False, timeout=TIMEOUT_S).returncode
    except subprocess.TimeoutExpired:
        return None


def _wrong(what: str, check_first: str = "") -> None:
    print_text(f"WRONG: {what}")
    print_text(f"  fix: check {check_first}{ON_LOADING}")


def inspect(name: str, root: str) -> None:
    """Run in the child: print the facts, one per line, or what is wrong, and exit with RUNS or WRONG.

    If they cannot be printed, exit with NOT_PRINTED: then the parent cannot print either, and says so.
    """
    accept_all_characters()
    try:
        code = _print_facts(name, root)
    except UsageError:
        code = NOT_PRINTED
    os._exit(code)  # at once, without the library's exit handlers


def _print_facts(name: str, root: str) -> int:
    try:
        handler = Handler.parse(name, root)
        path = next((path for path in handler.paths if os.path.isfile(path)), None)
        if path is not None:
            _print_format(path)
        library = handler.load()
        version = library.function("faas_abi_version")
        check_version(version, library.path)
        say("ABI version", str(version() if version else 0))
        found = library.function(handler.symbol)
        if found is None:
            raise missing_handler(library.path, handler.symbol)
        say("handler", handler.symbol + _other_home(found, library.path))
        hooks = [hook for hook in HOOKS if library.function(hook) is not None]
        say("hooks", ", ".join(hooks) or "none")
    except InitError as error:
        what, *fix = error.message.rsplit("; ", 1)
        say("WRONG", f"{error.error_type}: {what}")
        if fix:
            say("  fix", fix[0])
        return WRONG
    say("result", f"runs here: set _HANDLER to {_handler_name(handler, library.path)}")
    return RUNS


def _print_format(path: str) -> None:
    """Print what the library is, if it can be read; raises `InitError` for one that must not be loaded."""
    say("library", path)
    is_readable = os.access(path, os.R_OK)
    found = inspection.read(path) if is_readable else None
    say("format", found.description if found else "unknown")
    damage = inspection.damage(path, found) if is_readable else ""
    if damage:
        raise InitError("Runtime.LibraryNotLoadable", f"{path} cannot be loaded. {damage}")
    reason = inspection.why_unreliable(found) if found else ""
    if reason:
        raise InitError("Runtime.LibraryNotLoadable", f"{path} would load, but not run reliably. {reason}")


def say(what: str, fact: str) -> None:
    """Print a line."""
    print_text(f"{what}: {fact}")


def _other_home(found: "NativeFunction", path: str) -> str:
    """The library that a symbol comes from, if it is another one: loaders also search those that a library needs."""
    import ctypes

    try:
        find = ctypes.CDLL(None).dladdr
    except (AttributeError, OSError, TypeError):
        return ""  # not on this system
    home = (ctypes.c_char_p * 4)()  # Dl_info: file, its address, symbol, its address
    address = ctypes.c_void_p.from_buffer(found)
    if not find(address, home) or not home[0] or os.path.realpath(home[0]) == os.path.realpath(os.fsencode(path)):
        return ""
    return f", which is not in this library but in {os.fsdecode(home[0])}"


def _handler_name(handler: Handler, path: str) -> str:
    stem = os.path.basename(path)[: -len(SUFFIX)]
    return f"{stem.removeprefix('lib')}.{handler.symbol}"
