"""Small things about files that several modules need: hashes, whole writes, fresh folders."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

_IGNORED = {"__pycache__", "target", ".pytest_cache", ".mypy_cache", ".ruff_cache"}


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_files(root: Path) -> Iterator[Path]:
    """The files below a folder (or the file itself), sorted, without what tools leave behind."""
    if not root.is_dir():
        yield root
        return
    for folder, names, files in os.walk(root):
        names[:] = sorted(set(names) - _IGNORED)
        for name in sorted(files):
            path = Path(folder, name)
            if path.exists() or not path.is_symlink():  # editors lock files by links that lead nowhere
                yield path


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a whole file or nothing: to a temporary file beside it, then `os.replace`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def fresh_folder(path: Path) -> Path:
    """An empty folder at `path`; what was there goes."""
    if path.exists():
        shutil.rmtree(path)
    path.mkdir(parents=True)
    return path


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tarball of our own making. Where Python knows how to, what leads out of the folder is refused."""
    with tarfile.open(archive) as opened:
        # Debian 12's Python 3.11.2 has no filters yet.
        if hasattr(tarfile, "data_filter"):
            opened.extractall(folder, filter="data")
        else:
            opened.extractall(folder)  # noqa: S202
