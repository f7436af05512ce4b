"""Where the targets are: the servers that the manifest names, or those of a rehearsal."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.core.errors import UsageError
from ci.core.secrets import Secret
from ci.manifest.release import Release
from ci.publish import tokens

GITHUB_API = "https://api.github.com"
GITHUB_UPLOADS = "https://uploads.github.com"


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
    repositories: Path | None = None
    tap: str = ""
    tokens: Mapping[str, Secret]

    @property
    def github_origins(self) -> tuple[str, ...]:
        """Where GitHub's token may be sent to."""
        return tuple(dict.fromkeys((self.github, self.github_uploads)))


def of_manifest(release: Release, only: tuple[str, ...]) -> Places:
    """The places that the manifest names, with the tokens of this machine; of `only`, or of all if it is empty.

    `UsageError` says which variable is missing.
    """
    targets = release.targets
    named = {"github": targets.github, "registry": targets.registry, "pypi": targets.pypi, "tap": targets.tap}
    wanted = {name: place for name, place in named.items() if place is not None and (not only or name in only)}
    host, _, images = release.images.registry.partition("/")
    users = basic_users(release)
    return Places(
        github=GITHUB_API if "github" in wanted else "",
        github_uploads=GITHUB_UPLOADS,
        registry=f"https://{host}" if "registry" in wanted else "",
        images=images,
        pypi_upload=targets.pypi.upload if targets.pypi and "pypi" in wanted else "",
        pypi_index=targets.pypi.index if targets.pypi and "pypi" in wanted else "",
        repositories=_folder(targets.repositories.folder) if not only or {"yum", "pacman"} & set(only) else None,
        tap=targets.tap.url if targets.tap and "tap" in wanted else "",
        tokens={name: tokens.read(place.token, *users.get(name, ())) for name, place in wanted.items()},
    )


def basic_users(release: Release) -> dict[str, tuple[str, ...]]:
    """By the name of a target, the users that its token is sent with in HTTP's basic authentication."""
    registry = release.targets.registry
    return {
        "registry": (registry.user,) if registry else (),
        "pypi": ("__token__",),
        "tap": ("x-access-token",),
    }


def _folder(variable: str) -> Path:
    named = os.environ.get(variable, "")
    if not named or not Path(named).is_dir():
        what = f"names no folder: {named}" if named else "is not set"
        raise UsageError(
            f"{variable} {what}", hint="set it to the folder that the web server of the package repositories offers"
        )
    return Path(named)
