"""The SBOM inside the wheel, by PEP 770: `NAME-VERSION.dist-info/sboms/NAME.cdx.json`, which pip installs with it.

It lists the other files of the wheel. RECORD is not among them, since that has the hash of the SBOM. flit has no
setting for it, so the wheel is written anew, with the same files in the same order. That also makes its bytes
independent of the zlib of the host.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

from ci.core import tars, zips
from ci.core.errors import VerificationError
from ci.core.tars import Entry
from ci.sboms import contents, cyclonedx
from ci.sboms.model import Publisher


def path_in(info: str, name: str) -> str:
    """The path of the SBOM in a wheel, by the name of its folder of metadata and of the project."""
    return f"{info}/sboms/{name}.cdx.json"


def document(files: Mapping[str, bytes], publisher: Publisher) -> bytes:
    """The SBOM of a wheel with these files, without RECORD and the SBOM itself."""
    return cyclonedx.write(contents.of_wheel(files), publisher)


def add(wheel: Path, name: str, publisher: Publisher) -> None:
    """Add the SBOM to a wheel that has none, and its line to RECORD."""
    with zipfile.ZipFile(wheel) as archive:
        files = {member: archive.read(member) for member in archive.infolist()}
    *others, record = files
    info = record.filename.removesuffix("/RECORD")
    if info == record.filename:
        raise VerificationError(f"{wheel.name}: RECORD is not the last file of the wheel")
    path = path_in(info, name)
    data = document({member.filename: files[member] for member in others}, publisher)
    lines = files[record].decode().splitlines(keepends=True)
    lines.insert(-1, _line(path, data, lines[-1]))
    files[record] = "".join(lines).encode()
    entries = [(member.filename, _entry(member, files[member])) for member in others]
    entries += (path, _entry(record, data)), (record.filename, _entry(record, files[record]))
    wheel.write_bytes(zips.write(entries, int(dt.datetime(*record.date_time, tzinfo=dt.UTC).timestamp())))


def _entry(member: zipfile.ZipInfo, data: bytes) -> Entry:
    return tars.file(data, stat.S_IMODE(member.external_attr >> 16))


def _line(path: str, data: bytes, other: str) -> str:
    """A line of RECORD, with the end that another line has."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    end = other[len(other.rstrip("\r\n")) :]
    return f"{path},sha256={digest},{len(data)}{end}"
