"""The pacman repositories, one for each environment of MSYS2: packages, their signatures, and signed databases.

pacman reads `NAME.db` and, for `pacman -F`, `NAME.files`. repo-add calls them `NAME.db.tar.gz` and
`NAME.files.tar.gz`, and makes links. A static tree holds copies instead: not every web server follows links.
"""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ci.core import compression, tars, tree_record
from ci.core.errors import ReleaseError, VerificationError
from ci.core.files import fresh_folder, make_folder
from ci.manifest.msys2 import ENVIRONMENTS
from ci.manifest.versions import Version, parse
from ci.release import trees
from ci.release.trees import Making

_PACKAGES = "*.pkg.tar.zst"
_SIGNATURE = ".sig"
_DATABASES = ("db", "files")


def make(tree: Path, packages: Sequence[Path], previous: Path | None, making: Making) -> None:
    """Make the tree with these packages and those of the previous one; beside each package lies its signature.

    A database has the newest version of a package, the files of older ones stay. `VerificationError` names each
    package that no key of `making.public_keys` has signed.
    """
    before = tree_record.previous_hash(previous)
    fresh_folder(tree)
    for environment in ENVIRONMENTS:
        earlier = sorted((previous / environment).glob(_PACKAGES)) if previous else []
        new = [path for path in packages if path.name.startswith(f"{ENVIRONMENTS[environment].package_prefix}-")]
        if not earlier and not new:
            continue
        make_folder(tree / environment)
        there = trees.collect(tree / environment, _with_signatures(new), _with_signatures(earlier))
        named = [path for path in there if path.match(_PACKAGES)]
        require_signed(named, making)
    tree_record.write_withdrawn(tree, tree_record.withdrawn(previous))
    shutil.copyfile(making.public_keys, tree / trees.KEYS)
    _index_all(tree, making)
    _finish(tree, before, making)


def offered(tree: Path, version: Version, _: Making) -> frozenset[str]:
    """The file names of a version's packages, even older ones, that were not withdrawn from a tree."""
    found = _offered(tree, tree_record.withdrawn(tree))
    return frozenset(name for name, one in found.items() if one == version)


def withdraw(tree: Path, published: Path, version: Version, making: Making) -> bool:
    """Make a tree like the published one whose databases leave out a version; False if they have none of it.

    It is named after the newest version that its databases have. The date of `making.release` is that of the databases.
    """
    before, names = tree_record.previous_hash(published), offered(published, version, making)
    if not names:
        return False
    known = tree_record.withdrawn(published) | names
    shutil.copytree(published, tree)
    tree_record.write_withdrawn(tree, known)
    left = _offered(published, known).values()
    named = max(left, default=parse(tree_record.read_record(published)["version"]))
    making = replace(making, release=replace(making.release, version=named))
    _index_all(tree, making)
    _finish(tree, before, making)
    return True


def _offered(tree: Path, without: Collection[str]) -> dict[str, Version]:
    """From the file name of each package to its version, except for some names."""
    return {path.name: _identity(path)[1] for path in tree.glob(f"*/{_PACKAGES}") if path.name not in without}


def _index_all(tree: Path, making: Making) -> None:
    """Write the databases of all environments: of the newest packages that were not withdrawn."""
    known = tree_record.withdrawn(tree)
    for folder in sorted(path for path in tree.iterdir() if path.is_dir()):
        packages = [path for path in sorted(folder.glob(_PACKAGES)) if path.name not in known]
        index(folder, newest(packages), making)


def _finish(tree: Path, before: str | None, making: Making) -> None:
    trees.write_record(tree, making.release, before)
    trees.set_times(tree, making.release.epoch)


def _with_signatures(packages: Sequence[Path]) -> Iterator[Path]:
    for path in packages:
        yield path
        signature = path.with_name(f"{path.name}{_SIGNATURE}")
        if not signature.is_file():
            raise VerificationError(f"{path}: {signature.name} is missing beside it", hint="sign the package")
        yield signature


def require_signed(packages: Sequence[Path], making: Making) -> None:
    """Raise `VerificationError` that names each package whose signature is not by a key of `making.public_keys`."""
    faults = []
    for path in packages:
        try:
            making.gpg.verify(path, path.with_name(f"{path.name}{_SIGNATURE}"), [making.public_keys])
        except ReleaseError as error:
            faults.append(f"{path.name}: no key of {making.public_keys.name} has signed it ({error})")
    if faults:
        raise VerificationError("\n".join(faults), hint="sign it, or take it out of the tree")


def newest(packages: Sequence[Path]) -> list[Path]:
    """Of each package the newest version, sorted by name."""
    found: dict[str, Path] = {}
    for path in packages:
        name, *_ = identity = _identity(path)
        if name not in found or identity > _identity(found[name]):
            found[name] = path
    return [found[name] for name in sorted(found)]


def _identity(path: Path) -> tuple[str, Version, int]:
    """Name, version and release of a package: NAME-VERSION-RELEASE-ARCHITECTURE.pkg.tar.zst."""
    found = re.fullmatch(r"(.+)-([^-]+)-(\d+)-[^-]+\.pkg\.tar\.zst", path.name)
    try:
        if found is None:
            raise ValueError("is not that of a package")
        return found[1], parse(found[2].replace("DEV", ".dev")), int(found[3])
    except ValueError as error:
        raise VerificationError(f"{path}: the name {error}", hint="take it out of the tree") from error


def index(folder: Path, packages: Sequence[Path], making: Making) -> None:
    """Write the databases of these packages into a folder, and sign them."""
    name = making.release.name
    scratch = fresh_folder(making.scratch / f"pacman-{folder.name}")
    # Since pacman 6.1 the database has the signatures only on demand. Older clients read no others.
    with_signatures = ["--include-sigs"] if "--include-sigs" in making.run.output("repo-add", "--help") else []
    making.run("repo-add", "--quiet", *with_signatures, scratch / f"{name}.db.tar.gz", *packages)
    for kind in _DATABASES:
        made = folder / f"{name}.{kind}.tar.gz"
        made.write_bytes(_repacked(scratch / made.name, making.release.epoch))
        signature = made.with_name(f"{made.name}{_SIGNATURE}")
        making.gpg.detach_sign(made, signature, armour=False, key=making.key)
        shutil.copyfile(made, folder / f"{name}.{kind}")
        shutil.copyfile(signature, folder / f"{name}.{kind}{_SIGNATURE}")


def _repacked(archive: Path, epoch: int) -> bytes:
    """The database in an order, with times and owners that depend on nothing else than the packages."""
    tree = {name: _plain(entry) for name, entry in tars.read(archive).items()}
    return compression.gzip(tars.pack(tree, epoch), compression.SMALL)


def _plain(entry: tars.Entry) -> tars.Entry:
    return tars.file(entry.data) if entry.kind == tarfile.REGTYPE else tars.folder()
