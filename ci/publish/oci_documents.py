"""Descriptors, digests and media types of images (OCI image-spec 1.1). What others wrote is checked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """What a document says of a blob or a manifest."""

    media_type: str
    digest: str
    size: int

    def as_json(self) -> dict[str, Any]:
        """The descriptor as documents have it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


def digest_of(data: bytes | memoryview) -> str:
    """The digest of some bytes, as registries name them."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def descriptor(value: object) -> Descriptor:
    """Read a descriptor; `ValueError` for anything else."""
    if not isinstance(value, dict):
        raise ValueError("a descriptor is not a mapping")
    media_type, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
    if not isinstance(media_type, str) or not isinstance(digest, str) or not DIGEST.fullmatch(digest):
        raise ValueError("a descriptor has no media type or no SHA-256 digest")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ValueError(f"the descriptor of {digest} has no size")
    return Descriptor(media_type=media_type, digest=digest, size=size)


def entries(document: Mapping[str, Any], key: str) -> Sequence[dict[str, Any]]:
    """A list of mappings below a key of a document; `ValueError` for anything else."""
    value = document.get(key)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError(f"{key} is not a list of mappings")
    return value


def document(data: bytes | str, media_type: str = "") -> dict[str, Any]:
    """Read a document; `ValueError` if it is not a mapping, or of another media type."""
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is not a mapping")
    if media_type and (found.get("mediaType") != media_type or found.get("schemaVersion") != 2):
        raise ValueError(f"it is not {media_type} of schema version 2")
    return found


def as_bytes(value: Mapping[str, Any]) -> bytes:
    """A document of our own: the same value gives the same bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
