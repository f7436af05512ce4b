"""An image in the storage of a container engine, as the engines describe it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """An image in an engine's own storage; `layers` are the digests of its uncompressed layers.

    `digests` are all digests that the engine knows it by: one can be that of an index that lists the image. buildah
    gives the image's own only.
    """

    id: str
    digest: str
    digests: tuple[str, ...]
    architecture: str
    layers: tuple[str, ...]


def of_buildah(found: dict[str, Any]) -> StoredImage:
    """Read what `buildah inspect` prints."""
    image = found["OCIv1"]
    return StoredImage(
        id=found["FromImageID"],
        digest=found["FromImageDigest"],
        digests=(found["FromImageDigest"],),
        architecture=image["architecture"],
        layers=tuple(image["rootfs"]["diff_ids"]),
    )


def of_docker(found: dict[str, Any]) -> StoredImage:
    """Read one entry of what `docker image inspect` or `podman image inspect` prints."""
    digests = [name.partition("@")[2] for name in found.get("RepoDigests") or ()]
    return StoredImage(
        id=found["Id"],
        digest=found.get("Digest") or (digests[0] if digests else ""),
        digests=tuple(digests),
        architecture=found["Architecture"],
        layers=tuple(found["RootFS"]["Layers"]),
    )
