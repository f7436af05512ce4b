"""How the sandbox starts a function, from a library or an executable, and when such a file is complete."""

import os
from functools import lru_cache

from ..binary import linkage
from ..binary.truncation import MAGIC_SIZE, FileOnDisk, is_complete, is_library
from ..library import SUFFIX
from ..python_command import python_command
from ..sandbox.options import LaunchCommand, LibraryState, SandboxOptions, WatchedLibrary
from .options import Executable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import BinaryIO

    from ..library import Handler
    from .options import FunctionOptions

_PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_LAUNCHER = os.path.join(_PACKAGE_PARENT, "bin", "faas-runtime")
# Without a launcher (in a pip installation), the package is the only thing that the isolated interpreter can import.
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from faas_runtime.__main__ import main; sys.exit(main())"
# Where the system's loader looks for the libraries that a library needs: around the original, not around its copy.
_LIBRARY_PATHS = ("PATH",) if os.name == "nt" else ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_MOST_PER_PROCESS = 1024


def sandbox_options(options: "FunctionOptions", concurrency: int, *, watch: bool = False) -> SandboxOptions:
    """The options of a pool that runs the function; `concurrency`: the highest number of invocations at once.

    `watch`: load the library again when it has changed.
    """
    watched: WatchedLibrary | None
    if isinstance(options.program, Executable):
        path, arguments = options.program.path, options.program.arguments
        command = LaunchCommand([path, *arguments], options.environment)
        watched = WatchedLibrary(path, executable_state, is_copied=False)
        launch = _same_launch(command)
    else:
        handler = options.program
        original = next((path for path in handler.paths if os.path.isfile(path)), handler.paths[0])
        watched = WatchedLibrary(original, library_state)
        launch = _library_launch(handler, options.environment, original)
    return SandboxOptions(
        launch,
        concurrency,
        options.timeout_s,
        invocations_per_process=_invocations_per_process(options),
        library=watched if watch else None,
    )


def _same_launch(command: LaunchCommand) -> "Callable[[str | None], LaunchCommand]":
    return lambda copy: command


def _library_launch(
    handler: "Handler", environment: "Mapping[str, str]", original: str
) -> "Callable[[str | None], LaunchCommand]":
    """What makes the command of a runtime that loads the library, or a copy of it."""

    def launch_command(copy: "str | None") -> LaunchCommand:
        variables = dict(environment)
        folders = () if copy is None else _search_folders(copy, original)
        for name in _LIBRARY_PATHS if folders else ():
            variables[name] = os.pathsep.join(filter(None, (*folders, variables.get(name))))
        return LaunchCommand(_arguments(_handler_name(handler, copy)), variables)

    return launch_command


@lru_cache(maxsize=64)  # each process needs them, and a copy does not change
def _search_folders(copy: str, original: str) -> "tuple[str, ...]":
    """Where the loader would look for what the original needs: where the library says, and in its folder.

    The copy has the same contents, and nobody writes it.
    """
    folder = os.path.dirname(original)
    try:
        found = linkage.read(copy)
    except OSError:
        found = None  # it was removed, which the process reports
    return (*(found.folders_around(folder) if found else ()), folder)


def program_paths(program: "Handler | Executable") -> "list[str]":
    """The files that a program may be, as absolute paths."""
    return [program.path] if isinstance(program, Executable) else list(program.paths)


def library_state(file: "BinaryIO") -> LibraryState:
    """Whether an open file is a complete library."""
    data = FileOnDisk(file)
    if not is_library(data[:MAGIC_SIZE]):
        return LibraryState.UNKNOWN_FORMAT
    return LibraryState.COMPLETE if is_complete(data) else LibraryState.TRUNCATED


def executable_state(file: "BinaryIO") -> LibraryState:
    """The same for an executable, which may be a script."""
    file.seek(0)
    return LibraryState.COMPLETE if file.read(2) == b"#!" else library_state(file)


def _arguments(handler: str) -> "list[str]":
    """The command line of a runtime, isolated from everything else that is installed for this Python."""
    start = [_LAUNCHER] if os.path.isfile(_LAUNCHER) else ["-c", _START, _PACKAGE_PARENT]
    return [*python_command(), "-I", "-S", "-X", "utf8", *start, handler]


def _handler_name(handler: "Handler", copy: "str | None") -> str:
    """The name with which the runtime loads exactly this file."""
    paths, symbol = handler.paths, handler.symbol
    path = copy or next((path for path in paths if os.path.isfile(path)), "")
    if not path:  # with this name, the runtime reports all places where it looked
        path = paths[-1][: -len(SUFFIX)] if len(paths) > 1 else paths[0]
    return f"{path}.{symbol}"


def _invocations_per_process(options: "FunctionOptions") -> int:
    """How many invocations the runtime takes at once: it reads the same variable."""
    text = options.environment.get("AWS_LAMBDA_MAX_CONCURRENCY", "")
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text[:6]) <= _MOST_PER_PROCESS else 1
