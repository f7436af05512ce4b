"""The files below a folder that a build may read, and what has changed in them."""

import os
import stat

from ..library import SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Identity = tuple[int, int, int, int]
    State = dict[str, Identity]

FILE_LIMIT = 50_000
SKIPPED_FOLDERS = frozenset(("target", "node_modules", "__pycache__"))
"""What builds write. So do hidden folders, such as .git, which are skipped as well."""
_BUILT = (
    SUFFIX, ".a", ".class", ".d", ".dll", ".dylib", ".exe", ".lib", ".o", ".obj", ".pdb", ".pyc", ".rlib", ".rmeta",
    ".so", ".swp", "~",
)  # fmt: skip
"""The ends of the names of files that a compiler or an editor writes."""


class TooManyFiles(Exception):
    """There are more files than can be looked at again and again."""


class SourceTree:
    """The sources below a folder."""

    def __init__(self, folder: str, built: "Iterable[str]" = ()) -> None:
        """`built`: the paths of what the build makes."""
        self._folder = os.path.abspath(folder)
        self._built = frozenset(map(os.path.abspath, built))

    def state(self) -> "State":
        """The times, the size and the identity of each file. Raises `TooManyFiles`."""
        found: State = {}
        for path, entry in self._files():
            found[path] = entry
            if len(found) > FILE_LIMIT:
                raise TooManyFiles(
                    f"there are more than {FILE_LIMIT} files below {self._folder}; start serve in the folder of the "
                    "sources"
                )
        return found

    def _files(self) -> "Iterator[tuple[str, Identity]]":
        for entry in self._entries():
            try:
                status = entry.stat()
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                # A program can set the time of the last write, but not that of the last change (except on Windows).
                yield entry.path, (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)

    def _entries(self) -> "Iterator[os.DirEntry[str]]":
        """What may be a source, and is no folder.

        Each folder is looked into once, whatever links lead to it. Links come last, in alphabetical order, so that each
        file has the same path every time.
        """
        folders, links = [self._folder], list[str]()
        seen: set[tuple[int, int]] = set()
        while folders or links:
            if not folders:
                links.sort(reverse=True)
            for entry in _new_entries((folders or links).pop(), seen):
                if entry.name.startswith(".") or entry.name.endswith(_BUILT) or entry.path in self._built:
                    continue
                if not _is_folder(entry):
                    yield entry
                elif entry.name not in SKIPPED_FOLDERS:
                    (links if entry.is_symlink() else folders).append(entry.path)


def _new_entries(folder: str, seen: "set[tuple[int, int]]") -> "list[os.DirEntry[str]]":
    """The entries of a folder, unless it was seen before, has been removed, or may not be read."""
    try:
        found = os.stat(folder)
        if (found.st_dev, found.st_ino) in seen:
            return []
        seen.add((found.st_dev, found.st_ino))
        return list(os.scandir(folder))
    except OSError:
        return []


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def changed(before: "State", after: "State") -> "list[str]":
    """The paths of files that were added, removed or changed."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
