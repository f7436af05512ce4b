"""The crate `faas-function`, which functions in Rust use: where it is installed, and copies of it in projects.

A copy has the files that cargo would publish. It is made beside its place and then moved there, so no copy is half of
one version and half of another.
"""

import os
import re
import shutil
import tempfile
from contextlib import suppress

NAME = "faas-function"
PUBLISHED = ("Cargo.toml", "LICENSE", "README.md", "rustfmt.toml", "src")
_MANIFEST = re.compile(r'(?m)^name = "faas-function"\r?\nversion = "([^"\n]+)"')


def find_crate() -> str:
    """The crate's folder; empty if this installation has none. A checkout has it outside of the package."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for folder in (os.path.join(package, "recipes", NAME), os.path.join(package, "..", "crate")):
        if version_of(folder):
            return os.path.normpath(folder)
    return ""


def version_of(folder: str) -> str:
    """The version of the crate in a folder; empty if it is not there."""
    with suppress(OSError, UnicodeDecodeError):
        with open(os.path.join(folder, "Cargo.toml"), encoding="utf-8", newline="") as file:
            found = _MANIFEST.search(file.read())
        return found.group(1) if found else ""
    return ""


def put_copy(crate: str, target: str) -> None:
    """Put a copy of the crate at a path, in the place of one that is there. Raises OSError.

    A process that is killed here leaves its scratch folder, which the next one removes.
    """
    parent = os.path.dirname(os.path.abspath(target))
    os.makedirs(parent, exist_ok=True)
    for name in os.listdir(parent):
        if name.startswith(f".{NAME}-"):
            shutil.rmtree(os.path.join(parent, name), ignore_errors=True)
    scratch = tempfile.mkdtemp(prefix=f".{NAME}-", dir=parent)
    made, old = os.path.join(scratch, "new"), os.path.join(scratch, "old")
    try:
        os.mkdir(made)
        for name in PUBLISHED:
            _copy(os.path.join(crate, name), os.path.join(made, name))
        if os.path.lexists(target):
            os.rename(target, old)
        try:
            os.rename(made, target)
        except BaseException:  # also a signal: the old copy is nowhere else
            if os.path.lexists(old) and not os.path.lexists(target):
                os.rename(old, target)
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def is_same(crate: str, copy: str) -> bool:
    """Whether a copy has the same files with the same bytes, and no others."""
    return _files(copy, os.listdir(copy)) == _files(crate, PUBLISHED)


def _copy(source: str, target: str) -> None:
    """Copy files and folders, but not their modes: those of an installation may be read-only."""
    if not os.path.isdir(source):
        shutil.copyfile(source, target)
        return
    os.mkdir(target)
    for name in sorted(os.listdir(source)):
        _copy(os.path.join(source, name), os.path.join(target, name))


def _files(folder: str, names: "tuple[str, ...] | list[str]") -> "dict[str, bytes]":
    found = {}
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            found.update({f"{name}/{inner}": data for inner, data in _files(path, os.listdir(path)).items()})
        else:
            with open(path, "rb") as file:
                found[name] = file.read()
    return found
