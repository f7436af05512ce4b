"""The files below a folder that a build may read, and what has changed in them."""

import os
import stat

from ..library import SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    State = dict[str, tuple[int, int, int]]

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
        """The time, the size and the identity of each file. Raises `TooManyFiles`."""
        found: State = {}
        for path, entry in self._files():
            found[path] = entry
            if len(found) > FILE_LIMIT:
                raise TooManyFiles(
                    f"there are more than {FILE_LIMIT} files below {self._folder}; start serve in the folder of the "
                    "sources"
                )
        return found

    def _files(self) -> "Iterator[tuple[str, tuple[int, int, int]]]":
        folders = [self._folder]
        while folders:
            try:
                entries = list(os.scandir(folders.pop()))
            except OSError:
                continue  # it was removed, or may not be read
            for entry in entries:
                name = entry.name
                if name.startswith(".") or name.endswith(_BUILT) or entry.path in self._built:
                    continue
                try:
                    if entry.is_dir(follow_symlinks=False):
                        if name not in SKIPPED_FOLDERS:
                            folders.append(entry.path)
                        continue
                    status = entry.stat()
                except OSError:
                    continue
                if stat.S_ISREG(status.st_mode):
                    yield entry.path, (status.st_mtime_ns, status.st_size, status.st_ino)


def changed(before: "State", after: "State") -> "list[str]":
    """The paths of files that were added, removed or changed."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
