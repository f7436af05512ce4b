"""From the handler's name to a loaded library and the name of its symbol."""

import os
import sys
from ctypes import CDLL

from .errors import InitError

DEFAULT_SYMBOL = "handle"


def _suffix(platform: str) -> str:
    if platform in ("win32", "cygwin", "msys"):
        return ".dll"
    return ".dylib" if platform == "darwin" else ".so"


SUFFIX = _suffix(sys.platform)


class Handler:
    """Where a handler may lie: the paths of the library, the first that exists counts, and the symbol."""

    __slots__ = ("paths", "symbol")

    def __init__(self, paths: "list[str]", symbol: str) -> None:
        self.paths = paths
        self.symbol = symbol

    @classmethod
    def parse(cls, name: str, task_root: str) -> "Handler":
        """Read `LIBRARY.SYMBOL`, `LIBRARY`, a path with either, or the empty name, as from the task root."""
        if not name:
            return cls([_only_library(task_root)], DEFAULT_SYMBOL)
        if name.endswith(SUFFIX):
            return cls([os.path.join(task_root, name)], DEFAULT_SYMBOL)
        folder, last = os.path.split(name)
        library, dot, symbol = last.rpartition(".")
        if not dot:
            library, symbol = last, DEFAULT_SYMBOL
        if not library or not (symbol.isascii() and symbol.isidentifier()):
            raise InitError(
                "Runtime.MalformedHandlerName",
                f"the handler is named {name!r}; expected LIBRARY.SYMBOL, such as simple_handler.handle",
            )
        folder = os.path.join(task_root, folder)
        if library.endswith(SUFFIX):
            return cls([os.path.join(folder, library)], symbol)
        return cls([os.path.join(folder, prefix + library + SUFFIX) for prefix in ("lib", "")], symbol)

    def load(self) -> CDLL:
        """Load the library. It is never unloaded: threads and allocators may outlive any attempt at it."""
        path = next((path for path in self.paths if os.path.isfile(path)), None)
        if path is None:
            looked_at = ", ".join(os.path.normpath(path) for path in self.paths)
            raise InitError(
                "Runtime.LibraryNotFound",
                f"the function's library is missing; looked at {looked_at}. "
                "Check _HANDLER (LIBRARY.SYMBOL) and LAMBDA_TASK_ROOT",
            )
        try:
            return CDLL(path)
        except OSError as error:
            raise InitError(
                "Runtime.LibraryNotLoadable",
                f"{path} cannot be loaded: {error}. "
                "It has to be a shared library for this machine's processor and C library",
            ) from error


def _only_library(task_root: str) -> str:
    try:
        names = sorted(name for name in os.listdir(task_root) if name.endswith(SUFFIX))
    except OSError as error:
        raise InitError("Runtime.LibraryNotFound", f"the task root cannot be read: {error}") from error
    if len(names) != 1:
        found = ", ".join(names) or "none"
        raise InitError(
            "Runtime.LibraryNotFound",
            f"no handler is named, and {task_root} does not hold exactly one *{SUFFIX} (found: {found}). "
            "Set _HANDLER to LIBRARY.SYMBOL, such as simple_handler.handle",
        )
    return os.path.join(task_root, names[0])
