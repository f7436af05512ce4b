"""A layer in a Debian root without any Python, unpacked below /opt, as Lambda does with a layer."""

from __future__ import annotations

import shutil
from pathlib import PurePosixPath

from ci.core import tars, zips
from ci.images.lambda_layer import BOOTSTRAP, FOLDER
from ci.verify.check import Check
from ci.verify.in_root import Root

_OPT = "opt"
COMMAND = f"/{_OPT}/{BOOTSTRAP}"
PAYLOAD = f"/{_OPT}/{FOLDER}/usr/lib/faas-runtime"
_PYTHON = ("usr/bin/python*", "usr/lib/python*", "usr/lib/*-linux-gnu/libpython*")


def prepare(root: Root) -> None:
    """Make the root like Lambda's system: with an /opt, and without an interpreter and its standard library."""
    (root.folder / _OPT).mkdir(exist_ok=True)
    for pattern in _PYTHON:
        for path in root.folder.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def unpack(check: Check, root: Root) -> None:
    """Unpack the layer."""
    check.run("bsdtar", "-xf", check.path, "-C", root.folder / _OPT)


def entries_of(check: Check) -> set[str]:
    """The paths of all files and folders that come out of the layer, without the first slash."""
    return {str(PurePosixPath(_OPT, name)) for name in tars.with_parents(zips.read(check.path))}


def remove(root: Root) -> None:
    """Remove what was unpacked, and only that."""
    (root.folder / COMMAND.lstrip("/")).unlink()
    shutil.rmtree(root.folder / _OPT / FOLDER)
