"""The frozen model of a release: `ci.manifest.reader.load` makes it from `release.yaml`, and all stages read it.

The fields have the values of the manifest, each of which was checked. Rules about several fields are in `RULES`. A
rule names the keys that it reads: its fault is reported at the first of them, and it is not checked if one of them
has a fault already.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from ci.manifest.targets import Targets
from ci.manifest.versions import Version

FORMAT = 1
_DUE_WITHIN = dt.timedelta(days=30)
FLAVOURS = ("ubi", "alpine", "micro")  # of the container images


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """The published source tarball."""

    url: str
    sha256: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rpm:
    """The values for the RPM alone."""

    release: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Msys2:
    """The values for the MSYS2 packages alone."""

    release: int
    environments: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Homebrew:
    """The values for the formula alone: its tap (`owner/homebrew-name`) and the Python that it depends on."""

    tap: str
    python: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Base:
    """The base of an image: a full reference with a tag, and its digest if it is pinned."""

    base: str
    digest: str | None = None

    @property
    def reference(self) -> str:
        """The reference for `FROM`: the base, with its digest if it has one."""
        return f"{self.base}@{self.digest}" if self.digest else self.base


@dataclasses.dataclass(frozen=True, kw_only=True)
class Micro:
    """The Debian suite whose files the image from scratch has, and the Python of that suite."""

    suite: str
    python: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Images:
    """The container images: what they have in common, then each flavour."""

    registry: str
    platforms: tuple[str, ...]
    user: int
    ubi: Base
    alpine: Base
    micro: Micro


@dataclasses.dataclass(frozen=True, kw_only=True)
class Waiver:
    """A finding of a linter that is accepted, why, and the last day; in one file or, without `file`, in all files."""

    tool: str
    rule: str
    reason: str
    until: dt.date
    file: str | None = None

    def __str__(self) -> str:
        """Return its name: the linter, the rule and the file."""
        return f"{self.tool} {self.rule} in {self.file}" if self.file else f"{self.tool} {self.rule}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Budgets:
    """By how many per cent an artefact may grow since the previous release: an image, and every other artefact."""

    image: int
    package: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class PackageKey:
    """An OpenPGP key that packages are signed with: its fingerprint, the file of its public half, and its last day."""

    openpgp: str
    file: str
    until: dt.date


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttestationKey:
    """An Ed25519 key that statements are signed with: the file of its public half (PEM, SubjectPublicKeyInfo)."""

    ed25519: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Keys:
    """The public keys, in files of the repository. The first of a list signs, the others are announced or retired."""

    packages: tuple[PackageKey, ...]
    attestations: tuple[AttestationKey, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class MayNotRun:
    """A reason of "not run" that may be published: what it contains, of which gate, and why that is accepted.

    `gate` is "verify" for the verification of single artefacts, "reproduce" for the comparison of two builds.
    """

    gate: str
    contains: str
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChangelogEntry:
    """One released version of `CHANGELOG.md`; each line is one item, its section first: `Fixed: ...`."""

    version: Version
    date: dt.date
    lines: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Release:
    """One release, as described by `release.yaml` and `CHANGELOG.md`."""

    name: str
    version: Version
    date: dt.date
    summary: str
    description: str
    license: str
    vendor: str
    maintainer: str
    home: str
    documentation: str
    python: str
    source: Source
    rpm: Rpm
    msys2: Msys2
    homebrew: Homebrew
    images: Images
    waivers: tuple[Waiver, ...]
    budgets: Budgets
    keys: Keys
    targets: Targets
    may_not_run: tuple[MayNotRun, ...]
    changelog: tuple[ChangelogEntry, ...]

    @property
    def epoch(self) -> int:
        """`SOURCE_DATE_EPOCH`: midnight UTC of the release's date."""
        return int(dt.datetime.combine(self.date, dt.time(), dt.UTC).timestamp())

    @property
    def sdist_name(self) -> str:
        """The file name of the source tarball (PEP 625)."""
        return sdist_name(self.name, self.version)

    @property
    def sdist_top(self) -> str:
        """The name of the one folder at the top of the source tarball."""
        return self.sdist_name.removesuffix(".tar.gz")

    @property
    def is_published(self) -> bool:
        """Whether the manifest has the hash of a source tarball; zeros stand for one that is not published yet."""
        return self.source.sha256.strip("0") != ""

    @property
    def waivers_due(self) -> tuple[Waiver, ...]:
        """The waivers that end within 30 days of the release's date: soon somebody must look at them again."""
        return tuple(waiver for waiver in self.waivers if waiver.until <= self.date + _DUE_WITHIN)

    def with_source_sha256(self, sha256: str) -> Release:
        """This release with the hash of another source tarball: the one that a snapshot has just made."""
        return dataclasses.replace(self, source=dataclasses.replace(self.source, sha256=sha256))


def sdist_name(name: str, version: Version) -> str:
    """The file name of the source tarball according to PEP 625."""
    return f"{name.replace('-', '_')}-{version}.tar.gz"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule over several keys: `check` gets their values in order and returns what is wrong, or nothing.

    The fault is reported at the first key.
    """

    keys: tuple[str, ...]
    check: Callable[..., str | None]

    def fault(self, values: Mapping[str, Any]) -> str | None:
        """What is wrong, or None."""
        return self.check(*(values[key] for key in self.keys))


def _url_names_the_sdist(url: str, name: str, version: Version) -> str | None:
    segments = unquote(urlsplit(url).path).split("/")
    wanted = sdist_name(name, version)
    if segments[-1] != wanted:
        return f'ends in "{segments[-1]}", but this version\'s source tarball is "{wanted}"'
    # The URL contains the tag too: if only one of them is changed, the URL does not exist.
    if segments[-4:-2] == ["releases", "download"] and segments[-2] != version.tag:
        return f'contains the tag "{segments[-2]}", but this version\'s tag is "{version.tag}"'
    return None


def _summary_leaves_out_the_name(summary: str, name: str) -> str | None:
    words = "".join(char if char.isalnum() else " " for char in summary.lower()).split()
    if words[: name.count("-") + 1] == name.split("-"):
        return f'begins with the name "{name}"; remove it, Homebrew shows the name beside the summary'
    return None


def _python_is_new_enough(python: str, oldest: str) -> str | None:
    if _minor(python) < _minor(oldest):
        return f'Python {python} is not supported by the runtime; expected "{oldest}" or later'
    return None


def _minor(python: str) -> tuple[int, ...]:
    return tuple(int(part) for part in python.split("."))


RULES: tuple[Rule, ...] = (
    Rule(keys=("source.url", "name", "version"), check=_url_names_the_sdist),
    Rule(keys=("summary", "name"), check=_summary_leaves_out_the_name),
    Rule(keys=("homebrew.python", "python"), check=_python_is_new_enough),
    Rule(keys=("images.micro.python", "python"), check=_python_is_new_enough),
)
