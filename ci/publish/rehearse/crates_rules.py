"""What a registry demands of a crate that is published (the cargo book, "Web API"), and crates.io besides."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from ci.core import crate_file
from ci.core.cargo_registry import CRATES_IO
from ci.core.crate_file import CrateFile
from ci.core.errors import VerificationError

MOST_BYTES = 10 * 1024 * 1024
_MOST_KEYWORDS = 5
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_FEATURE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,19}")
_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(-(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(\.(0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*)?(\+[0-9A-Za-z.-]+)?",
    re.ASCII,
)
# From the fields that say the same as the table `package` of the manifest to its keys, and what stands for nothing.
_OF_THE_PACKAGE: Mapping[str, tuple[str, Any]] = {
    "name": ("name", None),
    "vers": ("version", None),
    "authors": ("authors", []),
    "description": ("description", None),
    "documentation": ("documentation", None),
    "homepage": ("homepage", None),
    "keywords": ("keywords", []),
    "categories": ("categories", []),
    "license": ("license", None),
    "license_file": ("license-file", None),
    "repository": ("repository", None),
    "links": ("links", None),
    "rust_version": ("rust-version", None),
}
_FIELDS = {*_OF_THE_PACKAGE, "deps", "features", "badges", "readme", "readme_file"}
_OF_A_DEPENDENCY = {
    "name", "version_req", "features", "optional", "default_features", "target", "kind", "registry",
}  # fmt: skip
_ALIAS = "explicit_name_in_toml"  # for a dependency that the manifest calls by another name


class NotPublished(Exception):
    """The registry refuses, with a status and the words that it has for it."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class PublishedCrate:
    """A crate that may be stored: the metadata that came with it, the bytes of its file, and what these say."""

    metadata: Mapping[str, Any]
    content: bytes
    found: CrateFile


def check(body: bytes) -> PublishedCrate:
    """The crate in the body of a request that keeps all rules; otherwise raises `NotPublished`."""
    if len(body) > MOST_BYTES:
        raise NotPublished(413, f"max upload size is: {MOST_BYTES}")
    metadata, content = _parts(body)
    if unknown := sorted(set(metadata) - _FIELDS):
        raise NotPublished(400, f"nobody knows the field {unknown[0]!a}")
    if missing := sorted(_FIELDS - set(metadata)):
        raise NotPublished(400, f"invalid upload request: missing field `{missing[0]}`")
    try:
        found = crate_file.read(content, "the tarball")
    except VerificationError as error:
        raise NotPublished(400, str(error)) from None
    for words in chain(_rules(metadata, found), _differences(metadata, found)):
        raise NotPublished(400, words)
    return PublishedCrate(metadata=metadata, content=content, found=found)


def _parts(body: bytes) -> tuple[dict[str, Any], bytes]:
    """The metadata and the file; each comes after its length, and nothing comes after them."""
    try:
        (length,) = struct.unpack_from("<I", body)
        text = body[4 : 4 + length]
        (size,) = struct.unpack_from("<I", body, 4 + length)
        content = body[8 + length :]
        metadata = json.loads(text)
    except (struct.error, ValueError) as error:
        raise NotPublished(400, f"invalid upload request: {error}") from None
    if len(text) != length or len(content) != size or not isinstance(metadata, dict):
        raise NotPublished(400, "invalid upload request: the lengths are wrong, or the metadata are no object")
    return metadata, content


def _rules(metadata: Mapping[str, Any], found: CrateFile) -> Iterator[str]:
    if not _NAME.fullmatch(found.name):
        yield f"invalid crate name: {found.name!a}"
    if not _SEMVER.fullmatch(found.version):
        yield f"{found.version!a} is an invalid semver version"
    lacking = [field for field in ("description", "license") if not (metadata[field] or "").strip()]
    if metadata["license_file"]:
        lacking = [field for field in lacking if field != "license"]
    if lacking:
        yield f"missing or empty metadata fields: {', '.join(lacking)}. Please see the manifest format"
    if len(metadata["keywords"]) > _MOST_KEYWORDS:
        yield f"expected at most {_MOST_KEYWORDS} keywords per crate"
    yield from (f"{word!a} is an invalid keyword" for word in metadata["keywords"] if not _KEYWORD.fullmatch(word))
    yield from (f"{name!a} is an invalid feature name" for name in found.features if not _FEATURE.fullmatch(name))
    for one in metadata["deps"]:
        if odd := sorted((set(one) ^ _OF_A_DEPENDENCY) - {_ALIAS}):
            yield f"a dependency has the fields {', '.join(odd)} too many or too few"
        elif one["registry"] != CRATES_IO:
            yield f"{one['name']}: this registry does not have it; say that it is in crates.io"
        elif "*" in one["version_req"]:
            yield f"wildcard (`*`) dependency constraints are not allowed: {one['name']}"


def _differences(metadata: Mapping[str, Any], found: CrateFile) -> Iterator[str]:
    """What the metadata say otherwise than the manifest in the file. crates.io does not compare all of it."""
    expected = {field: found.package.get(key, nothing) for field, (key, nothing) in _OF_THE_PACKAGE.items()}
    readme = found.package.get("readme") or None
    expected |= {"features": found.features, "badges": found.manifest.get("badges", {}), "readme_file": readme}
    expected["readme"] = found.files[readme].decode() if readme else None
    yield from (f"{field}: not that of the manifest" for field in expected if metadata[field] != expected[field])
    stated = {
        (one.get(_ALIAS) or one["name"], one["kind"], one["target"] or "", one["version_req"],
         one["optional"], one["default_features"], tuple(one["features"]), one["name"])
        for one in metadata["deps"]
    }  # fmt: skip
    real = {
        (one.alias or one.name, one.kind, one.target, one.requirement, one.optional, one.default_features,
         one.features, one.name)
        for one in found.dependencies
    }  # fmt: skip
    if stated != real:
        yield f"deps: not those of the manifest: {sorted(stated ^ real)[0][0]}"
