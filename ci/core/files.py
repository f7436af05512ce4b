"""Functions about files that several modules need: hashes, atomic writes, folders, unpacking."""

from __future__ import annotations

import errno
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
    """The files below a folder (or the file itself), sorted, without caches of tools."""
    if not root.is_dir():
        yield root
        return
    for folder, names, files in os.walk(root):
        names[:] = sorted(set(names) - _IGNORED)
        for name in sorted(files):
            path = Path(folder, name)
            if path.exists() or not path.is_symlink():  # editors lock files with dangling links
                yield path


def linked_folders(root: Path) -> Iterator[Path]:
    """The symbolic links to folders below a folder, which `tree_files` does not follow, sorted."""
    for folder, names, _ in os.walk(root):
        names[:] = sorted(set(names) - _IGNORED)
        yield from (Path(folder, name) for name in names if Path(folder, name).is_symlink())


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file completely or not at all: to a temporary file in the same folder, then `os.replace`."""
    make_folder(path.parent)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def make_folder(path: Path) -> None:
    """Make a folder and its parents, unless they are there. `NotADirectoryError` has the path of what is in the way."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        in_the_way = next((one for one in (*reversed(path.parents), path) if _is_no_folder(one)), path)
        raise NotADirectoryError(
            errno.ENOTDIR, "this must be a folder, and something else is there", str(in_the_way)
        ) from error


def _is_no_folder(path: Path) -> bool:
    return os.path.lexists(path) and not path.is_dir()


def fresh_folder(path: Path) -> Path:
    """Make an empty folder at `path`, and remove what was there."""
    make_folder(path.parent)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.mkdir()
    return path


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tarball. A member outside the folder, or that is a device, raises `tarfile.TarError`."""
    with tarfile.open(archive) as opened:
        # Debian 12's Python 3.11.2 has no filters yet.
        if hasattr(tarfile, "data_filter"):
            opened.extractall(folder, filter="data")
        else:
            opened.extractall(folder, members=_harmless(opened, folder.resolve()))  # noqa: S202


def _harmless(archive: tarfile.TarFile, root: Path) -> Iterator[tarfile.TarInfo]:
    """The members. Each is checked after the earlier ones are unpacked: a link may lead the next one out."""
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
