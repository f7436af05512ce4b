"""What a registry checks of a manifest before it keeps it (OCI image-spec and distribution-spec 1.1)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LARGEST_BYTES = 4 * 1024 * 1024
_EMPTY = "application/vnd.oci.empty.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYERS = "application/vnd.oci.image.layer.v1.tar"


class RegistryRefusal(Exception):
    """The registry does not take it: a status, a code of the specification, and a message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def checked(data: bytes, media_type: str, blobs: Mapping[str, bytes], manifests: Mapping[str, bytes]) -> dict[str, Any]:
    """The document, if everything that it names is there in the right size; otherwise raises `RegistryRefusal`."""
    if media_type not in (INDEX, MANIFEST):
        raise RegistryRefusal(415, "MANIFEST_INVALID", f"the media type {media_type!a} is not taken")
    if len(data) > LARGEST_BYTES:
        raise RegistryRefusal(413, "SIZE_INVALID", "the manifest is too large")
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    if not isinstance(document, dict) or document.get("schemaVersion") != 2:
        raise _invalid("it is no manifest of schema version 2")
    if document.get("mediaType") != media_type:
        raise _invalid(f"it says that it is {document.get('mediaType')!a}, and was sent as {media_type}")
    if media_type == INDEX:
        for entry in _list(document, "manifests"):
            _require(entry, manifests, "MANIFEST_UNKNOWN", (INDEX, MANIFEST))
    else:
        _check_image(document, blobs)
    subject = document.get("subject")
    if subject is not None:
        _digest(subject)  # it may come later
    return document


def artifact_type(document: Mapping[str, Any]) -> str:
    """The type that a list of referrers shows: its own, or that of its configuration."""
    found = document.get("artifactType") or document.get("config", {}).get("mediaType", "")
    return str(found)


def _check_image(document: Mapping[str, Any], blobs: Mapping[str, bytes]) -> None:
    config, layers = document.get("config"), _list(document, "layers")
    if not isinstance(config, dict):
        raise _invalid("it has no configuration")
    is_image = config.get("mediaType") == _CONFIG
    if config.get("mediaType") == _EMPTY and not document.get("artifactType"):
        raise _invalid("its configuration is empty, and it has no artifactType")
    if not layers:
        raise _invalid("it has no layers")
    _require(config, blobs, "MANIFEST_BLOB_UNKNOWN")
    for layer in layers:
        if is_image and not str(layer.get("mediaType")).startswith(_LAYERS):
            raise _invalid(f"{layer.get('mediaType')!a} is no layer of an image")
        _require(layer, blobs, "MANIFEST_BLOB_UNKNOWN")


def _require(
    entry: Mapping[str, Any], there: Mapping[str, bytes], code: str, media_types: Collection[str] = ()
) -> None:
    digest = _digest(entry)
    if media_types and entry.get("mediaType") not in media_types:
        raise _invalid(f"{entry.get('mediaType')!a} cannot be in an index")
    if digest not in there:
        raise RegistryRefusal(400, code, f"{digest} is not there")
    if len(there[digest]) != entry.get("size"):
        raise _invalid(f"{digest} has another size")


def _digest(entry: Any) -> str:
    if not isinstance(entry, dict) or not isinstance(entry.get("digest"), str) or not entry.get("mediaType"):
        raise _invalid("a descriptor is not complete")
    return str(entry["digest"])


def _list(document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    value = document.get(key)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise _invalid(f"{key} is not a list")
    return value


def _invalid(message: str) -> RegistryRefusal:
    return RegistryRefusal(400, "MANIFEST_INVALID", message)
