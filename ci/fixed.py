"""Folders at a constant path, for tools that write the path they work at into what they make.

rpmbuild writes it into the source package's header, makepkg into `.BUILDINFO`: from a checkout somewhere else, or of
another user, the same release would come out with other bytes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ci.errors import BusyError, HostError
from ci.files import fresh_folder
from ci.run import Children, Runner

BASE = Path("/var/tmp/faas-runtime-build")  # noqa: S108 (private and checked to be: see _own_base)
_WAIT_SECONDS = 300


@contextmanager
def fixed_folder(job: str, run: Runner) -> Iterator[tuple[Path, Runner]]:
    """Yield the constant folder of a job, empty and for this process alone, and the runner to use in it.

    Another checkout may build the same job at the same time: then this one waits for it. Programs that the runner
    starts hold the lock too, so that those of a killed run end before the next one empties the folder. The folder is
    left as it is if the job fails, for whoever looks into the failure.
    """
    _own_base()
    descriptor = os.open(BASE / f"{job}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        _acquire(descriptor, job, run.children)
        folder = fresh_folder(BASE / job)
        folder.chmod(0o755)
        yield folder, replace(run, keep_open=(*run.keep_open, descriptor))
        shutil.rmtree(folder)
    finally:
        os.close(descriptor)


def _own_base() -> None:
    """Make the parent of all fixed folders, or see that nobody else can write to it: anyone may write to /var/tmp."""
    try:
        BASE.mkdir(mode=0o755, exist_ok=True)
        found = BASE.lstat()
    except OSError as error:
        raise HostError(f"{BASE}: cannot be made: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise HostError(f"{BASE} is not a folder", hint="remove it, if it is yours to remove")
    if found.st_uid != os.geteuid():
        raise HostError(
            f"{BASE} belongs to user {found.st_uid}, not to {os.geteuid()}; packages are built there, at the same path "
            "for everyone, so that they come out the same",
            hint="build as that user, or have the folder removed",
        )
    if found.st_mode & 0o022:
        raise HostError(f"{BASE} can be written by others", hint=f"chmod go-w {BASE}")


def _acquire(descriptor: int, job: str, children: Children) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if children.ended:
                raise BusyError(f"interrupted while waiting for another build of {job}") from None
            if time.monotonic() > deadline:
                raise BusyError(
                    f"another build of {job} has been at work in {BASE / job} for {_WAIT_SECONDS} seconds",
                    hint="wait for it to end, then run the same command again",
                ) from None
            time.sleep(0.1)
        else:
            return
