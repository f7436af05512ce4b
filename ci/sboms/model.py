"""What an artefact consists of, as both formats of SBOMs list it."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ci.manifest.release import Release


@dataclass(frozen=True, kw_only=True)
class File:
    """A file: its path in the artefact, without a leading slash, and its hashes in hexadecimal.

    SPDX 2.3 demands SHA-1 of every file and makes a package's verification code of it; trust the SHA-256.
    """

    path: str
    sha1: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Licence:
    """The licence that a package declares, as an SPDX expression.

    `texts` has the text of each licence in it whose identifier begins with "LicenseRef-": one that SPDX does not list.
    """

    expression: str
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Package:
    """A piece of software with its package URL. `files` are listed for our own packages only.

    `licence` is None if the package does not say it.
    """

    name: str
    version: str
    purl: str
    licence: Licence | None = None
    files: tuple[File, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dependency:
    """What an artefact needs and does not contain, such as a Python.

    `versions` is what it demands of the version, as its packaging system writes it; empty if any will do.
    `purl`, `url` and `sha256` are known if the artefact names one certain file.
    """

    name: str
    versions: str = ""
    purl: str = ""
    url: str = ""
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class System:
    """The distribution that an image is made of, by the identifier and the version in its `os-release`."""

    name: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Contents:
    """An artefact. `main` is the artefact itself; `name` and `sha256` are those of the file.

    `sha256` is empty for a document that lies in the artefact. `purpose` is "source", "install", "container" or "file".
    In an image, `own` is our package, and `packages` are the distribution's. `uses` are the URLs of those among them
    that our package runs on.
    """

    name: str
    sha256: str
    purpose: str
    main: Package
    own: Package | None = None
    system: System | None = None
    packages: tuple[Package, ...] = ()
    uses: tuple[str, ...] = ()
    needs: tuple[Dependency, ...] = ()

    @property
    def contained(self) -> tuple[Package, ...]:
        """The packages in an image, our own first."""
        return (*((self.own,) if self.own else ()), *self.packages)

    @property
    def licence_texts(self) -> dict[str, str]:
        """The texts of all licences that SPDX does not list, by their identifiers."""
        licences = [package.licence for package in (self.main, *self.contained) if package.licence]
        return {name: text for licence in licences for name, text in sorted(licence.texts.items())}


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """Who publishes the artefacts, from where, what makes the documents (`NAME-VERSION`), and the release's date.

    `epoch` is that date in seconds since 1970.
    """

    name: str
    home: str
    tool: str
    epoch: int

    @classmethod
    def of(cls, release: Release) -> Publisher:
        """The publisher of a release."""
        tool = f"{release.name}-release-tooling-{release.version}"
        return cls(name=release.vendor, home=release.home, tool=tool, epoch=release.epoch)


def files_of(contents: Mapping[str, bytes]) -> tuple[File, ...]:
    """The files with their hashes, sorted by path."""
    return tuple(
        File(
            path=path,
            sha1=hashlib.sha1(data, usedforsecurity=False).hexdigest(),
            sha256=hashlib.sha256(data).hexdigest(),
        )
        for path, data in sorted(contents.items())
    )


def verification_code(files: Iterable[File]) -> str:
    """The verification code of a package by SPDX 2.3, clause 7.9: one SHA-1 over the sorted ones of its files."""
    joined = "".join(sorted(file.sha1 for file in files))
    return hashlib.sha1(joined.encode(), usedforsecurity=False).hexdigest()


def identity(document: Mapping[str, Any]) -> uuid.UUID:
    """A UUIDv5 over the contents of a document that has no identity yet: the same contents have the same."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return uuid.uuid5(uuid.NAMESPACE_OID, hashlib.sha256(canonical.encode()).hexdigest())


def written(document: Mapping[str, Any]) -> bytes:
    """The bytes of a document."""
    return json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False).encode() + b"\n"
