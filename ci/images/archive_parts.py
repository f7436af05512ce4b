"""Some of the files of an image archive, as a container sees them.

A base is large, and most readers want little of it: this reads the layers once, keeps what is wanted, and checks no
digest. `oci.read_archive` reads all and checks all.
"""

from __future__ import annotations

import gzip
import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ci.core import tars
from ci.core.errors import VerificationError
from ci.core.tars import Entry, FileTree

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"


@dataclass(frozen=True, kw_only=True)
class ArchiveParts:
    """The digest of an image's manifest, its configuration, and the files that were wanted."""

    digest: str
    config: dict[str, Any]
    tree: FileTree


def read(path: Path, wanted: re.Pattern[str]) -> ArchiveParts:
    """Read those files of an image whose whole path fits the pattern. Raises `VerificationError` for another file."""
    try:
        with tarfile.open(path) as archive:
            digest = _digest(archive)
            manifest = json.loads(_blob(archive, digest).read())
            config = json.loads(_blob(archive, manifest["config"]["digest"]).read())
            tree: FileTree = {}
            for layer in manifest["layers"]:
                with gzip.open(_blob(archive, layer["digest"])) as data:
                    _add_layer(tree, data, wanted)
    except tars.DAMAGED as error:
        raise _not_ours(path, error) from error
    return ArchiveParts(digest=digest, config=config, tree=tree)


def digest_of(path: Path) -> str:
    """The digest by which a registry knows what is in an archive: that of the image's manifest, or of the index.

    Raises `VerificationError` for another file.
    """
    try:
        with tarfile.open(path) as archive:
            return _digest(archive)
    except tars.DAMAGED as error:
        raise _not_ours(path, error) from error


def _digest(archive: tarfile.TarFile) -> str:
    return str(json.loads(_member(archive, "index.json").read())["manifests"][0]["digest"])


def _not_ours(path: Path, error: Exception) -> VerificationError:
    return VerificationError(f"{path.name}: not an archive that this tooling makes: {error!r}")


def _blob(archive: tarfile.TarFile, digest: str) -> IO[bytes]:
    return _member(archive, f"blobs/{digest.replace(':', '/')}")


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(name)
    if found is None:
        raise ValueError(f"{name} is not a file")
    return found


def _add_layer(tree: FileTree, data: gzip.GzipFile, wanted: re.Pattern[str]) -> None:
    """Put a layer over the tree. What it removes, it removes from the layers below, not from itself."""
    above: FileTree = {}
    with tarfile.open(fileobj=data, mode="r|") as layer:
        for info in layer:
            name = tars.clean(info.name)
            parent, _, last = name.rpartition("/")
            if last == _OPAQUE:
                _forget(tree, parent)
            elif last.startswith(_WHITEOUT):
                removed = f"{parent}/{last.removeprefix(_WHITEOUT)}".lstrip("/")
                tree.pop(removed, None)
                _forget(tree, removed)
            elif wanted.fullmatch(name) and (info.isfile() or info.issym() or info.islnk()):
                content = layer.extractfile(info) if info.isfile() else None
                above[name] = _entry(info, content.read() if content else b"", above)
    tree.update(above)


def _entry(info: tarfile.TarInfo, data: bytes, above: FileTree) -> Entry:
    if info.issym():
        return tars.link(info.linkname)
    linked = above.get(tars.clean(info.linkname)) if info.islnk() else None
    return tars.file(linked.data if linked else data, info.mode & 0o7777)


def _forget(tree: FileTree, folder: str) -> None:
    for path in [path for path in tree if path.startswith(f"{folder}/")]:
        del tree[path]
