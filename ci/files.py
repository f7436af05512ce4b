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
    """Unpack a tarball. What leads out of the folder, and devices, are refused with `tarfile.TarError`."""
    with tarfile.open(archive) as opened:
        # Debian 12's Python 3.11.2 has no filters yet.
        if hasattr(tarfile, "data_filter"):
            opened.extractall(folder, filter="data")
        else:
            opened.extractall(folder, members=_harmless(opened, folder.resolve()))  # noqa: S202


def _harmless(archive: tarfile.TarFile, root: Path) -> Iterator[tarfile.TarInfo]:
    """The members, each looked at when those before it are unpacked: a link among them may lead the next one out."""
    for member in archive:
        name = Path(member.name)
        if name.is_absolute() or ".." in name.parts:
            raise tarfile.TarError(f"{member.name}: leads out of the folder")
        if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
            raise tarfile.TarError(f"{member.name}: is neither a file, nor a folder, nor a link")
        reached = [root / name]
        if member.issym():
            reached.append(root / name.parent / member.linkname)
        elif member.islnk():
            reached.append(root / member.linkname)
        if any(Path(member.linkname).is_absolute() for _ in reached[1:]):
            raise tarfile.TarError(f"{member.name}: is a link to an absolute path")
        if not all(path.resolve().is_relative_to(root) for path in reached):
            raise tarfile.TarError(f"{member.name}: leads out of the folder")
        yield member
