"""Reads `.crate` files, and says what the index of a registry has of each.

The forms are those of the cargo book, "Registries": the manifest in a `.crate` file is the normalised one, which cargo
writes when it packs.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ci.core.errors import VerificationError
from ci.core.tars import DAMAGED

_TABLES = {"dependencies": "normal", "dev-dependencies": "dev", "build-dependencies": "build"}
_LARGEST_BYTES = 100_000_000
_COMPARISON = re.compile(r"(?P<sign>[<>=^~]*)\s*(?P<version>\S+)")


@dataclass(frozen=True, kw_only=True)
class CrateDependency:
    """A dependency on another crate. `alias` is the name that it has in the manifest, if that is another one.

    `requirement` is spelled as cargo writes it: "^1". `target` is the platform that it is for; empty for all. `kind` is
    "normal", "dev" or "build".
    """

    name: str
    requirement: str
    features: tuple[str, ...]
    optional: bool
    default_features: bool
    target: str
    kind: str
    alias: str = ""


@dataclass(frozen=True, kw_only=True)
class CrateFile:
    """A `.crate` file: its manifest, and its other files by their paths without the folder at the top."""

    sha256: str
    manifest: Mapping[str, Any]
    files: Mapping[str, bytes]

    @property
    def package(self) -> Mapping[str, Any]:
        """The table `package` of the manifest."""
        table: Mapping[str, Any] = self.manifest["package"]
        return table

    @property
    def name(self) -> str:
        """The crate's name."""
        return str(self.package["name"])

    @property
    def version(self) -> str:
        """The crate's version."""
        return str(self.package["version"])

    @property
    def features(self) -> dict[str, list[str]]:
        """What each feature switches on."""
        return dict(self.manifest.get("features", {}))

    @property
    def dependencies(self) -> tuple[CrateDependency, ...]:
        """The dependencies of all kinds, for all platforms."""
        platforms = {"": self.manifest, **self.manifest.get("target", {})}
        return tuple(one for target, tables in platforms.items() for one in _dependencies(tables, target))


def file_name(name: str, version: str) -> str:
    """The name of a version's file."""
    return f"{name}-{version}.crate"


def read(data: bytes, what: str) -> CrateFile:
    """Read the bytes of a `.crate` file; `VerificationError` says what is wrong with any others, which are `what`."""
    try:
        files = dict(_members(data))
        tops = {path.partition("/")[0] for path in files}
        if len(tops) != 1:
            raise ValueError(f"it has {len(tops)} folders at its top, not one")
        inside = {path.partition("/")[2]: content for path, content in files.items()}
        found = CrateFile(
            sha256=hashlib.sha256(data).hexdigest(),
            manifest=tomllib.loads(inside["Cargo.toml"].decode()),
            files=inside,
        )
        if (top := tops.pop()) != f"{found.name}-{found.version}":
            raise ValueError(f"its manifest is of {found.name} {found.version}, and the folder at its top is {top}")
    except (AttributeError, OSError, *DAMAGED) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise VerificationError(f"{what}: it is no .crate file: {why}") from error
    return found


def _members(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Path and content of each file; a `.crate` file has neither links nor folders."""
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        plain = file.read(_LARGEST_BYTES + 1)  # to its end, where the checksum is
    if len(plain) > _LARGEST_BYTES:
        raise ValueError("it is too large")
    seen = set()
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            parts = member.name.split("/")
            if content is None or len(parts) < 2 or not all(parts) or {".", ".."} & set(parts):
                raise ValueError(f"{member.name!a} is no file in a folder")
            if member.name in seen:
                raise ValueError(f"{member.name!a} is there twice")
            seen.add(member.name)
            yield member.name, content.read()


def _dependencies(tables: Mapping[str, Any], target: str) -> Iterator[CrateDependency]:
    for table, kind in _TABLES.items():
        for name, stated in tables.get(table, {}).items():
            details = {"version": stated} if isinstance(stated, str) else stated
            package = details.get("package", name)
            yield CrateDependency(
                name=package,
                requirement=requirement(details["version"]),
                features=tuple(details.get("features", ())),
                optional=bool(details.get("optional", False)),
                default_features=bool(details.get("default-features", True)),
                target=target,
                kind=kind,
                alias="" if package == name else name,
            )


def requirement(stated: str) -> str:
    """A requirement as cargo spells it: a version alone means "^" and that version."""
    parts = []
    for part in stated.split(","):
        found = _COMPARISON.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"{stated!a} is no requirement")
        plain = not found["sign"] and "*" not in found["version"]
        parts.append(f"{'^' if plain else found['sign']}{found['version']}")
    return ", ".join(parts)


def index_path(name: str) -> str:
    """Where the index has a crate: "fa/as/faas-function"."""
    name = name.lower()
    short = {1: "1", 2: "2", 3: f"3/{name[:1]}"}
    return f"{short.get(len(name), f'{name[:2]}/{name[2:4]}')}/{name}"


def index_entry(found: CrateFile, registry: str | None = None) -> dict[str, Any]:
    """The line of the index about a crate. `registry` is where its dependencies are, if that is another index."""
    return {
        "name": found.name,
        "vers": found.version,
        "deps": [_index_dependency(one, registry) for one in found.dependencies],
        "cksum": found.sha256,
        "features": {},
        "features2": found.features,
        "yanked": False,
        "links": found.package.get("links"),
        "rust_version": found.package.get("rust-version"),
        "v": 2,
    }


def _index_dependency(one: CrateDependency, registry: str | None) -> dict[str, Any]:
    return {
        "name": one.alias or one.name,
        "req": one.requirement,
        "features": list(one.features),
        "optional": one.optional,
        "default_features": one.default_features,
        "target": one.target or None,
        "kind": one.kind,
        "registry": registry,
        "package": one.name if one.alias else None,
    }
