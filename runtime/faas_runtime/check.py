"""`faas-runtime check`: loads a library in a process of its own and says what it found.

What a library does when it is loaded is up to it: a crash there ends the child, and is part of what is found. So is
a wait without an end.
"""

import os
import sys

from . import binary
from .calls import HandlerFunction, VersionFunction
from .command import accept_all_characters
from .errors import InitError, UsageError
from .function import HOOKS, check_version, missing
from .library import SUFFIX, Handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

_CHILD = "import sys; sys.path.insert(0, sys.argv[1]); from faas_runtime.check import inspect; inspect(*sys.argv[2:])"

# The child's own exit codes: a library that ends the process while it is loaded would choose 0 or 1.
RUNS = 100
WRONG = 101

CRASHED = 0xC0000000  # the least of the exit codes that Windows gives a process that crashed

TIME_LIMIT_S = 10.0  # Lambda's own for an initialisation
ON_LOADING = "what runs on loading: constructors, static initialisers, thread-local data"
BESIDE = "the libraries that it needs, as one may be cut off, and at "


def check(output: "TextIO", name: str) -> int:
    """Check a library, named as a handler or by its path; returns 0 if it can be run, otherwise 1."""
    root = os.environ.get("LAMBDA_TASK_ROOT") or "."
    if os.path.exists(name) or has_folder(name):
        root = "."  # as a shell would complete it
    try:
        root = os.path.abspath(root)
    except OSError as error:
        raise UsageError(f"the current folder cannot be told: {error}. Go to one that exists") from error
    output.flush()
    code = _load(output, name, root)
    if code in (RUNS, WRONG):
        return 0 if code == RUNS else 1
    if code is None:
        _wrong(output, f"loading it has not ended within {TIME_LIMIT_S:g} seconds")
    elif code < 0:
        import signal

        name = signal.Signals(-code).name
        _wrong(output, f"loading it crashed: {name}", BESIDE if name == "SIGBUS" else "")
    elif code >= CRASHED:
        _wrong(output, f"loading it crashed: exception {code:#x}")
    else:
        _wrong(output, f"loading it ended the process with exit code {code}")
    return 1


def has_folder(name: str) -> bool:
    """Whether a name has a folder; on Windows, either slash ends one, and which is `os.sep` depends on the Python."""
    return os.sep in name or (os.altsep is not None and os.altsep in name)


def _load(output: "TextIO", name: str, root: str) -> "int | None":
    """Let a child inspect the library; its exit code, or None when it had to be ended."""
    import subprocess

    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    command = [sys.executable, "-I", "-S", "-B", "-c", _CHILD, package, name, root]
    try:
        return subprocess.run(command, stdout=output, check=False, timeout=TIME_LIMIT_S).returncode
    except subprocess.TimeoutExpired:
        return None


def _wrong(output: "TextIO", what: str, first: str = "") -> None:
    print(f"WRONG: {what}", file=output)
    print(f"  mend: look at {first}{ON_LOADING}", file=output)


def inspect(name: str, root: str) -> None:
    """What the child does: print the facts one a line, or what is wrong, and exit with RUNS or WRONG."""
    accept_all_characters()
    try:
        handler = Handler.parse(name, root)
        path = next((path for path in handler.paths if os.path.isfile(path)), None)
        if path is not None:
            _look(path)
        library = handler.load()
        version = library.function("faas_abi_version", VersionFunction)
        check_version(version, library.path)
        say("ABI version", str(version() if version else 0))
        found = library.function(handler.symbol, HandlerFunction)
        if found is None:
            raise missing(library.path, handler.symbol)
        say("handler", handler.symbol + _elsewhere(found, library.path))
        hooks = [hook for hook in HOOKS if library.function(hook, HandlerFunction) is not None]
        say("hooks", ", ".join(hooks) or "none")
    except InitError as error:
        what, *mend = error.message.rsplit("; ", 1)
        say("WRONG", f"{error.error_type}: {what}")
        if mend:
            say("  mend", mend[0])
        _leave(WRONG)
    say("result", f"runs here: set _HANDLER to {_named(handler, library.path)}")
    _leave(RUNS)


def _look(path: str) -> None:
    """Say what the library is, as far as it can be read; raises InitError for one that must not be loaded."""
    say("library", path)
    is_readable = os.access(path, os.R_OK)
    found = binary.read(path) if is_readable else None
    say("format", found.description if found else "unknown")
    damage = binary.damage(path, found) if is_readable else ""
    if damage:
        raise InitError("Runtime.LibraryNotLoadable", f"{path} cannot be loaded. {damage}")
    overlooked = binary.overlooked(found) if found else ""
    if overlooked:
        raise InitError("Runtime.LibraryNotLoadable", f"{path} cannot be relied on. {overlooked}")


def say(what: str, fact: str) -> None:
    """One line."""
    print(f"{what}: {fact}", flush=True)


def _elsewhere(found: "HandlerFunction", path: str) -> str:
    """Which library a symbol comes from, if it is another one: loaders look into those that a library needs as well."""
    import ctypes

    try:
        find = ctypes.CDLL(None).dladdr
    except (AttributeError, OSError, TypeError):
        return ""  # not on this system
    home = (ctypes.c_char_p * 4)()  # Dl_info: file, its address, symbol, its address
    address = ctypes.c_void_p.from_buffer(found)
    if not find(address, home) or not home[0] or os.path.realpath(home[0]) == os.path.realpath(os.fsencode(path)):
        return ""
    return f", which is not its own: it comes from {os.fsdecode(home[0])}"


def _named(handler: Handler, path: str) -> str:
    stem = os.path.basename(path)[: -len(SUFFIX)]
    return f"{stem.removeprefix('lib')}.{handler.symbol}"


def _leave(code: int) -> None:
    """End at once: what the library does at the end is not asked for."""
    sys.stdout.flush()
    os._exit(code)
