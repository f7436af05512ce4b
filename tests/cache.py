"""Where the tests keep what is expensive to make, such as roots of Debian, from one run to the next."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CACHE = Path(__file__).resolve().parent.parent / "dist" / ".cache" / "tests"


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Let one of the processes that run the tests do something at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def key_of(*parts: str | bytes | Path) -> str:
    """A short hash of texts, of bytes, and of the bytes of files."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        digest.update(b"%d\0" % len(data) + data)
    return digest.hexdigest()[:16]


def kept(name: str, key: str, make: Callable[[Path], object]) -> Path:
    """A file or folder that `make` writes to the path it is given, unless it was made before from the same `key`.

    What was made from another key is removed.
    """
    folder = CACHE / name
    made = folder / key
    with lock(name):
        if not made.exists():
            folder.mkdir(exist_ok=True)
            for stale in folder.iterdir():
                remove(stale)
            part = folder / f"{key}.{os.getpid()}.part"
            make(part)
            part.replace(made)
    return made


def remove(path: Path) -> None:
    """Remove a file or a folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def once_per_run(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` fills in the first of a run's processes that asks for it, for all of them to read."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # of the run; each of its processes has a folder in it
    shared = base / "shared"
    shared.mkdir(exist_ok=True)
    folder, done = shared / name, shared / f"{name}.done"
    with (shared / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed to make it
            make(folder)
            done.touch()
    return folder
