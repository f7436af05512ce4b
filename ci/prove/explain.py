"""Finds the first difference between two files: member, field and byte, also in archives within archives."""

from __future__ import annotations

import gzip
import io
import struct
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.core.files import tree_files
from ci.core.tars import DAMAGED

_DEEPEST = 5
_CONTEXT = 24
_RPM_LEAD_BYTES = 96
_RPM_HEADER_MAGIC = b"\x8e\xad\xe8\x01"
# The tags of an RPM's header that have differed in practice; rpm(8) has them all.
_RPM_TAGS = {
    1006: "BUILDTIME", 1007: "BUILDHOST", 1011: "VENDOR", 1015: "PACKAGER", 1022: "ARCH", 1028: "FILESIZES",
    1030: "FILEMODES", 1034: "FILEMTIMES", 1035: "FILEDIGESTS", 1039: "FILEUSERNAME", 1040: "FILEGROUPNAME",
    1080: "CHANGELOGTIME", 1117: "BASENAMES", 1118: "DIRNAMES", 1122: "OPTFLAGS", 1124: "PAYLOADFORMAT",
    1125: "PAYLOADCOMPRESSOR", 1132: "PLATFORM", 1094: "COOKIE", 1044: "SOURCERPM", 1064: "RPMVERSION",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a file: what it is called, what is known about it besides its bytes, and the bytes."""

    name: str
    facts: Mapping[str, object]
    data: bytes


def first_difference(first: Path, second: Path) -> str:
    """Where two files or folders begin to differ, in one line; empty if they are the same."""
    if first.is_dir() and second.is_dir():
        return _parts_differ(_folder(first), _folder(second), 0)
    return _differ(first.read_bytes(), second.read_bytes(), 0)


def _differ(first: bytes, second: bytes, depth: int) -> str:
    if first == second:
        return ""
    if depth < _DEEPEST:
        for opened in _READERS:
            parts = [_try(opened, data) for data in (first, second)]
            if parts[0] is not None and parts[1] is not None:
                inside = _parts_differ(parts[0], parts[1], depth + 1)
                return inside or f"{_bytes_differ(first, second)} (what is packed is the same)"
    return _bytes_differ(first, second)


def _try(opened: Callable[[bytes], list[Part] | None], data: bytes) -> list[Part] | None:
    try:
        return opened(data)
    except (OSError, struct.error, *DAMAGED):
        return None


def _parts_differ(first: list[Part], second: list[Part], depth: int) -> str:
    names, others = [part.name for part in first], [part.name for part in second]
    if set(names) != set(others):
        missing, extra = sorted({*names} - {*others}), sorted({*others} - {*names})
        only = [f"only in the {which}: {', '.join(some[:3])}" for which, some in (("first", missing), ("second", extra))
                if some]  # fmt: skip
        return "; ".join(only)
    by_name = {part.name: part for part in second}
    for part in first:
        other = by_name[part.name]
        for key, value in part.facts.items():
            if other.facts.get(key) != value:
                return f"{part.name}: {key}: {value!r} and {other.facts.get(key)!r}"
        if inside := _differ(part.data, other.data, depth):
            return f"{part.name}: {inside}"
    for position, (name, other_name) in enumerate(zip(names, others, strict=False)):
        if name != other_name:
            return f"order: member {position} is {name} and {other_name}"
    return ""


def _bytes_differ(first: bytes, second: bytes) -> str:
    shorter = min(len(first), len(second))
    position = next((i for i in range(shorter) if first[i] != second[i]), shorter)
    start = max(0, position - _CONTEXT)
    shown = [ascii(data[start : position + _CONTEXT])[1:] for data in (first, second)]
    return f"byte {position}: {shown[0]} and {shown[1]}"


def _folder(root: Path) -> list[Part]:
    return [
        Part(
            name=path.relative_to(root).as_posix(),
            facts={"executable": bool(path.stat().st_mode & 0o100)},
            data=path.read_bytes(),
        )
        for path in tree_files(root)
    ]


def _tar(data: bytes) -> list[Part] | None:
    if data[257:262] != b"ustar":
        return None
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        return [_member(archive, info) for info in archive]


def _member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Part:
    content = archive.extractfile(info) if info.isfile() else None
    facts = {
        "type": info.type,
        "mode": f"{info.mode:04o}",
        "owner": f"{info.uid}:{info.gid} {info.uname}:{info.gname}",
        "time": info.mtime,
        "link": info.linkname,
        "attributes": {key: value for key, value in info.pax_headers.items() if key not in ("mtime", "path")},
    }
    return Part(name=_without_digest(info.name), facts=facts, data=content.read() if content else b"")


def _without_digest(name: str) -> str:
    """The name of a blob in an image archive is its digest, which differs whenever its content does."""
    return "blobs/*" if name.startswith("blobs/sha256/") and len(name.rpartition("/")[2]) == 64 else name


def _image(data: bytes) -> list[Part] | None:
    """The blobs of an OCI archive in the order of their kinds: layers come first, which manifests name by digest."""
    parts = _tar(data)
    if parts is None or not any(part.name == "oci-layout" for part in parts):
        return None
    blobs = sorted((part for part in parts if part.name == "blobs/*"), key=lambda part: part.data[:1] == b"{")
    named = [Part(name=f"blob {number}", facts=part.facts, data=part.data) for number, part in enumerate(blobs)]
    return [*named, *(part for part in parts if part.name != "blobs/*")]


def _zip(data: bytes) -> list[Part] | None:
    if not data.startswith(b"PK"):
        return None
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [
            Part(
                name=info.filename,
                facts={"mode": f"{info.external_attr >> 16:o}", "time": info.date_time},
                data=archive.read(info),
            )
            for info in archive.infolist()
        ]


def _gzip(data: bytes) -> list[Part] | None:
    if not data.startswith(b"\x1f\x8b"):
        return None
    facts = {"gzip time": int.from_bytes(data[4:8], "little"), "gzip header": data[:4] + data[8:10]}
    return [Part(name="unpacked", facts=facts, data=gzip.decompress(data))]


def _zstd(data: bytes) -> list[Part] | None:
    if not data.startswith(b"\x28\xb5\x2f\xfd"):
        return None
    # It reads and writes pipes only, so it needs neither a folder nor a log.
    unpacked = subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=False)
    return [Part(name="unpacked", facts={}, data=unpacked.stdout)] if unpacked.returncode == 0 else None


def _rpm(data: bytes) -> list[Part] | None:
    """The header by its tags, then the payload. The signature is left out: it is a hash of both."""
    if not data.startswith(b"\xed\xab\xee\xdb"):
        return None
    _, end = _header(data, _RPM_LEAD_BYTES)
    tags, payload = _header(data, (end + 7) // 8 * 8)
    # What is packed tells more than the digests of it, which are in the header.
    return [Part(name="payload", facts={}, data=data[payload:]), Part(name="header", facts=tags, data=b"")]


def _header(data: bytes, start: int) -> tuple[dict[str, object], int]:
    """The values of the tags of a header, and where it ends: an index, then a store (rpm's file format, version 4)."""
    if data[start : start + 4] != _RPM_HEADER_MAGIC:
        raise ValueError("no header")
    count, size = struct.unpack(">II", data[start + 8 : start + 16])
    store = start + 16 + 16 * count
    entries = sorted(struct.iter_unpack(">IIII", data[start + 16 : store]), key=lambda entry: entry[2])
    ends = [*(entry[2] for entry in entries[1:]), size]
    tags = {
        _RPM_TAGS.get(tag, f"tag {tag}"): data[store + offset : store + until].rstrip(b"\0")
        for (tag, _, offset, _), until in zip(entries, ends, strict=True)
    }
    # These are hashes of the rest.
    digests = ("tag 5092", "tag 5097", "tag 62", "tag 63", "FILEDIGESTS", "tag 5093")
    return {name: value for name, value in tags.items() if name not in digests}, store + size


def _cpio(data: bytes) -> list[Part] | None:
    return list(_cpio_members(data)) if data.startswith((b"070701", b"070702")) else None


def _cpio_members(data: bytes) -> Iterator[Part]:
    """The members of an archive in the "new" format; see cpio(5)."""
    position = 0
    while True:
        fields = [int(data[position + 6 + 8 * i : position + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = data[position + 110 : position + 110 + name_size - 1].decode(errors="replace")
        if name == "TRAILER!!!":
            return
        start = (position + 110 + name_size + 3) // 4 * 4
        facts = {"mode": f"{mode:06o}", "time": fields[5], "owner": f"{fields[2]}:{fields[3]}"}
        yield Part(name=name, facts=facts, data=data[start : start + size])
        position = (start + size + 3) // 4 * 4


_READERS: tuple[Callable[[bytes], list[Part] | None], ...] = (_image, _tar, _zip, _gzip, _zstd, _rpm, _cpio)
