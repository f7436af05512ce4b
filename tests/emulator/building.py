"""Builds a function again and again, in all ways in which compilers write a library."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.emulator.support import EMULATOR_FUNCTIONS
from tests.runtime.support import SUFFIX, compile_c
from tests.waiting import pause

_MARK = b"VERSION=%04d"


class LibraryBuilder:
    """A folder of libraries that are built already: any version of the function version.c."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        options = ("-std=gnu99", "-shared", "-fPIC")
        self._built = compile_c(EMULATOR_FUNCTIONS / "version.c", folder / f"version{SUFFIX}", *options).read_bytes()
        self.broken = compile_c(EMULATOR_FUNCTIONS / "version.c", folder / f"broken{SUFFIX}", *options, "-DBROKEN")
        """A library that cannot be loaded."""
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
    """Write with pauses that are longer than the time after which a file counts as settled."""
    data = built.read_bytes()
    size = len(data) // 4 + 1
    with library.open("wb", buffering=0) as file:
        for start in range(0, len(data), size):
            file.write(data[start : start + size])
            pause(0.06)


def unlink_and_create(built: Path, library: Path) -> None:
    library.unlink()
    pause(0.02)
    shutil.copyfile(built, library)


def rename(built: Path, library: Path) -> None:
    replacement = library.with_suffix(".new")
    shutil.copyfile(built, replacement)
    replacement.replace(library)


def rename_older(built: Path, library: Path) -> None:
    """Rename an older file, as from an archive or from a cache of builds."""
    replacement = library.with_suffix(".new")
    shutil.copyfile(built, replacement)
    os.utime(replacement, (1e9, 1e9))
    replacement.replace(library)


WAYS = (overwrite, trickle, unlink_and_create, rename, rename_older)
