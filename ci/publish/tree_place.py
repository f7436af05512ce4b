"""A folder that a web server offers, with package repositories that change in one step.

    FOLDER/yum                        a link to .trees/yum-VERSION-HASH
    FOLDER/testing/yum                the same for the channel "testing"
    FOLDER/.trees/yum-VERSION-HASH    a tree; HASH is the beginning of the sha256 of its `listing`
    FOLDER/.trees/.part-*             what a killed run has left; the next run removes it
    FOLDER/.trees/lock                held while something is changed

A tree is copied beside the others, compared, and then shown by replacing the link. A client sees the old tree or the
new one. The web server has to follow links, and whatever copies the folder to another machine has to keep them.

Old trees stay, because somebody may be copying one at this moment. The operator of the web server may delete a folder
of `.trees` that no link leads to, once it is a day old. Nothing here does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from ci.core import lock
from ci.core.errors import HostError, UsageError, VerificationError, host_error
from ci.core.faults import listed
from ci.core.files import fresh_folder
from ci.core.tree_record import RECORD, hash_of, listing, read_record
from ci.manifest.versions import parse
from ci.publish.target import Say

STABLE = "stable"
TESTING = "testing"
CHANNELS = (STABLE, TESTING)
_TREES = ".trees"
_PART = ".part-"
_PACKAGES = ("*.rpm", "*.pkg.tar.*")
_AGAIN = "make the set again on top of the published trees: nox -s release -- --previous-trees FOLDER"


@dataclass(frozen=True, kw_only=True)
class TreeContents:
    """What is in a tree: its files as `listing` has them, and its record."""

    folder: Path
    listing: bytes
    record: Mapping[str, str]

    @property
    def files(self) -> dict[str, str]:
        """From the path of each file in the tree to its hash."""
        lines = (line.partition("  ") for line in self.listing.decode().splitlines())
        return {path: sha256 for sha256, _, path in lines}

    @property
    def packages(self) -> dict[str, str]:
        """The files that may never be lost or changed: packages, and signatures beside them."""
        return {path: sha256 for path, sha256 in self.files.items() if any(fnmatch(path, one) for one in _PACKAGES)}

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum((self.folder / path).stat().st_size for path in self.files)


def read_tree(folder: Path) -> TreeContents:
    """Read a tree; `VerificationError` if its files are not those that its record was written for, or it has none."""
    try:
        record = read_record(folder)
        parse(record["version"])  # which names a folder
    except (UsageError, ValueError) as error:
        raise VerificationError(str(error), hint="put the tree there that `nox -s release` made") from error
    if record["listing"] != hash_of(folder):
        raise VerificationError(
            f"{folder}: its files are not those that its {RECORD} was written for",
            hint="somebody has changed it: put the tree back as it was published, from a copy of its release",
        )
    return TreeContents(folder=folder, listing=listing(folder), record=record)


@dataclass(frozen=True, kw_only=True)
class Place:
    """One repository of a folder: `name` is "yum" or "pacman"."""

    folder: Path
    name: str
    say: Say

    @property
    def trees(self) -> Path:
        """The folder with all trees."""
        return self.folder / _TREES

    def link(self, channel: str) -> Path:
        """The link that clients of a channel read through."""
        return self.folder / self.name if channel == STABLE else self.folder / channel / self.name

    def home(self, tree: TreeContents) -> Path:
        """The folder in which a tree is kept. Trees that differ in their record alone have folders of their own."""
        sha256 = hashlib.sha256(tree.listing).hexdigest()
        return self.trees / f"{self.name}-{tree.record['version']}-{sha256[:16]}"

    def shown(self, channel: str) -> Path | None:
        """The folder that a channel shows; None if there is no link.

        `VerificationError` if something else is in its place, or it leads elsewhere.
        """
        link = self.link(channel)
        if not os.path.lexists(link):
            return None
        if not link.is_symlink():
            raise VerificationError(
                f"{link}: it is no link, so nothing can take its place in one step",
                hint=f"move it into {self.trees}, and make a link to it in its old place",
            )
        found = link.resolve()
        if found.parent != self.trees.resolve() or not found.is_dir():
            raise VerificationError(
                f"{link}: it leads to {found}, which is no tree in {self.trees}",
                hint="let the link lead to the tree that was published last",
            )
        return found

    def shows(self, channel: str, tree: TreeContents) -> bool:
        """Whether a channel shows this very tree, byte for byte."""
        found = self.shown(channel)
        return found is not None and listing(found) == tree.listing

    def holds(self, tree: TreeContents) -> bool:
        """Whether a tree is in its folder. `VerificationError` if there is another one."""
        home = self.home(tree)
        if not os.path.lexists(home):
            return False
        if home.is_symlink() or not home.is_dir() or listing(home) != tree.listing:
            raise VerificationError(
                f"{home}: it is not the tree that this name belongs to, and it is not overwritten",
                hint="find out who has changed it; if no link leads to it, move it away and run the same command again",
            )
        return True

    def require_successor(self, tree: TreeContents) -> None:
        """Raise `VerificationError` unless a tree was made on top of the one that the channel "stable" shows.

        No package of that one may be missing, or have other bytes.
        """
        found = self.shown(STABLE)
        base = None if found is None else read_tree(found)
        before = tree.record.get("previous")
        if before != (base.record["listing"] if base else None):
            made = f"on top of the tree {before[:16]}" if before else "without a tree before it"
            there = f"it shows {base.folder.name} ({base.record['listing'][:16]})" if base else "it shows none"
            raise VerificationError(f"{self.link(STABLE)}: {there}, and the new tree was made {made}", hint=_AGAIN)
        new = tree.packages
        faults = []
        for path, sha256 in base.packages.items() if base else ():
            if path not in new:
                faults.append(f"{path}: it is published, and missing in the new tree")
            elif new.get(path, sha256) != sha256:
                faults.append(f"{path}: it is published with other bytes")
        if faults:
            raise VerificationError("\n".join(f"{self.name}: {fault}" for fault in faults), hint=_AGAIN)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Change something: no other run does meanwhile, which `BusyError` tells. Left-over parts are removed.

        What the system refuses raises `HostError`.
        """
        if not self.folder.is_dir():
            raise HostError(f"{self.folder}: there is no such folder", hint="mount it, or make it")
        try:
            with lock.exclusive(self.trees / "lock", self.say):
                self.trees.chmod(0o755)
                for path in self.trees.glob(f"{_PART}*"):
                    if path.is_dir() and not path.is_symlink():
                        shutil.rmtree(path)
                    else:
                        path.unlink()
                yield
        except OSError as error:
            raise host_error(error, self.name) from error

    def add(self, tree: TreeContents) -> Path:
        """Copy a tree into its folder, unless it is there; returns the folder. What it holds is on the disk."""
        home = self.home(tree)
        if self.holds(tree):
            return home
        began = time.monotonic()
        part = fresh_folder(home.with_name(f"{_PART}{home.name}"))
        try:
            _copy(tree, part)
            if listing(part) != tree.listing:
                raise VerificationError(
                    f"{tree.folder}: it has changed while it was copied",
                    hint="nothing was published; make the set again",
                )
            part.rename(home)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        _flush(self.trees)
        seconds = time.monotonic() - began
        self.say(f"{self.name}: {home.name}: {len(tree.files)} files, {tree.size:,} bytes in {seconds:.1f} s")
        return home

    def show(self, channel: str, tree: TreeContents) -> None:
        """Let a channel show a tree that `add` has put there: in one step, and read back."""
        link, home = self.link(channel), self.home(tree)
        if not link.parent.is_dir():
            link.parent.mkdir()
            link.parent.chmod(0o755)
            _flush(self.folder)
        temporary = self.trees / f"{_PART}link-{self.name}"
        temporary.symlink_to(os.path.relpath(home, link.parent))
        temporary.replace(link)
        _flush(link.parent)
        if not self.shows(channel, tree):
            raise VerificationError(
                f"{link}: it does not show {home.name}, although it was just made to",
                hint="does something else write to this folder? Stop it, and run the same command again",
            )
        self.say(f"{self.name}: {channel} shows {home.name}")


def differences(wanted: Mapping[str, str], found: Mapping[str, str]) -> str:
    """In which files two trees differ, for a message; empty if in none."""
    other = [path for path in sorted({*wanted, *found}) if wanted.get(path) != found.get(path)]
    return listed(other)


def _copy(tree: TreeContents, target: Path) -> None:
    """Copy the files of a tree, readable by every web server, and wait until they are on the disk.

    They get the time of the copy: pacman asks for what is newer than its own, and the date of a release may be older.
    """
    folders = {target}
    for path in sorted(tree.files):
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        folders.update(one for one in copy.parents if one.is_relative_to(target))
        with (tree.folder / path).open("rb") as source, copy.open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            os.fchmod(file.fileno(), 0o644)
            file.flush()
            os.fsync(file.fileno())
    for folder in folders:
        folder.chmod(0o755)
        _flush(folder)


def _flush(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
