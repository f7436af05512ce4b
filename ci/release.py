"""What a release is: the frozen model that `ci.manifest.load` makes of `release.yaml`, and all else reads.

The fields hold what the manifest says, already checked one by one. The rules that bind several fields stand
beside them, in `RULES`; a rule names the keys that it reads, so that its fault has a position and it is left
out where one of those keys is itself at fault.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from ci.versions import Version

FORMAT = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """The published source tarball."""

    url: str
    sha256: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rpm:
    """What only the RPM has."""

    release: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Msys2:
    """What only the MSYS2 packages have."""

    release: int
    environments: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Homebrew:
    """What only the formula has: its tap (`owner/homebrew-name`) and the Python that it depends on."""

    tap: str
    python: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Base:
    """An image's base: a full reference with a tag, and its digest where it is pinned."""

    base: str
    digest: str | None = None

    @property
    def reference(self) -> str:
        """What `FROM` takes: the base, with its digest where it has one."""
        return f"{self.base}@{self.digest}" if self.digest else self.base


@dataclasses.dataclass(frozen=True, kw_only=True)
class Micro:
    """The Debian suite that the image from scratch is cut out of, and the Python which that suite has."""

    suite: str
    python: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Images:
    """The container images: what they share, then each flavour."""

    registry: str
    platforms: tuple[str, ...]
    user: int
    ubi: Base
    alpine: Base
    micro: Micro


@dataclasses.dataclass(frozen=True, kw_only=True)
class Waiver:
    """A finding of an ecosystem's check that is accepted, and why; in one file or, without `file`, in all."""

    tool: str
    rule: str
    reason: str
    file: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChangelogEntry:
    """One released version of `CHANGELOG.md`; each line is one item, its section first: `Fixed: ...`."""

    version: Version
    date: dt.date
    lines: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Release:
    """One release, as `release.yaml` and `CHANGELOG.md` tell it."""

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
    changelog: tuple[ChangelogEntry, ...]

    @property
    def epoch(self) -> int:
        """`SOURCE_DATE_EPOCH`: midnight UTC of the release's date."""
        return int(dt.datetime.combine(self.date, dt.time(), dt.UTC).timestamp())

    @property
    def sdist_name(self) -> str:
        """The file name of the source tarball (PEP 625)."""
        return sdist_name(self.name, self.version)

    def with_source_sha256(self, sha256: str) -> Release:
        """Return this release over another source tarball: the one that a snapshot has just made."""
        return dataclasses.replace(self, source=dataclasses.replace(self.source, sha256=sha256))


def sdist_name(name: str, version: Version) -> str:
    """Spell the source tarball's file name as PEP 625 has it."""
    return f"{name.replace('-', '_')}-{version}.tar.gz"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule over several keys: `check` gets their values in order and returns what is wrong, or nothing.

    The fault is reported at the first key.
    """

    keys: tuple[str, ...]
    check: Callable[..., str | None]

    def fault(self, values: Mapping[str, Any]) -> str | None:
        """Return what is wrong, or None where all is well."""
        return self.check(*(values[key] for key in self.keys))


def _url_names_the_sdist(url: str, name: str, version: Version) -> str | None:
    segments = unquote(urlsplit(url).path).split("/")
    wanted = sdist_name(name, version)
    if segments[-1] != wanted:
        return f'ends in "{segments[-1]}", which is not this version\'s source tarball; "{wanted}"'
    # The tag stands in the URL too, and a version that is bumped in one place only gives a link to nowhere.
    if segments[-4:-2] == ["releases", "download"] and segments[-2] != version.tag:
        return f'holds the tag "{segments[-2]}", which is not this version\'s; "{version.tag}"'
    return None


def _summary_leaves_out_the_name(summary: str, name: str) -> str | None:
    words = "".join(char if char.isalnum() else " " for char in summary.lower()).split()
    if words[: name.count("-") + 1] == name.split("-"):
        return f'begins with the name "{name}"; say what it is, Homebrew shows the name beside it'
    return None


def _python_is_new_enough(python: str, oldest: str) -> str | None:
    if _minor(python) < _minor(oldest):
        return f'Python {python} is older than the oldest that the runtime supports; "{oldest}" or later'
    return None


def _minor(python: str) -> tuple[int, ...]:
    return tuple(int(part) for part in python.split("."))


RULES: tuple[Rule, ...] = (
    Rule(keys=("source.url", "name", "version"), check=_url_names_the_sdist),
    Rule(keys=("summary", "name"), check=_summary_leaves_out_the_name),
    Rule(keys=("homebrew.python", "python"), check=_python_is_new_enough),
    Rule(keys=("images.micro.python", "python"), check=_python_is_new_enough),
)
