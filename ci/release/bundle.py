"""One archive of a finished set and of what it was made from, for machines without a network: `nox -s bundle`.

It is a plain tar file with `release/`, `inputs/` and, as its first member, `bundle.json`, which lists every file with
its size and its sha256. The same files give the same bytes. The archive itself is not signed: its set is.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ci.core.errors import HostError, UsageError, VerificationError
from ci.core.files import fresh_folder, make_folder, sha256_of
from ci.core.server_words import plain
from ci.core.state import read_json
from ci.core.tars import DAMAGED
from ci.core.text_lists import read_lines
from ci.manifest.release import Release
from ci.pipeline import stored_inputs

FORMAT = 1
LIST = "bundle.json"
SET = "release"
_SUMS = "SHA256SUMS"
_SIGNED = (_SUMS, f"{_SUMS}.asc")
_LARGEST_LIST = 16_000_000
_CHUNK = 1 << 20
_LARGEST_FILE = 1 << 62
# What file systems take: bytes of a name, and of a path that a folder comes before.
_LONGEST_NAME, _LONGEST_PATH = 255, 1024
_FETCH = "fetch it again"
_WHOLE_SET = "take the whole set, as `nox -s release` made it"
_LINE = re.compile(r"([0-9a-f]{64})  (\S[^\n]*)")


@dataclass(frozen=True, kw_only=True)
class BundledFile:
    """A file of a bundle: its path in the archive, its size in bytes, its sha256."""

    path: str
    size: int
    sha256: str


def name(release: Release) -> str:
    """The file name of the bundle of a release."""
    return f"{release.name}-{release.version}-bundle.tar"


def write(dist: Path, release: Release) -> Path:
    """Write the bundle of `dist/release` and `dist/inputs` into `dist/`, whole or not at all; returns its path.

    Raises `UsageError` without a finished set, and `VerificationError` if its files are not those of its SHA256SUMS.
    """
    sources = {f"{SET}/{path}": file for path, file in _files(dist / SET)}
    if not {f"{SET}/{one}" for one in _SIGNED} <= set(sources):
        raise UsageError(f"{dist / SET}: there is no finished set", hint="make it first: nox -s release")
    folder = dist / stored_inputs.FOLDER
    sources |= {f"{stored_inputs.FOLDER}/{path}": file for path, file in _files(folder)}
    files = [
        BundledFile(path=path, size=file.stat().st_size, sha256=sha256_of(file))
        for path, file in sorted(sources.items())
    ]
    require_sums(dist / SET, {one.path.removeprefix(f"{SET}/"): one.sha256 for one in files})
    made = read_json(dist / SET / "artifacts.json")
    if not isinstance(made, dict) or made.get("version") != str(release.version):
        raise UsageError(f"{dist / SET}: it is the set of another version", hint="make it again: nox -s release")
    document = {
        "format": FORMAT,
        "name": release.name,
        "version": str(release.version),
        "files": [asdict(one) for one in files],
    }
    target = dist / name(release)
    part = target.with_name(f".{target.name}.part")
    try:
        with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as archive:
            listed = json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"
            _add(archive, LIST, io.BytesIO(listed), len(listed), release.epoch)
            for one in files:
                with sources[one.path].open("rb") as content:
                    _add(archive, one.path, content, one.size, release.epoch)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise VerificationError(f"{path}: it is neither a file nor a folder", hint="remove it")
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def require_sums(folder: Path, found: Mapping[str, str]) -> None:
    """Compare the hashes of a set's files with its SHA256SUMS; `VerificationError` names each that is another."""
    faults = [
        f"{path}: {'other bytes than listed' if path in found else 'it is missing'}"
        for path, sha256 in read_sums(folder).items()
        if found.get(path) != sha256
    ]
    if faults:
        raise VerificationError("\n".join(faults), hint=_WHOLE_SET)


def read_sums(folder: Path) -> dict[str, str]:
    """From the names of a set's files to the sha256 that its SHA256SUMS has."""
    found = {}
    for line in read_lines(folder / _SUMS, _WHOLE_SET):
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise VerificationError(f"{folder / _SUMS}: {line!a} is not a line of sha256sum", hint=_WHOLE_SET)
        found[parts[2]] = parts[1]
    return found


def _add(archive: tarfile.TarFile, path: str, content: IO[bytes], size: int, epoch: int) -> None:
    info = tarfile.TarInfo(path)
    info.size, info.mtime, info.mode = size, epoch, 0o644
    archive.addfile(info, content)


