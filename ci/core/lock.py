"""Locks on files: one run at a time in one `dist/`, one build at a time in a folder at a constant path."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ci.core.children import is_running
from ci.core.errors import BusyError, HostError, host_error
from ci.core.files import make_folder

# Programs that outlived a killed run: none of the tools takes longer than this to end.
_LEFTOVER_SECONDS = 120.0
_RETRY_SECONDS = 0.1


def wait_for_lock(descriptor: int, seconds: float, while_locked: Callable[[bool], None]) -> None:
    """Lock an open file, and wait while another process has it locked.

    After each failed attempt `while_locked` is called, with True once `seconds` have passed. It gives up by raising.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            return
        while_locked(time.monotonic() > deadline)
        time.sleep(_RETRY_SECONDS)


@contextmanager
def exclusive(path: Path, say: Callable[[str], None]) -> Iterator[int]:
    """Hold the lock at `path`; yields its descriptor, which outside programs inherit.

    A second run raises `BusyError` at once. If the holder has ended and only programs that it had started still run,
    wait for them: they must not write to the files that this run writes.
    """
    try:
        make_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    except NotADirectoryError as error:
        raise host_error(error) from error
    except OSError as error:
        if os.path.lexists(path):
            raise HostError(f"{path}: cannot be locked: {error.strerror}", hint="remove it") from error
        raise HostError(
            f"{path.parent}: cannot be written: {error.strerror}", hint="make it writable, or move it away"
        ) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise HostError(f"{path}: cannot be locked: it is not a regular file", hint="remove it")
        wait_for_lock(descriptor, _LEFTOVER_SECONDS, _leftovers_of(descriptor, path, say))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _leftovers_of(descriptor: int, path: Path, say: Callable[[str], None]) -> Callable[[bool], None]:
    """Make the check that `exclusive` waits with: it raises `BusyError` while the holder itself is alive."""
    announced: set[str] = set()

    def check(is_late: bool) -> None:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        if is_late or (holder.isdecimal() and is_running(int(holder))):
            raise BusyError(
                f"another run (process {holder or 'unknown'}) works in {path.parent.parent}",
                hint="wait for it to end, then run the same command again",
            )
        if holder and not announced:  # it is empty until the process that has just locked the file writes its number
            say(f"the run of process {holder} was killed; waiting for the programs that it left behind")
            announced.add(holder)

    return check
