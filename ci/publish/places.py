"""Where the targets are: the servers that the manifest names, or those of a rehearsal."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.core.errors import UsageError
from ci.core.registries import answering_host
from ci.core.secrets import Secret
from ci.manifest.release import Release
from ci.publish import tokens
from ci.publish.run import ORDER

GITHUB_API = "https://api.github.com"
GITHUB_UPLOADS = "https://uploads.github.com"
_TREES = {"yum", "pacman"}
_NOT_IN_TESTING = {"pypi", "crates", "tap"}


@dataclass(frozen=True, kw_only=True)
class Places:
    """The addresses, and by the name of a target its token; a target without an address is left out.

    `repositories` is the folder with the trees. `registry` is the origin of the registry, `images` the path of the
    images below it.
    """

    github: str = ""
    github_uploads: str = ""
    registry: str = ""
    images: str = ""
    pypi_upload: str = ""
    pypi_index: str = ""
    crates_index: str = ""
    crates_api: str = ""
    repositories: Path | None = None
    tap: str = ""
    tokens: Mapping[str, Secret]

    @property
    def github_origins(self) -> tuple[str, ...]:
        """Where GitHub's token may be sent to."""
        return tuple(dict.fromkeys((self.github, self.github_uploads)))


def of_manifest(release: Release, only: tuple[str, ...], *, testing: bool = False) -> Places:
    """The places that the manifest names, with the tokens of this machine; of `only`, or of all if it is empty.

    With `testing`, those without a channel for it are left out. `UsageError` names every variable that is wrong.
    """
    named = _named(release)
    _require_names(only, named, testing=testing)
    chosen = set(only or named) - (_NOT_IN_TESTING if testing else set())
    wanted = {name: variable for name, variable in named.items() if name in chosen}
    targets = release.targets
    known, folder = _from_environment(release, wanted)
    host, _, images = release.images.registry.partition("/")
    return Places(
        github=GITHUB_API if "github" in wanted else "",
        github_uploads=GITHUB_UPLOADS,
        registry=f"https://{answering_host(host)}" if "registry" in wanted else "",
        images=images,
        pypi_upload=targets.pypi.upload if targets.pypi and "pypi" in wanted else "",
        pypi_index=targets.pypi.index if targets.pypi and "pypi" in wanted else "",
        crates_index=targets.crates.index if targets.crates and "crates" in wanted else "",
        crates_api=targets.crates.api if targets.crates and "crates" in wanted else "",
        repositories=folder,
        tap=targets.tap.url if targets.tap and "tap" in wanted else "",
        tokens=known,
    )


def _named(release: Release) -> dict[str, str]:
    """The targets that the manifest names, in their order; each with the variable of its token or of its folder."""
    targets = release.targets
    access = {"github": targets.github, "registry": targets.registry, "pypi": targets.pypi, "crates": targets.crates}
    variables = {name: place.token for name, place in {**access, "tap": targets.tap}.items() if place is not None}
    variables |= dict.fromkeys(_TREES, targets.repositories.folder)
    return {name: variables[name] for name in ORDER if name in variables}


def _require_names(only: tuple[str, ...], named: Collection[str], *, testing: bool) -> None:
    """Raise `UsageError` unless all names of `--only` are targets here."""
    for name in only:
        if name not in ORDER:
            raise UsageError(f"--only {name}: there is no such target", hint=f"one of: {', '.join(named)}")
        if name not in named:
            raise UsageError(f"--only {name}: release.yaml does not name it", hint=f"one of: {', '.join(named)}")
        if testing and name in _NOT_IN_TESTING:
            raise UsageError(
                f"--only {name}: it has no channel for testing", hint="only a final version goes there, to everybody"
            )


def _from_environment(release: Release, wanted: Mapping[str, str]) -> tuple[dict[str, Secret], Path | None]:
    """The tokens, and the folder of the repositories. One `UsageError` has all that is wrong with the variables."""
    users, faults = basic_users(release), []
    known: dict[str, Secret] = {}
    folder = None
    for name, variable in wanted.items():
        try:
            if name not in _TREES:
                known[name] = tokens.read(variable, *users.get(name, ()))
            elif folder is None:
                folder = folder_of(variable)
        except UsageError as error:
            faults.append(error)
    texts = list(dict.fromkeys(map(str, faults)))  # the folder is that of two targets
    if len(texts) == 1:
        raise faults[0]
    if texts:
        raise UsageError("\n".join(texts), hint='set them all; docs/publishing.md, "Tokens", says what each one is')
    return known, folder


def basic_users(release: Release) -> dict[str, tuple[str, ...]]:
    """By the name of a target, the users that its token is sent with in HTTP's basic authentication."""
    registry = release.targets.registry
    return {
        "registry": (registry.user,) if registry else (),
        "pypi": ("__token__",),
        "tap": ("x-access-token",),
    }


def folder_of(variable: str) -> Path:
    """The folder of the package repositories, which a variable names; `UsageError` unless there is one."""
    named = os.environ.get(variable, "")
    if not named or not Path(named).is_dir():
        what = f"names no folder: {named}" if named else "is not set"
        raise UsageError(
            f"{variable} {what}", hint="set it to the folder that the web server of the package repositories offers"
        )
    return Path(named)
