"""How the sandbox starts the runtime of this project, and how it recognises a complete library."""

import os
import sys

from ..binary.truncation import MAGIC_SIZE, FileOnDisk, is_complete, is_library
from ..library import SUFFIX
from ..sandbox.options import LaunchCommand, LibraryState, SandboxOptions, WatchedLibrary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from .options import FunctionOptions

_PACKAGE_PARENT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_LAUNCHER = os.path.join(_PACKAGE_PARENT, "bin", "faas-runtime")
# Without a launcher (in a pip installation), the package is the only thing that the isolated interpreter can import.
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from faas_runtime.__main__ import main; sys.exit(main())"
# Where the system's loader looks for the libraries that a library needs: next to the original, not next to its copy.
_LIBRARY_PATHS = ("PATH",) if os.name == "nt" else ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_MOST_PER_PROCESS = 1024


def sandbox_options(options: "FunctionOptions", concurrency: int, *, watch: bool = False) -> SandboxOptions:
    """The options of a pool that runs the function; `concurrency`: the highest number of invocations at once.

    `watch`: load the library again when it has changed.
    """
    paths = options.handler.paths
    original = next((path for path in paths if os.path.isfile(path)), paths[0])

    def launch_command(copy: "str | None") -> LaunchCommand:
        variables = dict(options.environment)
        for name in _LIBRARY_PATHS if copy is not None else ():
            variables[name] = os.pathsep.join(filter(None, (os.path.dirname(original), variables.get(name))))
        return LaunchCommand(_arguments(_handler_name(options, copy)), variables)

    return SandboxOptions(
        launch_command,
        concurrency,
        options.timeout_s,
        invocations_per_process=_invocations_per_process(options),
        library=WatchedLibrary(original, library_state) if watch else None,
    )


def library_state(file: "BinaryIO") -> LibraryState:
    """Whether an open file is a complete library."""
    data = FileOnDisk(file)
    if not is_library(data[:MAGIC_SIZE]):
        return LibraryState.UNKNOWN_FORMAT
    return LibraryState.COMPLETE if is_complete(data) else LibraryState.TRUNCATED


def _arguments(handler: str) -> "list[str]":
    """The command line of a runtime, isolated from everything else that is installed for this Python."""
    start = [_LAUNCHER] if os.path.isfile(_LAUNCHER) else ["-c", _START, _PACKAGE_PARENT]
    return [sys.executable, "-I", "-S", *start, handler]


def _handler_name(options: "FunctionOptions", copy: "str | None") -> str:
    """The name with which the runtime loads exactly this file."""
    paths, symbol = options.handler.paths, options.handler.symbol
    path = copy or next((path for path in paths if os.path.isfile(path)), "")
    if not path:  # with this name, the runtime reports all places where it looked
        path = paths[-1][: -len(SUFFIX)] if len(paths) > 1 else paths[0]
    return f"{path}.{symbol}"


def _invocations_per_process(options: "FunctionOptions") -> int:
    """How many invocations the runtime takes at once: it reads the same variable."""
    text = options.environment.get("AWS_LAMBDA_MAX_CONCURRENCY", "")
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text[:6]) <= _MOST_PER_PROCESS else 1
