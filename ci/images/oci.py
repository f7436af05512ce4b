"""Image archives in the OCI layout, written so that the same content gives the same bytes.

Beside the layout's own index lies docker's `manifest.json`, over the same blobs, and each folder has an entry of its
own: `docker load` before version 25 reads nothing else, and scanners walk the archive by its folders.

An engine's own export depends on its clock, its order of files and its division into layers. Here the layers of the
base do not change before compression, because registries and Red Hat's certification identify a base by them. All that
the flavour adds is packed again, as one layer. So the bytes of an archive do not depend on the engine that built it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import gzip
import hashlib
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ci.core import compression, tars
from ci.core.errors import ReleaseError
from ci.core.files import write_atomically
from ci.core.tars import FileTree

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_OCI_KEYS = "org.opencontainers.image."
_REF_NAME = "org.opencontainers.image.ref.name"
_CONTAINERD_NAME = "io.containerd.image.name"  # what containerd and newer dockers name the image by

LAYOUT = {"imageLayoutVersion": "1.0.0"}

# The fields that matter to a program in a container; engines add other ones.
_KEPT_CONFIG = ("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal")

_MOUNTED = {".dockerenv", "etc/hostname", "etc/hosts", "etc/resolv.conf", "run/.containerenv"}

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Image:
    """An image: its configuration and its layers, uncompressed, the base's first."""

    config: Mapping[str, Any]
    layers: tuple[bytes, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """The sizes of one layer in bytes: as the tar file that an engine unpacks, and compressed as in a registry."""

    unpacked: int
    compressed: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes of an archive's layers: those of its base, and the one that the flavour adds."""

    base: tuple[Layer, ...]
    added: Layer

    @property
    def total(self) -> Layer:
        """The whole image."""
        layers = (*self.base, self.added)
        return Layer(
            unpacked=sum(layer.unpacked for layer in layers), compressed=sum(layer.compressed for layer in layers)
        )


def read_layout(folder: Path) -> Image:
    """Read an OCI layout with one image, as `skopeo copy … oci:FOLDER` writes it."""

    def blob(digest: str) -> bytes:
        return (folder / blob_path(digest)).read_bytes()

    index = json.loads((folder / "index.json").read_bytes())
    manifest = json.loads(blob(index["manifests"][0]["digest"]))
    layers = tuple(_uncompressed(blob(layer["digest"])) for layer in manifest["layers"])
    return Image(config=json.loads(blob(manifest["config"]["digest"])), layers=layers)


def _uncompressed(data: bytes) -> bytes:
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def normalised(image: Image, *, base_layers: int, architecture: str, epoch: int, title: str) -> Image:
    """The image with everything above its base as one layer, and without the time and the machine of its build."""
    config = image.config
    if config.get("architecture") != architecture:
        raise ReleaseError(f"{title}: the engine built it for {config.get('architecture')}, not for {architecture}")
    created = dt.datetime.fromtimestamp(epoch, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    layers = (*image.layers[:base_layers], tars.pack(_merged(image.layers[base_layers:], base_layers > 0), epoch))
    history = _history(config.get("history", []), base_layers)
    return Image(
        layers=layers,
        config={
            "architecture": architecture,
            "os": config["os"],
            **({"variant": config["variant"]} if config.get("variant") else {}),
            "created": created,
            "config": {key: config["config"][key] for key in _KEPT_CONFIG if config["config"].get(key)},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
            "history": [*history, {"created": created, "created_by": title}],
        },
    )


def _history(history: list[dict[str, Any]], base_layers: int) -> list[dict[str, Any]]:
    """The entries of the base: the first ones, until they account for its layers."""
    kept: list[dict[str, Any]] = []
    for entry in history:
        if sum(not known.get("empty_layer") for known in kept) == base_layers:
            break
        kept.append(entry)
    return kept


def _merged(layers: tuple[bytes, ...], has_base: bool) -> FileTree:
    """The result of several layers. If they remove a file of a lower layer, the entry that removes it is kept."""
    merged: FileTree = {}
    for layer in layers:
        above = tars.read_bytes(layer)
        for path, entry in above.items():
            if entry.kind != tarfile.DIRTYPE:  # files of a folder are not below the link that replaces it
                _forget(merged, f"{path}/")
            parent, _, name = path.rpartition("/")
            if name == _OPAQUE:
                _forget(merged, f"{parent}/" if parent else "")
            elif name.startswith(_WHITEOUT):
                removed = f"{parent}/{name.removeprefix(_WHITEOUT)}".lstrip("/")
                merged.pop(removed, None)
                _forget(merged, f"{removed}/")
        merged.update(above)
    return {path: entry for path, entry in merged.items() if not _is_noise(path, entry, has_base)}


def _is_noise(path: str, entry: tars.Entry, has_base: bool) -> bool:
    """Whether an entry removes a file although there is no base, or an engine made it to run a command."""
    if path.rpartition("/")[2].startswith(_WHITEOUT):
        return not has_base
    return path in _MOUNTED and not entry.data


def _forget(tree: FileTree, prefix: str) -> None:
    for path in [path for path in tree if path.startswith(prefix)]:
        del tree[path]


def added_by(image: Image) -> FileTree:
    """The entries of the uppermost layer."""
    return tars.read_bytes(image.layers[-1])


def merged(image: Image) -> FileTree:
    """All entries of an image, as a container of it sees them."""
    return _merged(image.layers, has_base=False)


def write_archive(image: Image, path: Path, *, tag: str) -> None:
    """Write the image as an archive, whole or not at all; its OCI labels are the manifest's annotations too.

    `tag` is the full name that the image gets where the archive is loaded without another.
    """
    labels: dict[str, str] = image.config["config"].get("Labels", {})
    blobs: dict[str, bytes] = {}

    def store(data: bytes, media_type: str) -> dict[str, Any]:
        digest = digest_of(data)
        blobs[digest] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    # The base is large, and users who have it do not fetch it again: only our own layer gets the best compression.
    *below, added = image.layers
    compressed = [compression.gzip(layer, compression.FAST) for layer in below]
    compressed.append(compression.gzip(added, compression.SMALL))
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": store(as_json(image.config), _CONFIG),
        "layers": [store(layer, _LAYER) for layer in compressed],
        "annotations": {key: value for key, value in labels.items() if key.startswith(_OCI_KEYS)},
    }
    described = {
        **store(as_json(manifest), _MANIFEST),
        "platform": {key: image.config[key] for key in ("architecture", "os", "variant") if key in image.config},
        "annotations": names(tag),
    }
    index = {"schemaVersion": 2, "manifests": [described]}
    for_docker = {**_blobs_for_docker(manifest), "RepoTags": [tag]}
    tree: FileTree = {blob_path(digest): tars.file(data) for digest, data in blobs.items()}
    tree["index.json"] = tars.file(as_json(index))
    tree["manifest.json"] = tars.file(as_json([for_docker]))
    tree["oci-layout"] = tars.file(as_json(LAYOUT))
    write_atomically(path, tars.pack(tars.with_parents(tree), 0))


def _blobs_for_docker(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Where docker finds the configuration and the layers of an image in its archive."""
    return {
        "Config": blob_path(manifest["config"]["digest"]),
        "Layers": [blob_path(layer["digest"]) for layer in manifest["layers"]],
    }


def read_archive(path: Path) -> tuple[Image, dict[str, Any]]:
    """Read an archive of `write_archive`: the image and its manifest. A wrong digest raises `ReleaseError`."""
    tree = tars.read(path)

    def blob(digest: str) -> bytes:
        if blob_path(digest) not in tree:
            raise ReleaseError(f"{path}: the blob {digest} is missing")
        data = tree[blob_path(digest)].data
        if digest_of(data) != digest:
            raise ReleaseError(f"{path}: the blob {digest} is damaged")
        return data

    manifest = json.loads(blob(json.loads(tree["index.json"].data)["manifests"][0]["digest"]))
    config = json.loads(blob(manifest["config"]["digest"]))
    layers = tuple(gzip.decompress(blob(layer["digest"])) for layer in manifest["layers"])
    if config["rootfs"]["diff_ids"] != [digest_of(layer) for layer in layers]:
        raise ReleaseError(f"{path}: the layers are not the ones that the configuration names in diff_ids")
    (for_docker,) = json.loads(tree["manifest.json"].data)
    if {**for_docker, **_blobs_for_docker(manifest)} != for_docker:
        raise ReleaseError(f"{path}: manifest.json and index.json describe different images")
    return Image(config=config, layers=layers), manifest


def sizes(path: Path) -> Sizes:
    """The sizes of an archive's layers, without unpacking them: the last four bytes of gzip are the unpacked size."""
    with tarfile.open(path) as archive:

        def read(name: str) -> bytes:
            content = archive.extractfile(name)
            assert content is not None
            return content.read()

        index = json.loads(read("index.json"))
        manifest = json.loads(read(blob_path(index["manifests"][0]["digest"])))
        layers = []
        for described in manifest["layers"]:
            unpacked = int.from_bytes(read(blob_path(described["digest"]))[-4:], "little")
            layers.append(Layer(unpacked=unpacked, compressed=described["size"]))
    return Sizes(base=tuple(layers[:-1]), added=layers[-1])


def names(tag: str) -> dict[str, str]:
    """The annotations from which tools take the name of what an archive holds."""
    return {_REF_NAME: tag, _CONTAINERD_NAME: tag}


def blob_path(digest: str) -> str:
    """The path of a blob in a layout."""
    return f"blobs/{digest.replace(':', '/')}"


def digest_of(data: bytes) -> str:
    """The digest of some bytes, as registries name them."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def as_json(value: object) -> bytes:
    """A document as this tooling writes it into images: the same value gives the same bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
