"""Zip files whose bytes depend on their content alone: sorted, with the modes of Unix, one time, one compression.

Like `ci.core.tars`, they are read into a `FileTree`. Folders have no entries: whoever unpacks a file makes them.
"""

from __future__ import annotations

import datetime as dt
import io
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from ci.core import tars
from ci.core.errors import VerificationError
from ci.core.tars import Entry, FileTree

UNIX = 3  # the system whose modes an entry has (PKWARE's APPNOTE, 4.4.2)
_LEVEL = 9


def pack(tree: Mapping[str, Entry], epoch: int) -> bytes:
    """The bytes of a zip file with the files and links of a tree; `epoch` is the time of each, in seconds.

    The time of an entry has no zone; it is written as UTC. Raises `ValueError` for a time before 1980.
    """
    buffer = io.BytesIO()
    time = dt.datetime.fromtimestamp(epoch, dt.UTC)
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, entry in sorted(tree.items()):
            if entry.kind == tarfile.DIRTYPE:
                continue
            info = zipfile.ZipInfo(name, (time.year, time.month, time.day, time.hour, time.minute, time.second))
            info.create_system = UNIX
            is_link = entry.kind == tarfile.SYMTYPE
            info.external_attr = ((stat.S_IFLNK if is_link else stat.S_IFREG) | entry.mode) << 16
            data = entry.target.encode() if is_link else entry.data
            archive.writestr(info, data, zipfile.ZIP_DEFLATED, _LEVEL)
    return buffer.getvalue()


def read(path: Path) -> FileTree:
    """The files and links of a zip file. Raises `VerificationError` for a file that is damaged or no zip file."""
    content = io.BytesIO(path.read_bytes())
    try:
        with zipfile.ZipFile(content) as archive:
            return {info.filename: _entry(info, archive.read(info)) for info in archive.infolist() if not info.is_dir()}
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError, zlib.error) as error:
        raise VerificationError(f"{path.name}: no zip file, or damaged: {error}") from error


def _entry(info: zipfile.ZipInfo, data: bytes) -> Entry:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return tars.link(data.decode())
    return tars.file(data, stat.S_IMODE(mode))
