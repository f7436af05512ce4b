"""The parts of an RPM file: the signature, and what it signs, which is the header and the payload.

The format is described in https://rpm-software-management.github.io/rpm/manual/format_v4.html: a lead of 96 bytes, the
signature (a header of its own, padded to 8 bytes), the header, the payload. Signing changes the lead and the signature
alone. So the signature of one file fits to another file whose header and payload are the same.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_LEAD = struct.Struct(">4s92x")
_LEAD_MAGIC = b"\xed\xab\xee\xdb"
_INTRODUCTION = struct.Struct(">4s4xII")  # magic, number of entries, bytes of data
_HEADER_MAGIC = b"\x8e\xad\xe8\x01"
_ENTRY = struct.Struct(">IIII")  # tag, type, offset, count
_LARGEST_HEADER = 256 << 20  # rpm's own limit
# DSAHEADER (Ed25519 lies there too), RSAHEADER, OPENPGP; PGP and GPG of the header and the payload together.
_SIGNATURES = {267, 268, 278, 1002, 1005}


@dataclass(frozen=True, kw_only=True)
class SignedDigests:
    """The SHA-256 of the two parts of an RPM that a signature is about, in hexadecimal."""

    header: str
    payload: str


def signed_parts(path: Path) -> SignedDigests:
    """The hashes of header and payload. A file that is not an RPM raises `ValueError`, as all functions here do."""
    with path.open("rb") as file:
        _read_front(file)
        header, _ = _read_header(file)
        return SignedDigests(
            header=hashlib.sha256(header).hexdigest(), payload=hashlib.file_digest(file, "sha256").hexdigest()
        )


def is_signed(path: Path) -> bool:
    """Whether there is a signature, of whatever key. Of the file, only the beginning needs to be there."""
    with path.open("rb") as file:
        _, tags = _read_front(file)
    return not _SIGNATURES.isdisjoint(tags)


def front(path: Path) -> bytes:
    """Lead and signature: all that is in front of what is signed."""
    with path.open("rb") as file:
        return _read_front(file)[0]


def with_front(package: Path, new_front: bytes, out: Path) -> None:
    """Write an RPM with the lead and the signature of another one, from `front`."""
    with package.open("rb") as file, out.open("wb") as target:
        _read_front(file)
        target.write(new_front)
        shutil.copyfileobj(file, target)


def _read_front(file: BinaryIO) -> tuple[bytes, set[int]]:
    """Lead and signature with its padding, and the tags of the signature."""
    lead = file.read(_LEAD.size)
    if len(lead) != _LEAD.size or _LEAD.unpack(lead)[0] != _LEAD_MAGIC:
        raise ValueError(f"{file.name}: it is not an RPM")
    signature, tags = _read_header(file)
    padding = file.read(-len(signature) % 8)
    return lead + signature + padding, tags


def _read_header(file: BinaryIO) -> tuple[bytes, set[int]]:
    """A header as it is in the file, and its tags."""
    introduction = file.read(_INTRODUCTION.size)
    if len(introduction) != _INTRODUCTION.size:
        raise ValueError(f"{file.name}: it ends within an RPM's header")
    magic, count, size = _INTRODUCTION.unpack(introduction)
    if magic != _HEADER_MAGIC or count * _ENTRY.size + size > _LARGEST_HEADER:
        raise ValueError(f"{file.name}: it has no header of an RPM at byte {file.tell() - _INTRODUCTION.size}")
    index, data = file.read(count * _ENTRY.size), file.read(size)
    if len(index) + len(data) != count * _ENTRY.size + size:
        raise ValueError(f"{file.name}: it ends within an RPM's header")
    return introduction + index + data, {tag for tag, *_ in _ENTRY.iter_unpack(index)}
