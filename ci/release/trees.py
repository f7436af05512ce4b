"""What the two package repositories have in common: static trees of files, each made on top of the one before it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ci.core.errors import UsageError, VerificationError
from ci.core.files import sha256_of, write_atomically
from ci.core.openpgp import Gpg
from ci.core.run import Runner
from ci.core.tree_record import FORMAT, RECORD, TREES, hash_of, previous_hash, read_record
from ci.manifest.release import Release

KEYS = "packages.asc"


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


def require_previous(folder: Path | None, release: Release) -> None:
    """Raise `UsageError` or `VerificationError` unless the folder has both trees of a release before this one."""
    for tree in (folder / name for name in TREES) if folder else ():
        previous_hash(tree)
        if read_record(tree)["version"] == str(release.version):
            raise UsageError(f"{tree}: it is the tree of this version", hint="name the trees of the release before it")


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
