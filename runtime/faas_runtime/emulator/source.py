"""The library under --watch: has it changed, is it whole, and a private copy of it for each generation.

A compiler may truncate and overwrite the library, unlink and create it, or rename another one over it. Processes that
run the old code never see that: they run copies.
"""

import asyncio
import os
import shutil
import tempfile
import time
from contextlib import suppress

from ..whole import is_library, is_whole

LIMIT_S = 10.0
SETTLED_S = 0.05
"""Nobody writes a file that did not change for so long; programs write theirs without such pauses."""
STRANGE_S = 1.0
"""A file that is no library is taken after so long all the same: the runtime says best what is wrong with it."""
_POLL_S = 0.01
_POLL_LIMIT_S = 0.1


class NotThere(Exception):
    """There is no whole library to load; the text says what there is instead."""


class State:
    """What a file looks like from outside: it was written to, or is another one, if this differs."""

    __slots__ = ("key", "written_s")

    def __init__(self, path: str) -> None:
        """Raises OSError if there is no file."""
        found = os.stat(path)
        self.key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        self.written_s = found.st_mtime_ns / 1e9


class Source:
    """A library that somebody builds again and again."""

    def __init__(self, path: str, limit_s: float = LIMIT_S) -> None:
        """Nothing is looked at yet: the first call of `changed` says True. `limit_s`: how long `copy` waits."""
        self.path = path
        self._limit_s = limit_s
        self._copied: object = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._copies = 0

    def changed(self) -> bool:
        """Whether it is another file than the one that was copied last, or not there; costs one stat."""
        try:
            return State(self.path).key != self._copied
        except OSError:
            return True

    async def copy(self) -> str:
        """Wait until the library is there, whole and settled; returns the path of a copy with the same file name.

        Raises `NotThere` when the time is up. Who cancels it has nothing to tidy up.
        """
        over = time.monotonic() + self._limit_s
        wait = _Wait(self.path)
        pause = _POLL_S
        while True:
            data = wait.look()
            if data is not None:
                path = self._store(data)
                self._copied = wait.key
                return path
            if time.monotonic() >= over:
                raise NotThere(f"{wait.reason} after {self._limit_s:g} s; build it again, and invoke again")
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, _POLL_LIMIT_S)

    def discard(self, path: str) -> None:
        """Remove a copy: its last process has ended. Where it is still in use and cannot be, `close` does."""
        shutil.rmtree(os.path.dirname(path), ignore_errors=True)

    def close(self) -> None:
        """Remove all copies."""
        if self._folder is not None:
            folder, self._folder = self._folder, None
            shutil.rmtree(folder.name, ignore_errors=True)
            with suppress(OSError):  # Windows keeps a library that somebody has opened, such as a scanner for viruses
                folder.cleanup()

    def _store(self, data: bytes) -> str:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="faas-runtime-")
        self._copies += 1
        folder = os.path.join(self._folder.name, str(self._copies))
        os.mkdir(folder, 0o700)
        path = os.path.join(folder, os.path.basename(self.path))
        with open(path, "wb") as file:
            file.write(data)
        return path


class _Wait:
    """Looks at the file again and again, until it is fit to be loaded."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.key: object = None
        self.since_s = 0.0
        self.reason = ""

    def look(self) -> "bytes | None":
        """The library's bytes, or None with the reason why not; what was read is what was checked."""
        try:
            state = State(self.path)
            self._seen(state.key)
            if not self._is_settled(state):
                self.reason = f"{self.path} is still being written"
                return None
            with open(self.path, "rb") as file:
                data = file.read()
            if State(self.path).key != state.key:
                self.reason = f"{self.path} is still being written"
                return None
        except OSError as error:
            self.key = None
            self.reason = f"{self.path} cannot be read ({error.strerror})"
            if isinstance(error, FileNotFoundError):
                self.reason = f"{self.path} is not there"
            return None
        if is_whole(data) or self._is_strange(data):
            return data
        self.reason = f"{self.path} is not whole ({len(data)} bytes)"
        return None

    def _seen(self, key: object) -> None:
        if key != self.key:
            self.key = key
            self.since_s = time.monotonic()

    def _is_settled(self, state: State) -> bool:
        """Not written for a while: by its own time, which may be in the future, or as it was watched here."""
        return time.time() - state.written_s >= SETTLED_S or time.monotonic() - self.since_s >= SETTLED_S

    def _is_strange(self, data: bytes) -> bool:
        """A file of text, say: it will never be whole."""
        started = data[:4].strip(b"\0")
        return bool(started) and not is_library(data) and time.monotonic() - self.since_s >= STRANGE_S
