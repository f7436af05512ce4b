"""A local registry: a folder of `.crate` files with an index, out of which cargo builds without a network.

Its form is that of the cargo book, "Source Replacement".
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.core import crate_file
from ci.core.homes import home_of

CRATES_IO = "https://github.com/rust-lang/crates.io-index"
"""What cargo calls the registry crates.io, in manifests and in an index."""

_INDEX_OF_CRATES_IO = "https://index.crates.io"


@dataclass(frozen=True, kw_only=True)
class LockedCrate:
    """A crate of a registry, as `Cargo.lock` has it."""

    name: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return crate_file.file_name(self.name, self.version)


def is_crates_io(index: str) -> bool:
    """Whether a sparse index is that of crates.io."""
    return index.rstrip("/") == _INDEX_OF_CRATES_IO


def locked(lock: Path) -> tuple[LockedCrate, ...]:
    """The crates of registries that a `Cargo.lock` names."""
    packages = tomllib.loads(lock.read_text(encoding="utf-8")).get("package", ())
    return tuple(
        LockedCrate(name=one["name"], version=one["version"], sha256=one["checksum"])
        for one in packages
        if "checksum" in one
    )


def caches() -> Iterator[Path]:
    """The folders in which cargo keeps the `.crate` files that it has fetched."""
    yield from sorted((home_of("CARGO_HOME", ".cargo") / "registry" / "cache").glob("*"))


def kept(one: LockedCrate, folders: Iterable[Path]) -> bytes | None:
    """The bytes of a crate, if one of some folders has them."""
    for folder in folders:
        path = folder / one.file_name
        if path.is_file() and hashlib.sha256(data := path.read_bytes()).hexdigest() == one.sha256:
            return data
    return None


def add(folder: Path, name: str, data: bytes) -> None:
    """Add a crate, by the bytes of its file, to a local registry in a folder."""
    found = crate_file.read(data, name)
    index = folder / "index" / crate_file.index_path(found.name)
    index.parent.mkdir(parents=True, exist_ok=True)
    with index.open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(crate_file.index_entry(found), sort_keys=True)}\n")
    (folder / crate_file.file_name(found.name, found.version)).write_bytes(data)


def options(folder: Path) -> tuple[str, ...]:
    """The options by which cargo takes all crates of crates.io out of a local registry, and asks no network."""
    return ("--offline", *instead_of_crates_io(folder))


def instead_of_crates_io(folder: Path) -> tuple[str, ...]:
    """The options by which cargo takes all crates of crates.io out of a local registry."""
    return _set({"source.crates-io.replace-with": "kept", "source.kept.local-registry": str(folder)})


def named(name: str, index: str) -> tuple[str, ...]:
    """The options by which cargo knows a registry by a name, with its sparse index."""
    return _set({f"registries.{name}.index": f"sparse+{index.rstrip('/')}/"})


def _set(settings: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(word for key, value in settings.items() for word in ("--config", f"{key}={json.dumps(value)}"))
