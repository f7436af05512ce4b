"""SBOMs as referrers of an image: manifests of OCI 1.1 that a registry lists under the image that is their subject."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci.core.errors import VerificationError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_EMPTY = "application/vnd.oci.empty.v1+json"
_NOTHING = b"{}"
_KEY = "org.opencontainers.image."
# By the ends of the names of SBOMs.
_TYPES = {".spdx.json": "application/spdx+json", ".cdx.json": "application/vnd.cyclonedx+json"}


@dataclass(frozen=True, kw_only=True)
class Referrer:
    """A manifest as it is pushed, and by their digests the blobs that a registry must have before it."""

    manifest: bytes
    artifact_type: str
    blobs: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """The digest of the manifest."""
        return _digest(self.manifest)

    @property
    def descriptor(self) -> dict[str, Any]:
        """What an index of referrers says of it, for registries that keep no such index themselves."""
        return {
            "mediaType": MANIFEST,
            "digest": self.digest,
            "size": len(self.manifest),
            "artifactType": self.artifact_type,
            "annotations": json.loads(self.manifest)["annotations"],
        }


def subject_of(archive: Path) -> dict[str, Any]:
    """The descriptor of the image in an archive. Raises `VerificationError` if there is none."""
    try:
        with tarfile.open(archive) as opened:
            index = opened.extractfile("index.json")
            (described,) = json.loads(index.read() if index else b"")["manifests"]
        return {key: described[key] for key in ("mediaType", "digest", "size")}
    except (tarfile.TarError, LookupError, ValueError, TypeError) as error:
        raise VerificationError(f"{archive.name}: it names no image: {error!r}") from error


def of_sbom(subject: Mapping[str, Any], name: str, data: bytes, epoch: int) -> Referrer:
    """The referrer that carries an SBOM of the image `subject`; `name` is that of its file, `epoch` the release's date.

    The same SBOM of the same image gives the same bytes.
    """
    artifact_type = next(found for ending, found in _TYPES.items() if name.endswith(ending))
    created = dt.datetime.fromtimestamp(epoch, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    layer = {**_described(data, artifact_type), "annotations": {f"{_KEY}title": name}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact_type,
        "config": _described(_NOTHING, _EMPTY),
        "layers": [layer],
        "subject": {key: subject[key] for key in ("mediaType", "digest", "size")},
        "annotations": {f"{_KEY}created": created},
    }
    return Referrer(
        manifest=json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode(),
        artifact_type=artifact_type,
        blobs={_digest(blob): blob for blob in (_NOTHING, data)},
    )


def _described(blob: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