def unpack(archive: Path, folder: Path) -> list[BundledFile]:
    """Unpack a bundle into a new folder, whole or not at all; returns what it has.

    Names, sizes and hashes are data that somebody sent: `VerificationError` if a file is not exactly as listed, if one
    is missing or was added, or if a name leads out of the folder. `UsageError` if the folder holds something already.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise UsageError(f"{folder}: there is something already", hint="name a folder that does not exist")
    make_folder(folder.parent)
    part = fresh_folder(folder.with_name(f".{folder.name}.part"))
    try:
        try:
            with tarfile.open(archive, "r:") as opened:
                files = _unpack(opened, part, archive)
        except DAMAGED as error:
            why = plain(str(error)) or type(error).__name__
            raise VerificationError(f"{archive}: it is not a whole bundle: {why}", hint=_FETCH) from error
        if folder.exists():
            folder.rmdir()
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return files


def _unpack(opened: tarfile.TarFile, folder: Path, archive: Path) -> list[BundledFile]:
    files, listed = _read_list(opened, archive)
    needed, free = sum(one.size for one in files), shutil.disk_usage(folder).free
    if needed > free:
        raise HostError(
            f"{folder}: {free / 1e6:.0f} MB are free, {needed / 1e6:.0f} MB are needed", hint="make room there"
        )
    for one in files:
        info = opened.next()
        if info is None or (info.name, info.size) != (one.path, one.size) or info.type != tarfile.REGTYPE:
            raise VerificationError(
                f"{archive}: {one.path} is listed with {one.size} bytes, and "
                f"{'nothing' if info is None else f'{info.name!a} with {info.size} bytes'} is in its place",
                hint=_FETCH,
            )
        content = opened.extractfile(info)
        assert content is not None
        _write(folder / one.path, content, one, archive)
    if (info := opened.next()) is not None:
        raise VerificationError(f"{archive}: {info.name!a} is in it, and not listed", hint=_FETCH)
    (folder / LIST).write_bytes(listed)
    return files


def _write(path: Path, content: IO[bytes], one: BundledFile, archive: Path) -> None:
    make_folder(path.parent)
    digest = hashlib.sha256()
    with path.open("xb") as file:
        while data := content.read(_CHUNK):
            digest.update(data)
            file.write(data)
        os.fchmod(file.fileno(), 0o644)
    if digest.hexdigest() != one.sha256:
        raise VerificationError(f"{archive}: {one.path}: other bytes than listed", hint=_FETCH)


def _read_list(opened: tarfile.TarFile, archive: Path) -> tuple[list[BundledFile], bytes]:
    info = opened.next()
    content = opened.extractfile(info) if info and info.name == LIST and info.type == tarfile.REGTYPE else None
    if info is None or content is None or not 0 <= info.size <= _LARGEST_LIST:
        raise VerificationError(f"{archive}: it does not begin with {LIST}", hint="name an archive of nox -s bundle")
    try:
        listed = content.read()
        document: dict[str, Any] = json.loads(listed)
        if document["format"] != FORMAT:
            raise ValueError(f"its format is {document['format']!r}, and {FORMAT} is known")
        files = [_file(entry) for entry in document["files"]]
        _require_apart(files)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise VerificationError(f"{archive}: {LIST} cannot be read: {plain(str(error))}", hint=_FETCH) from error
    return files, listed


def _require_apart(files: list[BundledFile]) -> None:
    """Raise `ValueError` if two files cannot lie side by side, also where upper and lower case are the same."""
    paths = {one.path.casefold() for one in files}
    if len(paths) != len(files):
        raise ValueError("it lists a name twice")
    for one in files:
        if any(parent.as_posix() in paths for parent in PurePosixPath(one.path.casefold()).parents):
            raise ValueError(f"it lists {one.path} below another file")


def _file(entry: dict[str, Any]) -> BundledFile:
    one = BundledFile(**entry)
    path = PurePosixPath(one.path)
    harmless = one.path.isprintable() and "\\" not in one.path and str(path) == one.path
    if not harmless or len(path.parts) < 2 or path.parts[0] not in (SET, stored_inputs.FOLDER) or ".." in path.parts:
        raise ValueError(f"{one.path!a} is not the name of a file below {SET}/ or {stored_inputs.FOLDER}/")
    if len(os.fsencode(one.path)) > _LONGEST_PATH or any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts):
        raise ValueError(f"{one.path:.60}...: its name is too long for a file")
    if type(one.size) is not int or not 0 <= one.size < _LARGEST_FILE or not re.fullmatch(r"[0-9a-f]{64}", one.sha256):
        raise ValueError(f"{one.path}: its size or its sha256 cannot be")
    return one


def set_of(folder: Path) -> Path:
    """The folder of the set: the given one, or the one in an unpacked bundle. `UsageError` if it is neither."""
    for place in (folder, folder / SET):
        if (place / _SUMS).is_file():
            return place
    raise UsageError(f"{folder}: there is no {_SUMS}", hint="name dist/release, or an unpacked bundle")
