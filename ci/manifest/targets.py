"""Where a release is published to: the part `targets` of the model of a release."""

from __future__ import annotations

import dataclasses

from ci.manifest.versions import Version


@dataclasses.dataclass(frozen=True, kw_only=True)
class Copr:
    """The project of COPR (`owner/project`) that Packit builds the RPM in, and the distributions it is built for."""

    project: str
    chroots: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Repositories:
    """The package repositories: `url` is that of the folder with yum/ and pacman/, `folder` the variable that names it.

    The variable is read where a release is published.
    """

    url: str
    folder: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class GitHubPage:
    """The repository (`owner/name`) with the release page, and the variable that has its token."""

    repository: str
    token: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class FloatingTag:
    """A tag that points to the newest release of its line; of one flavour, or of each."""

    tag: str
    flavour: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RegistryAccess:
    """How images are pushed to `images.registry`: user, variable of the token, and the tags that move."""

    user: str
    token: str
    floating: tuple[FloatingTag, ...]

    def floating_of(self, version: Version, flavour: str) -> dict[str, str]:
        """The tags of a flavour that move with a version, each with its line: "0.1", or "" for all versions."""
        minor = ".".join(version.release.split(".")[:2])
        mine = (one.tag for one in self.floating if one.flavour in (None, flavour))
        return {tag.format(minor=minor, flavour=flavour): minor if "{minor}" in tag else "" for tag in mine}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TapAccess:
    """The git repository of the tap, its branch, and the variable of the token."""

    url: str
    branch: str
    token: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class PyPIAccess:
    """Where files are uploaded to, the simple index that has them then, and the variable of the token."""

    upload: str
    index: str
    token: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class CratesAccess:
    """The sparse index of a registry of cargo, its API, and the variable of the token."""

    index: str
    api: str
    token: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Targets:
    """Where a release is published to. A place that the manifest leaves out is None."""

    repositories: Repositories
    copr: Copr
    github: GitHubPage | None = None
    registry: RegistryAccess | None = None
    tap: TapAccess | None = None
    pypi: PyPIAccess | None = None
    crates: CratesAccess | None = None
