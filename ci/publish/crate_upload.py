"""What a registry is sent with a crate (the cargo book, "Web API"): read out of the file itself, as cargo does."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from ci.core.crate_file import CrateDependency, CrateFile

MEDIA_TYPE = "application/octet-stream"


def metadata(found: CrateFile, registry: str | None) -> dict[str, Any]:
    """The metadata of a crate; `registry` is where its dependencies are, if that is another one."""
    package = found.package
    readme = package.get("readme")
    return {
        "name": found.name,
        "vers": found.version,
        "deps": [_dependency(one, registry) for one in found.dependencies],
        "features": found.features,
        "authors": package.get("authors", []),
        "description": package.get("description"),
        "documentation": package.get("documentation"),
        "homepage": package.get("homepage"),
        "readme": found.files[readme].decode() if readme else None,
        "readme_file": readme or None,
        "keywords": package.get("keywords", []),
        "categories": package.get("categories", []),
        "license": package.get("license"),
        "license_file": package.get("license-file"),
        "repository": package.get("repository"),
        "badges": found.manifest.get("badges", {}),
        "links": package.get("links"),
        "rust_version": package.get("rust-version"),
    }


def _dependency(one: CrateDependency, registry: str | None) -> dict[str, Any]:
    return {
        "optional": one.optional,
        "default_features": one.default_features,
        "name": one.name,
        "features": list(one.features),
        "version_req": one.requirement,
        "target": one.target or None,
        "kind": one.kind,
        "registry": registry,
        **({"explicit_name_in_toml": one.alias} if one.alias else {}),
    }


def body(stated: Mapping[str, Any], content: bytes) -> bytes:
    """The body of the request: the metadata and the file, each after its length."""
    text = json.dumps(stated, ensure_ascii=False, separators=(",", ":")).encode()
    return b"".join((struct.pack("<I", len(text)), text, struct.pack("<I", len(content)), content))
