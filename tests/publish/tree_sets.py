"""Sets that are no more than trees, and places that they were published to."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from ci.core import tree_record
from ci.core.files import sha256_of
from ci.publish.release_set import ReleaseSet, SetFile
from ci.publish.trees import Tree


def target(
    release: Path, folder: Path, name: str = "yum", channel: str = "stable", said: list[str] | None = None
) -> Tree:
    """The target of a tree for a set in a folder."""
    say = print if said is None else said.append
    return Tree(name=name, release=read_set(release), folder=folder, channel=channel, say=say)


def read_set(folder: Path) -> ReleaseSet:
    """A set of which only the list of its trees is looked at."""
    path = folder / tree_record.LISTING
    file = SetFile(path=path, size=path.stat().st_size, sha256=sha256_of(path))
    version = (folder / "version").read_text()
    return ReleaseSet(folder=folder, name="faas-runtime", version=version, commit="", files=(file,), document={})


def seal(folder: Path, version: str) -> Path:
    """Write the list of the trees in a folder, which makes it a set; returns the folder."""
    (folder / tree_record.LISTING).write_bytes(tree_record.repositories(folder))
    (folder / "version").write_text(version)
    return folder


def make_set(folder: Path, version: str, previous: Path | None = None, files: Mapping[str, str] | None = None) -> Path:
    """A set with a yum tree of plain texts, on top of the tree in the set before it."""
    tree = folder / "yum"
    (tree / "repodata").mkdir(parents=True)
    for package in sorted((previous / "yum").glob("*.rpm")) if previous else ():
        shutil.copy(package, tree)
    given = {f"faas-runtime-{version}-1.noarch.rpm": f"package {version}"} if files is None else files
    for name, text in {**given, "repodata/repomd.xml": f"index of {version}"}.items():
        (tree / name).write_text(text)
    write_record(tree, version, previous and previous / "yum")
    return seal(folder, version)


def write_record(tree: Path, version: str, previous: Path | None) -> None:
    """Write the tree.json of a tree."""
    before = tree_record.hash_of(previous) if previous else None
    document = {"format": 1, "version": version, "previous": before, "listing": tree_record.hash_of(tree)}
    (tree / tree_record.RECORD).write_text(json.dumps(document))


def snapshot(folder: Path) -> dict[str, str]:
    """Everything below a folder, except for the content of its lock: what links say, the hashes and modes of files."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name, mode = str(path.relative_to(folder)), f"{path.lstat().st_mode:o}"
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_dir() or path.name == "lock":
            found[name] = mode
        else:
            found[name] = f"{mode} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return found


def files_of(tree: Path) -> dict[str, str]:
    """The files of a tree as they are read through a link, each with its content."""
    return {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}
