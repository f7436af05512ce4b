"""What the two package repositories have in common: static trees of files, each made on top of the one before it.

A tree is a folder that any web server can offer. `tree.json` says which tree came before it, so that nobody can publish
one that is based on another tree than the published one:

    {"format": 1, "version": "0.2.0", "previous": HASH or null, "listing": HASH}

`listing` is the sha256 of `listing(tree)` without `tree.json`, `previous` is the same of the tree before it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ci.core.errors import UsageError, VerificationError
from ci.core.files import sha256_of, write_atomically
from ci.core.openpgp import Gpg
from ci.core.run import Runner
from ci.core.state import read_json
from ci.manifest.release import Release

FORMAT = 1
RECORD = "tree.json"
KEYS = "packages.asc"
LISTING = "repositories.sha256"
TREES = ("yum", "pacman")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Making:
    """What both trees are made with.

    `key` is the fingerprint of the key that signs the metadata. `public_keys` is an armoured file with all keys that
    packages of the trees are signed with, or will be. `url` is where the folder with both trees is going to be
    offered, without a slash at its end. `scratch` is an empty folder.
    """

    release: Release
    gpg: Gpg
    key: str
    public_keys: Path
    url: str
    run: Runner
    scratch: Path


def listing(folder: Path, *, prefix: str = "", without: Collection[str] = ()) -> bytes:
    """All files below a folder as sha256sum lists them, sorted: lines of `HASH  PATH`, with `prefix` before each path.

    `VerificationError` names everything that a static tree cannot hold: links, devices, and names that a list cannot.
    """
    found, faults = {}, []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        mode = path.lstat().st_mode
        if not name.isprintable() or "\\" in name:
            faults.append(f"{folder}: {name!a}: the name has a character that no list of hashes can hold")
        elif stat.S_ISREG(mode) and name not in without:
            found[name] = sha256_of(path)
        elif not stat.S_ISDIR(mode) and name not in without:
            faults.append(f"{path}: it is neither a file nor a folder")
    if faults:
        raise VerificationError("\n".join(faults), hint="a static tree holds files and folders alone")
    return "".join(f"{sha256}  {prefix}{name}\n" for name, sha256 in sorted(found.items())).encode()


def repositories(folder: Path) -> bytes:
    """The content of `repositories.sha256`: the files of both trees in a folder. Empty if there is no tree."""
    return b"".join(listing(folder / name, prefix=f"{name}/") for name in sorted(TREES) if (folder / name).is_dir())


def hash_of(tree: Path) -> str:
    """The sha256 by which the next tree names this one."""
    return hashlib.sha256(listing(tree, without=(RECORD,))).hexdigest()


def previous_hash(previous: Path | None) -> str | None:
    """The recorded hash of the previous tree; None if there is no such tree.

    `VerificationError` if its files are not those that it was recorded with, `UsageError` if it has no record.
    """
    if previous is None:
        return None
    recorded = read_record(previous)["listing"]
    if recorded != hash_of(previous):
        raise VerificationError(
            f"{previous}: its files are not those that its {RECORD} was written for",
            hint="take a complete copy of the tree as it was published",
        )
    return recorded


def require_previous(folder: Path | None, release: Release) -> None:
    """Raise `UsageError` or `VerificationError` unless the folder has both trees of a release before this one."""
    for tree in (folder / name for name in TREES) if folder else ():
        previous_hash(tree)
        if read_record(tree)["version"] == str(release.version):
            raise UsageError(f"{tree}: it is the tree of this version", hint="name the trees of the release before it")


def read_record(tree: Path) -> dict[str, str]:
    """The record of a tree: "version", "listing" and, except in the first tree, "previous"."""
    found = read_json(tree / RECORD)
    try:
        if found["format"] != FORMAT:
            raise ValueError(found["format"])
        record = {name: str(found[name]) for name in ("version", "listing", "previous") if found[name] is not None}
        if not all(_HASH.fullmatch(record.get(name, "0" * 64)) for name in ("listing", "previous")):
            raise ValueError("no sha256")
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{tree}: it has no {RECORD} that can be read", hint="name the folder of a tree that `nox -s release` made"
        ) from error
    return record


def write_record(tree: Path, release: Release, previous: str | None) -> None:
    """Write `tree.json` into a finished tree."""
    document = {"format": FORMAT, "version": str(release.version), "previous": previous, "listing": hash_of(tree)}
    write_atomically(tree / RECORD, json.dumps(document, indent=2, sort_keys=True).encode() + b"\n")


def collect(tree: Path, packages: Iterable[Path], earlier: Iterable[Path]) -> list[Path]:
    """Copy packages into a new tree; returns their paths there. `earlier` are those of the previous tree.

    A name has one content for ever: `VerificationError` names each package that the previous tree has with other bytes.
    """
    names: dict[str, Path] = {}
    faults = []
    for path in (*earlier, *packages):
        known = names.setdefault(path.name, path)
        if known is not path and sha256_of(known) != sha256_of(path):
            faults.append(f"{path.name}: the previous tree has it with other bytes")
    if faults:
        raise VerificationError("\n".join(faults), hint="a published name keeps its bytes: raise version or release")
    for name, path in sorted(names.items()):
        shutil.copyfile(path, tree / name)
        (tree / name).chmod(0o644)
    return [tree / name for name in sorted(names)]


def set_times(folder: Path, epoch: int) -> None:
    """Give all files and folders below a folder one time of change."""
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (epoch, epoch))
