"""The Debian packages that a root was unpacked from: their list, the kept archives, and a repository made of them.

`dist/.cache/debian/` keeps each archive under its SHA-256, and so may `dist/inputs/`. Another build can then take
exactly the same packages, also when the distribution's mirrors have newer ones. What they do not have any more comes
from Debian's snapshot service, by the day on which the list was made.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import urllib.parse
from collections.abc import Iterable, Sequence
from pathlib import Path

from ci.core.errors import CommandFailed, UnavailableError
from ci.core.files import sha256_of, write_atomically
from ci.core.run import Runner
from ci.images import debian_root, debian_snapshot
from ci.pipeline.inputs import DebianPackage, Inputs
from ci.pipeline.stored_inputs import Store

_CACHE = ".cache/debian"
# What apt says of a package that the archive has in other versions only, or not at all.
_DROPPED = re.compile(r"Version '[^']*' for '[^']*' was not found|Unable to locate package|no installation candidate")


def keep(dist: Path, root: Path, architecture: str) -> list[DebianPackage]:
    """Keep the archives that are in a fetched root; returns the list of them, sorted by name."""
    found = []
    for deb in debian_root.archives(root):
        control = debian_root.package_of(deb).control
        fields = dict(re.findall(r"^(Package|Version): (.*)$", control, re.MULTILINE))
        sha256 = hashlib.sha256(deb).hexdigest()
        one = DebianPackage(
            name=fields["Package"],
            version=fields["Version"],
            root=architecture,
            sha256=sha256,
            size=len(deb),
        )
        if not is_kept(dist, one):
            write_atomically(kept(dist, one), deb)
        found.append(one)
    return sorted(found, key=lambda package: package.name)


def write_list(path: Path, packages: Iterable[DebianPackage], day: str) -> None:
    """Write the list of a root's packages. `day` is the one on which the archive had them; empty if unknown."""
    document = {"archive": day, "packages": [package.entry() for package in packages]}
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_list(path: Path) -> tuple[list[DebianPackage], str]:
    """Read what `write_list` wrote: the packages and the day."""
    document = json.loads(path.read_bytes())
    return [DebianPackage(**entry) for entry in document["packages"]], document["archive"]


def fetch_locked(
    dist: Path, run: Runner, target: Path, wanted: debian_root.Wanted, given: Inputs, scratch: Path
) -> None:
    """Write the root that consists of exactly the packages of a list; those that are not kept are fetched.

    Raises `UnavailableError` that names the first one that cannot be had.
    """
    fetch_missing(dist, run, wanted, given, scratch)
    locked = given.debian_of(wanted.architecture)
    # Not in the checkout: without root, mmdebstrap reads it as a user who may not enter the caller's folders.
    with tempfile.TemporaryDirectory(prefix="faas-runtime-debian-") as name:
        repository = Path(name)
        repository.chmod(0o755)
        write_repository(dist, locked, repository)
        place = urllib.parse.quote(str(repository))
        debian_root.fetch(run, target, wanted, f"deb [trusted=yes] copy:{place} ./")


def fetch_missing(dist: Path, run: Runner, wanted: debian_root.Wanted, given: Inputs, scratch: Path) -> None:
    """Let apt fetch the versions of a list from the suite's own mirrors, if the archive of one is not kept.

    If the mirrors have dropped one, the snapshot service is asked for all that are not kept. Raises `UnavailableError`
    that names the first one that cannot be had.
    """
    locked = given.debian_of(wanted.architecture)
    missing = [package for package in locked if not is_kept(dist, package)]
    if not missing:
        return
    fetched = scratch / "fetched.tar"
    pinned = [f"{package.name}={package.version}" for package in locked]
    why = "the mirror has other bytes under this version"
    try:
        debian_root.fetch(run, fetched, wanted, packages=pinned)
    except CommandFailed as error:
        named = next((one for one in missing if f"'{one.name}'" in str(error)), missing[0])
        day = given.debian_archive.get(wanted.architecture, "")
        if not day or not _DROPPED.search(str(error)):
            raise _not_to_be_had(named, f"apt cannot fetch it\n{error}") from error
        why = f"the mirrors have dropped it, and {debian_snapshot.ADDRESS} did not have it on {day}"
        _fetch_dropped(dist, missing, wanted.suite, day)
    else:
        keep(dist, fetched, wanted.architecture)
        fetched.unlink()
    for package in missing:
        if not is_kept(dist, package):
            raise _not_to_be_had(package, why)


def _fetch_dropped(dist: Path, missing: Sequence[DebianPackage], suite: str, day: str) -> None:
    """Keep what the snapshot service had on a day. Raises `UnavailableError` if it does not answer."""
    try:
        for package, deb in debian_snapshot.archives(missing, suite, day):
            write_atomically(kept(dist, package), deb)
    except UnavailableError as error:
        first = next(package for package in missing if not is_kept(dist, package))
        raise _not_to_be_had(first, f"the mirrors have dropped it, and {error}", hint=error.hint) from error


def _not_to_be_had(package: DebianPackage, why: str, hint: str = "") -> UnavailableError:
    return UnavailableError(
        f"Debian package {package.name} {package.version} ({package.root}, sha256 {package.sha256}) is missing: {why}",
        hint=hint
        or f"put its archive into dist/{_CACHE}/{package.sha256}.deb; {debian_snapshot.ADDRESS} keeps every version",
    )


def write_repository(dist: Path, packages: Iterable[DebianPackage], folder: Path) -> None:
    """Make a repository for apt of kept archives: they and their index."""
    paragraphs = []
    for package in packages:
        archive = kept(dist, package)
        name = f"{package.sha256}.deb"
        (folder / name).write_bytes(archive.read_bytes())
        control = debian_root.package_of(archive.read_bytes()).control.rstrip("\n")
        paragraphs.append(f"{control}\nFilename: ./{name}\nSize: {package.size}\nSHA256: {package.sha256}\n")
    (folder / "Packages").write_text("\n".join(paragraphs), encoding="utf-8")


def kept(dist: Path, package: DebianPackage) -> Path:
    """Where the archive of a package is kept, or would be."""
    stored = Store(dist=dist)
    return stored.path(package.sha256) if stored.has(package.sha256) else dist / _CACHE / f"{package.sha256}.deb"


def is_kept(dist: Path, package: DebianPackage) -> bool:
    """Whether the archive of a package is kept, with the right bytes."""
    path = kept(dist, package)
    return os.path.lexists(path) and sha256_of(path) == package.sha256
