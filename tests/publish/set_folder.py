"""Reads a set with images, and imports nothing that makes one: programs that are started often do without."""

from __future__ import annotations

from pathlib import Path

from ci.core.files import sha256_of
from ci.publish.release_set import ReleaseSet, SetFile

NAME = "faas-runtime"
EPOCH = 1_795_392_000


def read(folder: Path) -> ReleaseSet:
    """The set in a folder, without the signatures that a real one has."""
    kinds = {".oci.tar": "image", ".oci-index.tar": "image-index", ".spdx.json": "sbom", ".cdx.json": "sbom"}
    files = tuple(
        SetFile(
            path=path,
            size=path.stat().st_size,
            sha256=sha256_of(path),
            kind=next((kind for end, kind in kinds.items() if path.name.endswith(end)), ""),
        )
        for path in sorted(folder.iterdir())
    )
    version = next(file.name for file in files if file.kind == "image-index").split("-")[2]
    return ReleaseSet(
        folder=folder, name=NAME, version=version, commit="1f" * 20, files=files,
        document={"source_date_epoch": EPOCH},
    )  # fmt: skip
