"""Zip files whose bytes depend on their content alone: sorted, with the modes of Unix, one time, one compression.

Like `ci.core.tars`, they are read into a `FileTree`. Folders have no entries: whoever unpacks a file makes them. The
standard library reads them. It does not write them, as it would compress with the zlib of the host, whose result
differs from one host to the next. Names and numbers of sections are those of PKWARE's APPNOTE 6.3.10.
"""

from __future__ import annotations

import datetime as dt
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from ci.core import tars
from ci.core.compression import SMALL, deflate
from ci.core.errors import VerificationError
from ci.core.tars import Entry, FileTree

UNIX = 3  # the system whose modes an entry has (4.4.2.2)
_VERSION = 20  # of the format: 2.0 has deflation (4.4.3.2)
_DEFLATED = 8  # 4.4.5
_IS_UTF8 = 0x800  # bit 11: the name is in UTF-8 (4.4.4)
_FIELDS = struct.Struct("<HHHHHLLLHH")  # what both headers of an entry have: version needed to length of extra field
_LOCAL = b"PK\3\4"  # 4.3.7
_CENTRAL, _CENTRAL_FIELDS = b"PK\1\2", struct.Struct("<HHHLL")  # 4.3.12: length of the comment to offset
_END, _END_FIELDS = b"PK\5\6", struct.Struct("<HHHHLLH")  # 4.3.16
_MOST_ENTRIES, _MOST_BYTES = 0xFFFF, 0xFFFFFFFF  # larger ones need ZIP64 (4.4.1.4)
_LONGEST_NAME = 0xFFFF  # bytes (4.4.10)


def pack(tree: Mapping[str, Entry], epoch: int) -> bytes:
    """The bytes of a zip file with the files and links of a tree, sorted by their paths; see `write`."""
    return write(sorted((name, entry) for name, entry in tree.items() if entry.kind != tarfile.DIRTYPE), epoch)


def write(entries: Sequence[tuple[str, Entry]], epoch: int) -> bytes:
    """The bytes of a zip file with files and links in this order; `epoch` is the time of each, in seconds.

    The time of an entry has no zone; it is written as UTC. Raises `ValueError` for a time before 1980 or after 2107,
    for other kinds of entries, for names that are too long, and for what is too large for the format without ZIP64.
    """
    time = _dos_time(epoch)
    content, directory = bytearray(), bytearray()
    for name, entry in entries:
        if entry.kind not in (tarfile.REGTYPE, tarfile.SYMTYPE):
            raise ValueError(f"{name}: neither a file nor a symbolic link")
        is_link = entry.kind == tarfile.SYMTYPE
        data = entry.target.encode() if is_link else entry.data
        packed, encoded = deflate(data, SMALL), name.encode()
        flags = 0 if name.isascii() else _IS_UTF8
        sizes = zlib.crc32(data), len(packed), len(data), len(encoded), 0
        if len(encoded) > _LONGEST_NAME:
            raise ValueError(f"{name[:80]}…: the name is too long for a zip file")
        if max(sizes[1:3]) > _MOST_BYTES:
            raise ValueError(f"{name}: too large for a zip file without ZIP64")
        fields = _FIELDS.pack(_VERSION, flags, _DEFLATED, *time, *sizes)
        mode = (stat.S_IFLNK if is_link else stat.S_IFREG) | entry.mode
        place = _CENTRAL_FIELDS.pack(0, 0, 0, mode << 16, len(content))
        directory += _CENTRAL + bytes((_VERSION, UNIX)) + fields + place + encoded
        content += _LOCAL + fields + encoded + packed
        if len(content) > _MOST_BYTES:
            raise ValueError(f"{name}: too large for a zip file without ZIP64")
    if len(entries) > _MOST_ENTRIES:
        raise ValueError(f"{len(entries)} files: too many for a zip file without ZIP64")
    end = _END_FIELDS.pack(0, 0, len(entries), len(entries), len(directory), len(content), 0)
    return bytes(content + directory + _END + end)


def _dos_time(epoch: int) -> tuple[int, int]:
    """The time and the date of an entry (4.4.6)."""
    time = dt.datetime.fromtimestamp(epoch, dt.UTC)
    if not 1980 <= time.year <= 2107:
        raise ValueError(f"a zip file cannot have the year {time.year}: it has 1980 to 2107")
    return (
        time.hour << 11 | time.minute << 5 | time.second // 2,
        (time.year - 1980) << 9 | time.month << 5 | time.day,
    )


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
