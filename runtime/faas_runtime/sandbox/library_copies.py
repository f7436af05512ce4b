"""The library of a function that is built again and again: has it changed, is it complete, and copies of it.

A compiler may truncate and overwrite the library, delete and create it, or rename another file over it. Processes that
run the old code do not notice: each generation of processes runs a private copy.
"""

import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress

from ..event_loop.tasks import run_in_thread, sleep
from .options import LibraryState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from .options import WatchedLibrary

LIMIT_S = 10.0  # to wait for a complete library
SETTLED_S = 0.05
"""Nobody is writing a file that has not changed for this time: programs write without such pauses."""
UNKNOWN_FORMAT_S = 1.0
"""A file that is not a library is copied after this time: the runtime gives the best explanation of what is wrong."""
_COPY_SIZE = 1 << 20  # bytes that are copied at once
_POLL_S = 0.01
_LONGEST_POLL_S = 0.1


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file. If it has become a pipe, this does not wait until its other side is opened."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


class LibraryUnavailable(Exception):
    """There is no complete library; the text says what there is instead."""


class _FileState:
    """The identity and the time of a file. The file was changed or replaced if the identity differs."""

    __slots__ = ("identity", "is_regular", "written_s")

    def __init__(self, path: str) -> None:
        """Raises OSError if there is no file."""
        found = os.stat(path)
        # An archive can set the time of the last write, but not that of the last change (except on Windows).
        self.identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        self.is_regular = stat.S_ISREG(found.st_mode)
        self.written_s = max(found.st_mtime_ns, found.st_ctime_ns) / 1e9


class LibraryCopies:
    """Makes and removes private copies of a library."""

    def __init__(self, library: "WatchedLibrary", limit_s: float = LIMIT_S) -> None:
        """`limit_s`: how long `create` waits. Before its first call, `has_changed` is true."""
        self._library = library
        self._limit_s = limit_s
        self._copied: object = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._count = 0

    @property
    def is_library_there(self) -> bool:
        """Whether there is a file, complete or not."""
        return os.path.isfile(self._library.path)

    @property
    def path(self) -> str:
        """The path of the original."""
        return self._library.path

    def has_changed(self) -> bool:
        """Whether the library is missing, or another file than the one that was copied last; costs one stat."""
        try:
            return _FileState(self.path).identity != self._copied
        except OSError:
            return True

    def is_missing(self, path: str) -> bool:
        """Whether a copy was removed by others; costs one stat."""
        return self._library.is_copied and not os.path.isfile(path)

    async def create(self) -> str:
        """Wait until the library is complete and nobody writes it; returns the path of a copy with the same file name.

        If the library is not to be copied, it is the path of the library itself.

        Raises `LibraryUnavailable` after the limit, and OSError if the copy cannot be written. It can be cancelled at
        any time. Files are read by a thread: the library may be large, or on a slow disk.
        """
        deadline = time.monotonic() + self._limit_s
        reader = _StableReader(self._library)
        path = self._next_path() if self._library.is_copied else self.path
        pause = _POLL_S
        try:
            while True:
                if await run_in_thread(reader.copy, path):
                    self._copied = reader.identity
                    return path
                if time.monotonic() >= deadline:
                    raise LibraryUnavailable(
                        f"{reader.reason} after {self._limit_s:g} s; build it again, and invoke again"
                    )
                await sleep(pause)
                pause = min(pause * 1.2, _LONGEST_POLL_S)
        except BaseException:
            self.discard(path)
            raise

    def discard(self, path: str) -> None:
        """Remove a copy whose last process has ended. A copy that is still in use stays until `close`."""
        if self._library.is_copied:
            shutil.rmtree(os.path.dirname(path), ignore_errors=True)

    def close(self) -> None:
        """Remove all copies."""
        if self._folder is not None:
            folder, self._folder = self._folder, None
            shutil.rmtree(folder.name, ignore_errors=True)
            with suppress(OSError):  # Windows keeps a file that another program has open, such as a virus scanner
                folder.cleanup()

    def _next_path(self) -> str:
        """The path of a copy in a new folder of its own."""
        if self._folder is not None and not os.path.isdir(self._folder.name):
            self.close()  # something that removes old temporary files has removed it
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="faas-runtime-")
        self._count += 1
        folder = os.path.join(self._folder.name, str(self._count))
        os.mkdir(folder, 0o700)
        return os.path.join(folder, os.path.basename(self.path))


class _StableReader:
    """Reads a library when nobody writes it and it is complete."""

    def __init__(self, library: "WatchedLibrary") -> None:
        self.identity: object = None
        """That of the file which was seen last."""
        self.reason = ""
        """Why the last `read` returned nothing, as the beginning of a sentence."""
        self._library = library
        self._unchanged_since_s = 0.0

    def copy(self, copy: str) -> bool:
        """Copy the library to a path, if it can be used now; returns whether it can. If not, sets `reason`.

        A library that is not to be copied is only looked at.
        """
        path = self._library.path
        try:
            state = _FileState(path)
            self._note(state.identity)
            if not state.is_regular:  # such as a pipe, which would never end
                self.reason = f"{path} is not a regular file"
                return False
            if not self._is_settled(state):
                self.reason = f"{path} is still being written"
                return False
            with open(path, "rb", opener=_open_without_waiting) as file:
                size = os.fstat(file.fileno()).st_size
                is_usable = self._is_usable(file)
                if is_usable and self._library.is_copied:
                    is_usable = self._is_copied(file, copy)
            if _FileState(path).identity != state.identity:
                self.reason = f"{path} is still being written"
                return False
        except OSError as error:
            self.identity = None
            self.reason = f"{path} cannot be read ({error.strerror})"
            if isinstance(error, FileNotFoundError):
                self.reason = f"{path} does not exist"
            return False
        self.reason = f"{path} is not complete ({size} bytes)"
        return is_usable

    def _is_copied(self, file: "BinaryIO", path: str) -> bool:
        """Copy an open file; returns whether the copy can be used as well: the file may change meanwhile."""
        file.seek(0)
        with open(path, "wb+") as copy:
            shutil.copyfileobj(file, copy, _COPY_SIZE)
            copy.flush()
            return self._is_usable(copy)

    def _note(self, identity: object) -> None:
        if identity != self.identity:
            self.identity = identity
            self._unchanged_since_s = time.monotonic()

    def _is_settled(self, state: _FileState) -> bool:
        """Whether nobody has written the file for a while: by its time, which may be wrong, or as seen here."""
        return time.time() - state.written_s >= SETTLED_S or time.monotonic() - self._unchanged_since_s >= SETTLED_S

    def _is_usable(self, file: "BinaryIO") -> bool:
        """Whether it is a complete library, or something that will never be one, such as a text.

        A file that begins with zeros may be a library that is written from its end.
        """
        state = self._library.inspect(file)
        if state is LibraryState.COMPLETE:
            return True
        file.seek(0)
        has_start = bool(file.read(4).strip(b"\0"))
        return (
            has_start
            and state is LibraryState.UNKNOWN_FORMAT
            and time.monotonic() - self._unchanged_since_s >= UNKNOWN_FORMAT_S
        )
