"""Image archives in the OCI layout, written so that the same content gives the same bytes.

An engine's own export holds its clock, its order of files and its notion of a layer. Here the layers of the base stay
as they are, byte for byte before compression, because registries and Red Hat's certification know a base by them; all
that the flavour adds becomes one layer, packed anew. So an archive does not tell which engine built it.
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

from ci import tars
from ci.errors import ReleaseError
from ci.files import write_atomically
from ci.tars import Tree

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_OCI_KEYS = "org.opencontainers.image."
_REF_NAME = "org.opencontainers.image.ref.name"

# What a program that is started from the image can notice; engines add fields of their own.
_KEPT_CONFIG = ("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal")

_MOUNTED = {".dockerenv", "etc/hostname", "etc/hosts", "etc/resolv.conf", "run/.containerenv"}

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Image:
    """An image out of a layout on disk: its configuration and its layers, uncompressed, the base's first."""

    config: Mapping[str, Any]
    layers: tuple[bytes, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """The size of one layer: as a tar file, which is what an engine unpacks, and as what a registry holds."""

    unpacked: int
    compressed: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizes:
    """The layers of an archive: those of its base, and the one that the flavour adds."""

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
        return (folder / _blob(digest)).read_bytes()

    index = json.loads((folder / "index.json").read_bytes())
    manifest = json.loads(blob(index["manifests"][0]["digest"]))
    layers = tuple(_uncompressed(blob(layer["digest"])) for layer in manifest["layers"])
    return Image(config=json.loads(blob(manifest["config"]["digest"])), layers=layers)


def _uncompressed(data: bytes) -> bytes:
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def normalised(image: Image, *, base_layers: int, architecture: str, epoch: int, title: str) -> Image:
    """The image with what comes above its base as one layer, and without any trace of who built it and when."""
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
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer) for layer in layers]},
            "history": [*history, {"created": created, "created_by": title}],
        },
    )


def _history(history: list[dict[str, Any]], base_layers: int) -> list[dict[str, Any]]:
    """The entries of the base: as many as bring its layers."""
    kept: list[dict[str, Any]] = []
    for entry in history:
        if sum(not known.get("empty_layer") for known in kept) == base_layers:
            break
        kept.append(entry)
    return kept


def _merged(layers: tuple[bytes, ...], has_base: bool) -> Tree:
    """What the layers amount to. A removal of something below them stays a removal."""
    merged: Tree = {}
    for layer in layers:
        above = tars.read_bytes(layer)
        for path, entry in above.items():
            if entry.kind != tarfile.DIRTYPE:  # what lay in a folder does not lie below the link in its place
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
    """Whether an entry is a removal with nothing below, or what engines put into a container that runs a command."""
    if path.rpartition("/")[2].startswith(_WHITEOUT):
        return not has_base
    return path in _MOUNTED and not entry.data


def _forget(tree: Tree, prefix: str) -> None:
    for path in [path for path in tree if path.startswith(prefix)]:
        del tree[path]


def added_by(image: Image) -> Tree:
    """The entries of the uppermost layer."""
    return tars.read_bytes(image.layers[-1])


def write_archive(image: Image, path: Path, *, tag: str) -> None:
    """Write the image as an OCI archive, whole or not at all; its OCI labels are the manifest's annotations too."""
    labels: dict[str, str] = image.config["config"].get("Labels", {})
    blobs: dict[str, bytes] = {}

    def store(data: bytes, media_type: str) -> dict[str, Any]:
        digest = _digest(data)
        blobs[digest] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    # The base is large, and whoever has it already does not fetch it again: only our own layer is worth the best level.
    *below, added = image.layers
    compressed = [*(gzip.compress(layer, 6, mtime=0) for layer in below), gzip.compress(added, 9, mtime=0)]
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": store(_json(image.config), _CONFIG),
        "layers": [store(layer, _LAYER) for layer in compressed],
        "annotations": {key: value for key, value in labels.items() if key.startswith(_OCI_KEYS)},
    }
    described = {
        **store(_json(manifest), _MANIFEST),
        "platform": {key: image.config[key] for key in ("architecture", "os", "variant") if key in image.config},
        "annotations": {_REF_NAME: tag},
    }
    index = {"schemaVersion": 2, "manifests": [described]}
    tree: Tree = {_blob(digest): tars.file(data) for digest, data in blobs.items()}
    tree["index.json"] = tars.file(_json(index))
    tree["oci-layout"] = tars.file(_json({"imageLayoutVersion": "1.0.0"}))
    write_atomically(path, tars.pack(tree, 0))


def read_archive(path: Path) -> tuple[Image, dict[str, Any]]:
    """Read an archive that `write_archive` wrote: the image and its manifest. Every digest in it must be true."""
    tree = tars.read(path)

    def blob(digest: str) -> bytes:
        if _blob(digest) not in tree:
            raise ReleaseError(f"{path}: the blob {digest} is missing")
        data = tree[_blob(digest)].data
        if _digest(data) != digest:
            raise ReleaseError(f"{path}: the blob {digest} is damaged")
        return data

    manifest = json.loads(blob(json.loads(tree["index.json"].data)["manifests"][0]["digest"]))
    config = json.loads(blob(manifest["config"]["digest"]))
    layers = tuple(gzip.decompress(blob(layer["digest"])) for layer in manifest["layers"])
    if config["rootfs"]["diff_ids"] != [_digest(layer) for layer in layers]:
        raise ReleaseError(f"{path}: the layers are not the ones that the configuration names in diff_ids")
    return Image(config=config, layers=layers), manifest


def sizes(path: Path) -> Sizes:
    """What the layers of an archive weigh, without unpacking them: gzip's last four bytes tell the size before."""
    with tarfile.open(path) as archive:

        def read(name: str) -> bytes:
            content = archive.extractfile(name)
            assert content is not None
            return content.read()

        index = json.loads(read("index.json"))
        manifest = json.loads(read(_blob(index["manifests"][0]["digest"])))
        layers = []
        for described in manifest["layers"]:
            unpacked = int.from_bytes(read(_blob(described["digest"]))[-4:], "little")
            layers.append(Layer(unpacked=unpacked, compressed=described["size"]))
    return Sizes(base=tuple(layers[:-1]), added=layers[-1])


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
