"""The distribution's packages in an image on a base, which its package manager has fetched while the image was built.

No mirror keeps old versions for sure, and a Containerfile that names versions could soon be built by nobody. So a build
that is locked to a list of inputs installs what there is, and is refused if that is something else than the list says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from ci.core.errors import UnavailableError
from ci.core.run import Runner
from ci.images import archive_parts
from ci.pipeline.inputs import InstalledPackage
from ci.sboms import packages


def path_of(flavour: str, architecture: str) -> str:
    """The path in `dist/` of the list of packages in an image."""
    return f"installed/{flavour}-{architecture}.json"


def read(
    archive: Path, flavour: str, architecture: str, *, own: str, folder: Path, run: Runner
) -> list[InstalledPackage]:
    """The packages in the archive of a finished image, without our `own`, sorted. rpm works in `folder`."""
    parts = archive_parts.read(archive, re.compile(packages.LISTS))
    found = {(one.name, one.version) for one in packages.installed(parts.tree, folder, run) if one.name != own}
    return [
        InstalledPackage(flavour=flavour, architecture=architecture, name=name, version=version)
        for name, version in sorted(found)
    ]


def write_list(path: Path, found: Iterable[InstalledPackage]) -> None:
    """Write the list of an image's packages."""
    path.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", encoding="utf-8")


def read_list(path: Path) -> list[InstalledPackage]:
    """Read a list that `write_list` wrote."""
    return [InstalledPackage(**entry) for entry in json.loads(path.read_bytes())]


def require_locked(image: str, found: Sequence[InstalledPackage], locked: Sequence[InstalledPackage]) -> None:
    """Raise `UnavailableError` that names the first package of an image that is not the locked one."""
    for name in sorted({one.name for one in (*found, *locked)}):
        here, wanted = (", ".join(one.version for one in some if one.name == name) for some in (found, locked))
        if here == wanted:
            continue
        if wanted:
            what = (
                f"package {name} {wanted} is missing: the image got {f'{name} {here}' if here else 'no such package'}"
            )
        else:
            what = f"package {name} {here} is in the image, and not among the inputs"
        raise UnavailableError(f"--locked: {image}: {what}", hint=_HINT)


_HINT = (
    "the mirror of the distribution has replaced or dropped a version: build where a mirror or a proxy still has it, "
    "or release a new version"
)
