"""Small sets with images, as a release makes them: an archive per image, one with their index, SBOMs and statements."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path

from ci.core import tars
from ci.images import image_index, oci
from ci.publish.release_set import ReleaseSet
from tests.publish.set_folder import EPOCH, NAME, read

__all__ = ["read"]

ARCHITECTURES = ("amd64", "arm64")
PREDICATES = {
    "provenance": "https://slsa.dev/provenance/v1",
    "gate-install": "https://in-toto.io/attestation/test-result/v0.1",
}


def make(
    folder: Path,
    version: str = "0.1.0",
    *,
    salt: str = "",
    flavours: Sequence[str] = ("micro",),
    layer: bytes = b"",
    bare: bool = False,
) -> ReleaseSet:
    """Make a set in a new folder; another `salt` gives other bytes. `layer` is more content for each image.

    A `bare` one has images for one platform, and nothing that would be attached to them.
    """
    folder.mkdir(parents=True)
    for flavour in flavours:
        architectures = ARCHITECTURES[:1] if bare else ARCHITECTURES
        archives = [_image(folder, version, flavour, one, salt, layer) for one in architectures]
        path = folder / f"{NAME}-{version}-{flavour}.oci-index.tar"
        image_index.write(archives, path, tag=f"registry.invalid/{NAME}:{version}-{flavour}")
    for document in folder.glob("*.json") if bare else ():
        document.unlink()
    for name in () if bare else PREDICATES:
        (folder / f"{name}.sigstore.json").write_bytes(bundle(name, version))
    return read(folder)


def bundle(name: str, version: str) -> bytes:
    """A signed statement, without what signs it."""
    statement = {"_type": "https://in-toto.io/Statement/v1", "predicateType": PREDICATES[name], "version": version}
    payload = base64.b64encode(json.dumps(statement).encode()).decode()
    return json.dumps({"dsseEnvelope": {"payload": payload}}).encode()


def _image(folder: Path, version: str, flavour: str, architecture: str, salt: str, more: bytes) -> Path:
    tree = {"hello": tars.file(f"hello {version} {flavour} {architecture} {salt}\n".encode())}
    if more:
        tree["more"] = tars.file(architecture.encode() + more)
    settings = {"Cmd": ["/hello"], "Labels": {"org.opencontainers.image.version": version}}
    config = {"architecture": architecture, "os": "linux", "config": settings, "history": []}
    built = oci.Image(config=config, layers=(tars.pack({"base": tars.file(b"base\n")}, 0), tars.pack(tree, 0)))
    image = oci.normalised(built, base_layers=1, architecture=architecture, epoch=EPOCH, title="small")
    path = folder / f"{NAME}-{version}-{flavour}-{architecture}.oci.tar"
    oci.write_archive(image, path, tag=f"registry.invalid/{NAME}:{version}-{flavour}-{architecture}")
    for form in ("spdx", "cdx"):
        path.with_name(f"{path.name}.{form}.json").write_text(json.dumps({"of": path.name, "form": form}))
    return path
