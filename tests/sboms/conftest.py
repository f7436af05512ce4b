"""Small images with lists of packages, and a scanner."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ci.core import tars
from ci.images import oci
from tests.fixtures import run
from tests.scanner import scanned

__all__ = ["run"]

EPOCH = 1_700_000_000
PAYLOAD = "usr/lib/faas-runtime/"
LABELS = {
    "name": "faas-runtime",
    "org.opencontainers.image.version": "0.1.0",
    "org.opencontainers.image.licenses": "Apache-2.0",
}


def write_image(path: Path, files: Mapping[str, bytes], *above: Mapping[str, bytes]) -> Path:
    """Write an image with our payload and these files; each further mapping is a layer above."""
    own = {
        f"{PAYLOAD}faas_runtime/_version.py": b'__version__ = "0.1.0"\n',
        f"{PAYLOAD}bin/faas-runtime": b"#!/usr/bin/python3\n",
    }
    layers = tuple(
        tars.pack(tars.with_parents({name: tars.file(data) for name, data in layer.items()}), 0)
        for layer in ({**own, **files}, *above)
    )
    config = {"architecture": "amd64", "os": "linux", "config": {"Labels": LABELS}, "history": []}
    image = oci.Image(config={**config, "rootfs": {"type": "layers", "diff_ids": []}}, layers=layers)
    path.parent.mkdir(parents=True, exist_ok=True)
    oci.write_archive(image, path, tag="tests.invalid/sboms:1")
    return path


def packages_found(archive: Path, home: Path) -> list[dict[str, Any]]:
    """The packages that syft finds; without those that it guesses from the bytes of programs."""
    return [found for found in scanned(f"oci-archive:{archive}", home) if found["type"] != "binary"]
