"""The archive with a flavour's image index, checked before anything of it is sent; each blob again when it is sent.

The layout is that of OCI image-spec 1.1 (image-layout.md), in a tar file.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.core.errors import VerificationError
from ci.core.files import sha256_of
from ci.core.tars import DAMAGED
from ci.publish.oci_documents import (
    CONFIG,
    INDEX,
    LAYER,
    MANIFEST,
    Descriptor,
    descriptor,
    digest_of,
    document,
    entries,
)
from ci.publish.release_set import ReleaseSet, SetFile

_END = ".oci-index.tar"
_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{64})")
_OTHERS = ("index.json", "manifest.json", "oci-layout")
_AGAIN = "make the set again: nox -s release"
_LARGEST_DOCUMENT = 4 * 1024 * 1024  # what registries must take as a manifest (distribution-spec, "Pushing Manifests")


@dataclass(frozen=True, kw_only=True)
class BlobPlace:
    """Where a blob is within an archive."""

    path: Path
    offset: int
    size: int
    digest: str

    def read(self) -> bytes:
        """Its bytes; `VerificationError` if they are not those of its digest."""
        with self.path.open("rb") as archive:
            archive.seek(self.offset)
            data = archive.read(self.size)
        if digest_of(data) != self.digest:
            raise VerificationError(f"{self.path.name}: the blob {self.digest} is damaged", hint=_AGAIN)
        return data


@dataclass(frozen=True, kw_only=True)
class PlatformImage:
    """The image for one platform: its manifest, and the blobs that the manifest names. `archive` is its own archive."""

    platform: str
    archive: str
    described: Descriptor
    manifest: bytes
    blobs: tuple[BlobPlace, ...]


@dataclass(frozen=True, kw_only=True)
class FlavourImages:
    """The images of a flavour and their index."""

    name: str
    described: Descriptor
    index: bytes
    images: tuple[PlatformImage, ...]


def flavours(found: ReleaseSet) -> tuple[FlavourImages, ...]:
    """What a set has to push: one for each archive with an index. `VerificationError` for one that is not in order."""
    beginning = f"{found.name}-{found.version}-"
    own = {_top(file).digest: file.name for file in found.of_kind("image")}
    read_flavours = []
    for file in found.of_kind("image-index"):
        if not file.name.startswith(beginning) or not file.name.endswith(_END):
            raise VerificationError(f"{file.name}: its name is not {beginning}FLAVOUR{_END}", hint=_AGAIN)
        name = file.name.removeprefix(beginning).removesuffix(_END)
        if sha256_of(file.path) != file.sha256:
            raise VerificationError(f"{file.name}: its bytes have changed since the set was checked", hint=_AGAIN)
        read_flavours.append(_checked(file, name, own))
    return tuple(read_flavours)


def without_index(found: ReleaseSet) -> tuple[str, ...]:
    """The archives of images whose flavour has no archive with an index; it cannot be pushed."""
    stems = tuple(f"{file.name.removesuffix(_END)}-" for file in found.of_kind("image-index"))
    return tuple(file.name for file in found.of_kind("image") if not file.name.startswith(stems))


def _checked(file: SetFile, name: str, own: Mapping[str, str]) -> FlavourImages:
    try:
        with tarfile.open(file.path, "r:") as archive:
            blobs = {place.digest: place for place in _blobs(archive, file.path)}
        return _flavour(file, name, own, blobs)
    except DAMAGED as error:
        raise VerificationError(f"{file.name}: it is not an archive of a release: {error}", hint=_AGAIN) from None


def _blobs(archive: tarfile.TarFile, path: Path) -> Iterator[BlobPlace]:
    """The blobs by the names of their files. The whole archive was compared already, so they are hashed when read."""
    seen = set()
    for info in archive:
        if info.isdir():
            continue
        named = _BLOB.fullmatch(info.name)
        if info.type != tarfile.REGTYPE or info.name in seen or not (named or info.name in _OTHERS):
            raise ValueError(f"it has {info.name!a}, which does not belong there")
        seen.add(info.name)
        if named:
            yield BlobPlace(path=path, offset=info.offset_data, size=info.size, digest=f"sha256:{named[1]}")


def _flavour(file: SetFile, name: str, own: Mapping[str, str], blobs: Mapping[str, BlobPlace]) -> FlavourImages:
    top = _top(file)
    index = _document_of(top, INDEX, blobs)
    images, used = [], {top.digest}
    for entry in entries(document(index, INDEX), "manifests"):
        described, platform = descriptor(entry), entry["platform"]
        manifest = _document_of(described, MANIFEST, blobs)
        parts = document(manifest, MANIFEST)
        places = [_part(parts["config"], CONFIG, blobs)]
        places += [_part(layer, LAYER, blobs) for layer in entries(parts, "layers")]
        used |= {described.digest, *(place.digest for place in places)}
        images.append(
            PlatformImage(
                platform=f"{platform['os']}/{platform['architecture']}",
                archive=own[described.digest] if described.digest in own else _without_archive(described),
                described=described,
                manifest=manifest,
                blobs=tuple(places),
            )
        )
    if surplus := sorted(set(blobs) - used):
        raise ValueError(f"it has {surplus[0]}, which nothing in it names")
    return FlavourImages(name=name, described=top, index=index, images=tuple(images))


def _without_archive(described: Descriptor) -> str:
    raise ValueError(f"its image {described.digest} is in no archive of its own")


def _document_of(described: Descriptor, media_type: str, blobs: Mapping[str, BlobPlace]) -> bytes:
    if described.size > _LARGEST_DOCUMENT:
        raise ValueError(f"{described.digest} is larger than registries take")
    return _part(described.as_json(), media_type, blobs).read()


def _part(value: object, media_type: str, blobs: Mapping[str, BlobPlace]) -> BlobPlace:
    described = descriptor(value)
    place = blobs.get(described.digest)
    if place is None or place.size != described.size or described.media_type != media_type:
        raise ValueError(f"{described.digest} is missing, of another size, or not {media_type}")
    return place


def _top(file: SetFile) -> Descriptor:
    """The one image or index that an archive is about."""
    try:
        with tarfile.open(file.path, "r:") as archive:
            member = archive.extractfile("index.json")
            (described,) = json.loads(member.read(_LARGEST_DOCUMENT) if member else b"")["manifests"]
        return descriptor(described)
    except DAMAGED as error:
        raise VerificationError(f"{file.name}: it names no image: {error}", hint=_AGAIN) from None
