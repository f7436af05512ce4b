"""Static trees of package repositories: what is in them, and the record that says which tree came before.

A tree is a folder that any web server can offer. `tree.json` says which tree came before it, so that nobody can publish
one that is based on another tree than the published one:

    {"format": 1, "version": "0.2.0", "previous": HASH or null, "listing": HASH}

`listing` is the sha256 of `listing(tree)` without `tree.json`, `previous` is the same of the tree before it.

`withdrawn.txt`, if there is one, names the packages that the metadata leave out, because their version was yanked.
Their files stay, and so does the list in all later trees.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Collection
from pathlib import Path

from ci.core.errors import UsageError, VerificationError
from ci.core.files import sha256_of
from ci.core.state import read_json
from ci.core.text_lists import read_lines

FORMAT = 1
RECORD = "tree.json"
WITHDRAWN = "withdrawn.txt"
LISTING = "repositories.sha256"
TREES = ("yum", "pacman")
_COMPLETE = "take a complete copy of the tree as it was published"
_HASH = re.compile(r"[0-9a-f]{64}")


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
            hint=_COMPLETE,
        )
    return recorded


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


def withdrawn(tree: Path | None) -> frozenset[str]:
    """The file names of the packages that a tree's metadata leave out."""
    path = tree / WITHDRAWN if tree else None
    if path is None or not path.is_file():
        return frozenset()
    return frozenset(name for line in read_lines(path, _COMPLETE) for name in line.split())


def write_withdrawn(tree: Path, names: Collection[str]) -> None:
    """Write the list of packages that a tree's metadata leave out, if there are any."""
    if names:
        (tree / WITHDRAWN).write_text("".join(f"{name}\n" for name in sorted(names)), encoding="utf-8")
