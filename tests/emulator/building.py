"""Builds of a function, one after the other, in all the ways in which compilers write a library."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from tests.emulator.support import FUNCTIONS
from tests.runtime.support import SUFFIX, compile_c

_MARK = b"VERSION=%04d"


class Builder:
    """Has a folder of libraries that are built already: the function version.c in any version."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        options = ("-std=gnu99", "-shared", "-fPIC")
        self._built = compile_c(FUNCTIONS / "version.c", folder / f"version{SUFFIX}", *options).read_bytes()
        self.broken = compile_c(FUNCTIONS / "version.c", folder / f"broken{SUFFIX}", *options, "-DBROKEN")
        """One that cannot be loaded."""
        assert self._built.count(_MARK % 1) == 2

    def version(self, number: int) -> Path:
        """The library of a version."""
        path = self._folder / f"version-{number}{SUFFIX}"
        if not path.exists():
            path.write_bytes(self._built.replace(_MARK % 1, _MARK % number))
        return path


def overwrite(built: Path, library: Path) -> None:
    shutil.copyfile(built, library)


def trickle(built: Path, library: Path) -> None:
    """With pauses that are longer than the time in which a file counts as settled."""
    data = built.read_bytes()
    size = len(data) // 4 + 1
    with library.open("wb", buffering=0) as file:
        for start in range(0, len(data), size):
            file.write(data[start : start + size])
            time.sleep(0.06)


def unlink_and_create(built: Path, library: Path) -> None:
    library.unlink()
    time.sleep(0.02)
    shutil.copyfile(built, library)


def rename(built: Path, library: Path) -> None:
    beside = library.with_suffix(".new")
    shutil.copyfile(built, beside)
    beside.replace(library)


def rename_older(built: Path, library: Path) -> None:
    """As from an archive, or from a cache of builds."""
    beside = library.with_suffix(".new")
    shutil.copyfile(built, beside)
    os.utime(beside, (1e9, 1e9))
    beside.replace(library)


WAYS = (overwrite, trickle, unlink_and_create, rename, rename_older)
