"""From the name of a handler to a loaded library and its symbols."""

import sys

from .environment import is_absolute, system
from .errors import InitError
from .ffi import NativeFunction

DEFAULT_SYMBOL = "handle"
_RTLD_NOW = 2  # an undefined symbol is an error here, instead of a crash in the middle of an invocation
_S_IFMT, _S_IFREG = 0o170000, 0o100000  # inode(7)
_SEARCH_DLL_LOAD_DIR, _SEARCH_DEFAULT_DIRS, _ALTERED_SEARCH_PATH = 0x100, 0x1000, 0x8  # LoadLibraryExW


def _suffix(platform: str) -> str:
    if platform in ("win32", "cygwin", "msys"):
        return ".dll"
    return ".dylib" if platform == "darwin" else ".so"


SUFFIX = _suffix(sys.platform)


class Library:
    """A loaded library. It is never unloaded, as its threads and allocators may still run."""

    def __init__(self, path: str) -> None:
        self.path = path
        # CFuncPtr reads the attribute of this name.
        self._handle: int = _open(path)

    def function(self, name: str) -> "NativeFunction | None":
        """The exported function of this name, if there is one."""
        try:
            return NativeFunction((name, self))  # type: ignore[arg-type]
        except AttributeError:
            return None


class Handler:
    """Where a handler is: the possible paths of the library, of which the first that exists is used, and the symbol."""

    __slots__ = ("paths", "symbol")

    def __init__(self, paths: "list[str]", symbol: str) -> None:
        self.paths = paths
        self.symbol = symbol

    @classmethod
    def parse(cls, name: str, task_root: str) -> "Handler":
        """Read `LIBRARY.SYMBOL`, `LIBRARY`, a path to either, or the empty name, relative to the task root.

        Raises `InitError` for any other name.
        """
        if not name:
            return cls([_only_library(task_root)], DEFAULT_SYMBOL)
        if "\0" in name:
            raise _malformed(name)
        if name.endswith(SUFFIX):
            return cls([_join(task_root, name)], DEFAULT_SYMBOL)
        if sys.platform == "win32":
            name = name.replace("\\", "/")
        folder, slash, last = name.rpartition("/")
        library, dot, symbol = last.rpartition(".")
        if not dot:
            library, symbol = last, DEFAULT_SYMBOL
        if not library or not (symbol.isascii() and symbol.isidentifier()):
            path = _join(task_root, name)
            if _is_file(path):
                from .missing_library import without_suffix

                raise InitError("Runtime.LibraryNotFound", without_suffix(path, SUFFIX))
            raise _malformed(name)
        folder = _join(task_root, folder + slash)
        if library.endswith(SUFFIX):
            return cls([_join(folder, library)], symbol)
        return cls([_join(folder, prefix + library + SUFFIX) for prefix in ("lib", "")], symbol)

    def load(self) -> Library:
        """Load the library; raises `InitError` if there is none, or it cannot be loaded."""
        path = next((path for path in self.paths if _is_file(path)), None)
        if path is None:
            from .missing_library import why_missing

            raise InitError("Runtime.LibraryNotFound", why_missing(self.paths, self.symbol, SUFFIX))
        try:
            return Library(path)
        except OSError as error:
            from .binary.inspection import why_not_loadable

            message = f"{path} cannot be loaded: {str(error).rstrip('.')}. {why_not_loadable(path, str(error))}"
            raise InitError("Runtime.LibraryNotLoadable", message) from error


def _malformed(name: str) -> InitError:
    return InitError(
        "Runtime.MalformedHandlerName",
        f"the handler is named {name!r}; expected LIBRARY.SYMBOL, such as simple_handler.handle",
    )


def _open(path: str) -> int:
    if sys.platform == "win32":
        from _ctypes import LoadLibrary

        path = path.replace("/", "\\")
        try:
            # Search what it needs in its own folder, Python's and the system's.
            return LoadLibrary(path, _SEARCH_DLL_LOAD_DIR | _SEARCH_DEFAULT_DIRS)
        except FileNotFoundError:
            # In its own folder, the system's and those of PATH. When the emulator runs a copy, PATH has the folder of
            # the original.
            return LoadLibrary(path, _ALTERED_SEARCH_PATH)
    from _ctypes import dlopen

    return dlopen(path, _RTLD_NOW)


def _join(folder: str, name: str) -> str:
    while name.startswith("./"):
        name = name[2:]
    if not folder or is_absolute(name):
        return name
    return folder + name if folder.endswith("/") else f"{folder}/{name}"


def _is_file(path: str) -> bool:
    try:
        return system.stat(path).st_mode & _S_IFMT == _S_IFREG
    except (OSError, ValueError):  # ValueError: a name that no file can have
        return False


def _only_library(task_root: str) -> str:
    try:
        names = sorted(name for name in system.listdir(task_root) if name.endswith(SUFFIX))
    except OSError as error:
        raise InitError("Runtime.LibraryNotFound", f"the task root cannot be read: {error}") from error
    if len(names) != 1:
        found = ", ".join(names) or "none"
        raise InitError(
            "Runtime.LibraryNotFound",
            f"no handler is named, and {task_root} does not contain exactly one *{SUFFIX} (found: {found}); "
            "set _HANDLER to LIBRARY.SYMBOL, such as simple_handler.handle",
        )
    return _join(task_root, names[0])
