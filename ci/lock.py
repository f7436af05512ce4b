"""One run at a time in one `dist/`."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ci.errors import BusyError, HostError

# How long to wait for programs that outlived a killed run: none of the tools takes longer than this to end.
_LEFTOVER_SECONDS = 120


@contextmanager
def exclusive(path: Path, say: Callable[[str], None]) -> Iterator[int]:
    """Hold the lock at `path`; yields its descriptor, which outside programs inherit.

    A second run raises `BusyError` at once. If the holder is gone and only programs that it had started still work,
    wait for them: what they write must not meet what this run writes.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise HostError(
            f"{path.parent}: cannot be written: {error.strerror}", hint="make dist/ writable, or move it away"
        ) from error
    try:
        _acquire(descriptor, path, say)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, say: Callable[[str], None]) -> None:
    deadline = time.monotonic() + _LEFTOVER_SECONDS
    waiting = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            if _is_alive(holder) or time.monotonic() > deadline:
                raise BusyError(
                    f"another run (process {holder or 'unknown'}) works in {path.parent.parent}",
                    hint="wait for it to end, then run the same command again",
                ) from None
            if not waiting:
                say(f"the run of process {holder} was killed; waiting for the programs that it left behind")
                waiting = True
            time.sleep(0.2)
        else:
            return


def _is_alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
