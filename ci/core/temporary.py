"""One folder for all temporary files of a run, the programs' too, which is gone when the run has ended.

Several programs leave files in TMPDIR when they are killed, and some always do.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ci.core.children import is_running
from ci.core.lock import wait_for_lock

_PREFIX = "faas-runtime-run-"


@contextlib.contextmanager
def folder_for_temporary_files() -> Iterator[Path]:
    """Let this process and the programs that it starts put their temporary files into a folder of their own.

    Folders of earlier runs that were killed are removed as well.
    """
    before = os.environ.get("TMPDIR")
    parent = Path(tempfile.gettempdir())
    _remove_stale(parent)
    folder, lock = _new_folder(parent)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = str(parent)
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _new_folder(parent: Path) -> tuple[Path, int]:
    """A new folder, and a descriptor that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
        with contextlib.suppress(BlockingIOError, FileNotFoundError):  # another run has found it before it was locked
            lock = _locked(folder)
            folder.chmod(0o1777)  # as /tmp is: some programs give up the rights of root
            return folder, lock


def _locked(folder: Path) -> int:
    """A descriptor that holds the lock of a folder, where its file system has locks.

    `BlockingIOError` if another process holds it: a run in a container, which may not see the number of that process.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        wait_for_lock(descriptor, 0, _give_up)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        pass  # the number of the process has to do
    return descriptor


def _give_up(_is_late: bool) -> None:
    raise BlockingIOError


def _remove_stale(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        found = re.fullmatch(rf"{_PREFIX}(\d+)-\w+", folder.name)
        with contextlib.suppress(OSError):
            if found and folder.lstat().st_uid == os.geteuid() and not is_running(int(found[1])):
                lock = _locked(folder)
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
