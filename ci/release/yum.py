"""The yum repository: RPMs, metadata that is a function of them alone, and its signature.

Clients check both: `gpgcheck=1` the packages, `repo_gpgcheck=1` the metadata.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from ci.core import tree_record
from ci.core.errors import VerificationError
from ci.core.files import fresh_folder
from ci.core.rpm_signature import require_signature
from ci.core.run import Runner
from ci.manifest.versions import Version, parse
from ci.release import trees
from ci.release.trees import Making

_METADATA = "repodata"
_INDEX = "repomd.xml"
_REPOSITORY = """\
[{name}]
name={name}
baseurl={url}/
enabled=1
gpgcheck=1
repo_gpgcheck=1
gpgkey={url}/{keys}
"""
# EL 8 and later read any compression, older ones and Satellite gzip alone. The option came with createrepo_c 0.17.
_COMPRESSION = "--general-compress-type"


def make(tree: Path, packages: Sequence[Path], previous: Path | None, making: Making) -> None:
    """Make the tree with these signed RPMs and those of the previous one, which a folder holds as it was published.

    `VerificationError` names each package that no key of `making.public_keys` has signed.
    """
    before = tree_record.previous_hash(previous)
    fresh_folder(tree)
    earlier = sorted(previous.glob("*.rpm")) if previous else []
    there = trees.collect(tree, packages, earlier)
    require_signed(there, making.public_keys, making.run)
    tree_record.write_withdrawn(tree, tree_record.withdrawn(previous))
    index(tree, making)
    if previous:
        _keep_metadata(previous, tree)
    release, url = making.release, f"{making.url}/yum"
    text = _REPOSITORY.format(name=release.name, url=url, keys=trees.KEYS)
    (tree / f"{release.name}.repo").write_text(text, encoding="utf-8")
    shutil.copyfile(making.public_keys, tree / trees.KEYS)
    _finish(tree, before, making)


def offered(tree: Path, version: Version, making: Making) -> frozenset[str]:
    """The file names of a version's packages that the metadata of a tree have."""
    found = _offered(tree, tree_record.withdrawn(tree), making.run)
    return frozenset(name for name, one in found.items() if one == version)


def withdraw(tree: Path, published: Path, version: Version, making: Making) -> bool:
    """Make a tree like the published one whose metadata leave out a version; False if they have none of it.

    It is named after the newest version that its metadata have. The date of `making.release` is that of the metadata.
    """
    before, names = tree_record.previous_hash(published), offered(published, version, making)
    if not names:
        return False
    known = tree_record.withdrawn(published) | names
    shutil.copytree(published, tree)
    tree_record.write_withdrawn(tree, known)
    left = _offered(published, known, making.run).values()
    named = max(left, default=parse(tree_record.read_record(published)["version"]))
    making = replace(making, release=replace(making.release, version=named))
    index(tree, making)
    _keep_metadata(published, tree)
    _finish(tree, before, making)
    return True


def _offered(tree: Path, without: Collection[str], run: Runner) -> dict[str, Version]:
    """From the file name of each package to its version, except for some names.

    RPMs are asked: a file has another name where the page of a release would not take that of the version.
    """
    found = {}
    for path in sorted(one for one in tree.glob("*.rpm") if one.name not in without):
        text = run.output("rpm", "--nosignature", "-qp", "--qf", "%{VERSION}", path)
        try:
            found[path.name] = parse(text.replace("~~", "~").replace("~dev", ".dev").replace("~", "").replace("^", "."))
        except ValueError as error:
            raise VerificationError(f"{path}: {text} {error}", hint="take it out of the tree") from error
    return found


def _finish(tree: Path, before: str | None, making: Making) -> None:
    trees.write_record(tree, making.release, before)
    for folder in (tree, tree / _METADATA):
        os.utime(folder, (making.release.epoch, making.release.epoch))


def index(tree: Path, making: Making) -> None:
    """Write the metadata of the RPMs in a folder, without those that were withdrawn, and sign it.

    It replaces what was there.
    """
    shutil.rmtree(tree / _METADATA, ignore_errors=True)
    _set_build_times(sorted(tree.glob("*.rpm")), making.run)
    epoch = making.release.epoch
    options = ["--quiet", "--no-database", "--workers=1", f"--revision={epoch}", "--set-timestamp-to-revision"]
    if _COMPRESSION in making.run.output("createrepo_c", "--help"):
        options.append(f"{_COMPRESSION}=gz")
    options += [f"--excludes={name}" for name in sorted(tree_record.withdrawn(tree))]
    making.run("createrepo_c", *options, tree)
    listed = tree / _METADATA / _INDEX
    making.gpg.detach_sign(listed, listed.with_name(f"{_INDEX}.asc"), armour=True, key=making.key)


def time_of(tree: Path) -> int:
    """The time of a tree's metadata, in seconds since 1970; 0 for a tree without metadata."""
    index = tree / _METADATA / _INDEX
    found = re.search(rb"<revision>(\d{1,10})</revision>", index.read_bytes()) if index.is_file() else None
    return int(found[1]) if found else 0


def require_signed(packages: Sequence[Path], public_keys: Path, run: Runner) -> None:
    """Raise `VerificationError` that names each RPM that no key of a file has signed."""
    faults = []
    for package in packages:
        try:
            require_signature(package, [public_keys], run)
        except VerificationError as error:
            faults.append(f"{package.name}: no key of {public_keys.name} has signed it ({error})")
    if faults:
        raise VerificationError("\n".join(faults), hint="sign it, or take it out of the tree")


def _set_build_times(packages: Sequence[Path], run: Runner) -> None:
    """Give each RPM the time of its build, which the metadata repeats: that of a copy would differ each time."""
    for package in packages:
        built = int(run.output("rpm", "--nosignature", "-qp", "--qf", "%{BUILDTIME}", package))
        os.utime(package, (built, built))


def _keep_metadata(previous: Path, tree: Path) -> None:
    """Keep the files that the previous index names: a client that has just read that index asks for them."""
    text = (previous / _METADATA / _INDEX).read_text(encoding="utf-8", errors="replace")
    for name in sorted(set(re.findall(rf'href="{_METADATA}/([\w.-]+)"', text))):
        kept = tree / _METADATA / name
        if not kept.exists() and (previous / _METADATA / name).is_file():
            shutil.copyfile(previous / _METADATA / name, kept)
