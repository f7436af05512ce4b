"""Tar files whose bytes depend on their content alone: sorted, with numbers as owners, one time and one format."""

from __future__ import annotations

import dataclasses
import gzip
import io
import lzma
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

# The only extended attribute that changes what a file does; the others depend on the machine.
_KEPT_ATTRIBUTE = "SCHILY.xattr.security.capability"

NO_ARCHIVE = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError)
"""What Python's modules for archives and compressed data raise of their own."""
# A header may claim any size, and its values may be any text: `tarfile` believes both, and raises what comes of it.
DAMAGED = (
    *NO_ARCHIVE,
    LookupError,
    ValueError,
    TypeError,
    OverflowError,
    MemoryError,
    RuntimeError,  # of `zipfile`, for what is encrypted or compressed in a way that it does not know
)
"""What Python raises for an archive that it cannot read. `OSError` is not among it: it may be the disk's."""

# As many as Linux follows on the way to a file; more are a circle.
_MOST_LINKS = 40


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A file system entry. `kind` is a type of `tarfile`; `target` is where a link points to."""

    kind: bytes
    mode: int
    target: str = ""
    data: bytes = b""
    uid: int = 0
    gid: int = 0
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)


FileTree = dict[str, Entry]
"""Entries by their path, without a leading or trailing slash."""


def file(data: bytes, mode: int = 0o644) -> Entry:
    """A regular file that belongs to root."""
    return Entry(kind=tarfile.REGTYPE, mode=mode, data=data)


def folder(mode: int = 0o755) -> Entry:
    """A folder that belongs to root."""
    return Entry(kind=tarfile.DIRTYPE, mode=mode)


def link(target: str) -> Entry:
    """A symbolic link."""
    return Entry(kind=tarfile.SYMTYPE, mode=0o777, target=target)


def read(path: Path) -> FileTree:
    """All entries of a tar file, compressed or not; without devices, pipes and the root folder itself."""
    with tarfile.open(path) as archive:
        return dict(_entries(archive))


def read_bytes(data: bytes) -> FileTree:
    """All entries of a tar file in memory."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return dict(_entries(archive))


def _entries(archive: tarfile.TarFile) -> Iterable[tuple[str, Entry]]:
    for info in archive:
        name = clean(info.name)
        if not name or not (info.isfile() or info.isdir() or info.issym() or info.islnk()):
            continue
        content = archive.extractfile(info) if info.isfile() else None
        kept = {key: value for key, value in info.pax_headers.items() if key == _KEPT_ATTRIBUTE}
        yield (
            name,
            Entry(
                kind=tarfile.REGTYPE if info.isfile() else info.type,
                mode=0o777 if info.issym() else info.mode & 0o7777,
                target=clean(info.linkname) if info.islnk() else info.linkname,
                data=content.read() if content else b"",
                uid=info.uid,
                gid=info.gid,
                attributes=kept,
            ),
        )


def clean(name: str) -> str:
    """The path of a member as a `FileTree` has it."""
    return name.removeprefix("./").strip("/") if name != "." else ""


def pack(tree: Mapping[str, Entry], epoch: int) -> bytes:
    """The bytes of a tar file with these entries; `epoch` is the time of change of each, in seconds."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, entry in sorted(tree.items(), key=_order):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.linkname = entry.kind, entry.mode, entry.target
            info.uid, info.gid, info.mtime, info.size = entry.uid, entry.gid, epoch, len(entry.data)
            info.pax_headers = dict(entry.attributes)
            archive.addfile(info, io.BytesIO(entry.data))
    return buffer.getvalue()


def _order(item: tuple[str, Entry]) -> tuple[bool, str]:
    # A hard link must come after the file that it names.
    return item[1].kind == tarfile.LNKTYPE, item[0]


def follow(tree: Mapping[str, Entry], path: str) -> FileTree:
    """The entry at a path and every symbolic link on the way to it; empty if no entry can be reached."""
    found: FileTree = {}
    parts, place = path.strip("/").split("/"), ""
    links = 0
    while parts:
        place = posixpath.normpath(f"/{place}/{parts.pop(0)}").lstrip("/")
        entry = tree.get(place)
        if entry is None and not parts:
            return {}
        if entry is not None and entry.kind == tarfile.SYMTYPE:
            links += 1
            if links > _MOST_LINKS:
                return {}
            found[place] = entry
            target = posixpath.normpath(f"/{posixpath.dirname(place)}/{entry.target}")
            if entry.target.startswith("/"):
                target = entry.target
            parts, place = [*target.strip("/").split("/"), *parts], ""
        elif entry is not None and not parts:
            found[place] = entry
    return found


def with_parents(tree: Mapping[str, Entry]) -> FileTree:
    """The tree with the missing parent folders of its entries."""
    parents = {str(parent) for name in tree for parent in Path(name).parents} - {"."}
    return {**{name: folder() for name in parents}, **tree}
