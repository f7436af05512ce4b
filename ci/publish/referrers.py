"""What is attached to an image: manifests of OCI 1.1 that a registry lists under the image that is their subject.

SBOMs, signed statements, notes of deprecation and OpenVEX documents. The same content gives the same bytes.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ci.core.errors import VerificationError
from ci.publish.oci_documents import MANIFEST, Descriptor, as_bytes, digest_of

DEPRECATED = "application/vnd.faas-runtime.deprecation.v1"
"""The type of a note that an image should not be used any more; the annotation `REASON` says why."""

REASON = "io.github.faas-runtime.deprecation.reason"
STATEMENT = "io.github.faas-runtime.openvex.id"
"""The annotation of an OpenVEX document that has its `@id`, which does not depend on the time of the document."""

_EMPTY = "application/vnd.oci.empty.v1+json"
_NOTHING = b"{}"
_KEY = "org.opencontainers.image."
_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_VEX = "application/vnd.openvex+json"
# By the ends of the names of SBOMs.
_SBOMS = {".spdx.json": "application/spdx+json", ".cdx.json": "application/vnd.cyclonedx+json"}


@dataclass(frozen=True, kw_only=True)
class Referrer:
    """A manifest as it is pushed, and by their digests the blobs that a registry must have before it.

    `title` is what it is for people: the name of its file, if it carries one.
    """

    title: str
    manifest: bytes
    artifact_type: str
    blobs: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """The digest of the manifest."""
        return digest_of(self.manifest)

    @property
    def sayings(self) -> dict[str, str]:
        """The annotations of a note, or of an OpenVEX document, that say the same at any time."""
        annotations = json.loads(self.manifest)["annotations"]
        return {key: annotations[key] for key in (REASON, STATEMENT) if key in annotations}

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


def is_sbom(name: str) -> bool:
    """Whether a file of this name is an SBOM."""
    return name.endswith(tuple(_SBOMS))


def of_sbom(subject: Descriptor, name: str, data: bytes, epoch: int) -> Referrer:
    """The referrer that carries an SBOM of an image; `name` is that of its file, `epoch` the release's date."""
    artifact_type = next(found for ending, found in _SBOMS.items() if name.endswith(ending))
    return _of_file(subject, name, data, artifact_type, epoch)


def of_bundle(subject: Descriptor, name: str, data: bytes, epoch: int) -> Referrer:
    """The referrer that carries a signed statement as a Sigstore bundle (sigstore/cosign:specs/BUNDLE_SPEC.md).

    `VerificationError` if it is not one.
    """
    try:
        payload = json.loads(data)["dsseEnvelope"]["payload"]
        predicate_type = json.loads(base64.b64decode(payload, validate=True))["predicateType"]
    except (ValueError, LookupError, TypeError, RecursionError):
        predicate_type = None
    if not isinstance(predicate_type, str):
        raise VerificationError(f"{name}: it is no bundle with a statement", hint="make the set again")
    more = {"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": predicate_type}
    return _of_file(subject, name, data, _BUNDLE, epoch, more)


def of_vex(subject: Descriptor, data: bytes, epoch: int) -> Referrer:
    """The referrer that carries an OpenVEX document."""
    statement = str(json.loads(data).get("@id", ""))
    return _of_file(subject, "openvex.json", data, _VEX, epoch, {STATEMENT: statement})


def of_deprecation(subject: Descriptor, reason: str, epoch: int) -> Referrer:
    """The referrer that says, without any file, why an image should not be used any more."""
    empty = _described(_NOTHING, _EMPTY)
    return _made(subject, "deprecation", DEPRECATED, empty, {digest_of(_NOTHING): _NOTHING}, epoch, {REASON: reason})


def _of_file(
    subject: Descriptor, name: str, data: bytes, artifact_type: str, epoch: int, more: Mapping[str, str] | None = None
) -> Referrer:
    layer = {**_described(data, artifact_type), "annotations": {f"{_KEY}title": name}}
    blobs = {digest_of(blob): blob for blob in (_NOTHING, data)}
    return _made(subject, name, artifact_type, layer, blobs, epoch, more or {})


def _made(
    subject: Descriptor,
    title: str,
    artifact_type: str,
    layer: Mapping[str, Any],
    blobs: Mapping[str, bytes],
    epoch: int,
    annotations: Mapping[str, str],
) -> Referrer:
    created = dt.datetime.fromtimestamp(epoch, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact_type,
        "config": _described(_NOTHING, _EMPTY),
        "layers": [layer],
        "subject": subject.as_json(),
        "annotations": {f"{_KEY}created": created, **annotations},
    }
    return Referrer(title=title, manifest=as_bytes(manifest), artifact_type=artifact_type, blobs=blobs)


def _described(blob: bytes, media_type: str) -> dict[str, Any]:
    return Descriptor(media_type=media_type, digest=digest_of(blob), size=len(blob)).as_json()
