"""The targets "yum" and "pacman": signed trees in a folder that a web server offers.

`ci.publish.tree_place` says how the folder looks, and how a tree takes the place of another in one step. A tree is
published only on top of the one that it was made from, so no version is ever lost; releases for older branches are
trees like all others, with every newer package in them.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ci.core.errors import HostError, ReleaseError, UsageError, VerificationError
from ci.core.faults import Fault, fault_of, listed
from ci.core.page_names import safe
from ci.core.text_lists import lines_of
from ci.core.tree_record import LISTING, TREES, listing, withdrawn
from ci.manifest.versions import parse
from ci.publish.release_page import ReleasePage
from ci.publish.release_set import ReleaseSet
from ci.publish.target import Item, Say, State
from ci.publish.tree_place import CHANNELS, STABLE, TESTING, Place, TreeContents, differences, read_tree


@dataclass(frozen=True, kw_only=True)
class Tree:
    """One of the two repositories of a set: `name` is "yum" or "pacman".

    `folder` is what the web server offers, on this machine. `channel` is "stable" or "testing". Nothing is
    published before `page` is public.
    """

    name: str
    release: ReleaseSet
    folder: Path
    say: Say
    channel: str = STABLE
    page: ReleasePage | None = None

    def __post_init__(self) -> None:
        if self.name not in TREES or self.channel not in CHANNELS:
            raise UsageError(f"there is no repository {self.name!r} with a channel {self.channel!r}")

    @property
    def place(self) -> Place:
        """The folder, for this repository."""
        return Place(folder=self.folder, name=self.name, say=self.say)

    def preflight(self) -> Sequence[Fault]:
        """Everything that would stop a publication. It changes nothing."""
        return list(self._faults())

    def preflight_promotion(self) -> Sequence[Fault]:
        """Why "stable" may not show the tree of this set, or no channel shows it yet. It changes nothing."""
        try:
            if self.page and (found := self.page.faults(self.name)):
                return found
            self._require_folder()
            tree = self._own()
            refusal = self._refusal(tree)
            if refusal is None:
                self._require_shown(tree)
        except ReleaseError as error:
            refusal = error
        if refusal is None:
            return []
        return [fault_of(refusal, self.name, str(self.folder))]

    def state(self) -> Sequence[Item]:
        """The tree and the link of the channel, as they are now. It changes nothing.

        `HostError` without the folder, `VerificationError` if the set itself is wrong.
        """
        self._require_folder()
        tree, place = self._own(), self.place
        home, link = place.home(tree), place.link(self.channel)
        copy = f"copy {len(tree.files)} files to {home}"
        switch = f"let {link} show {home.name}"
        try:
            shown = place.shows(self.channel, tree)
            held = shown or place.holds(tree)
            kept = State.THERE if held else State.MISSING
        except VerificationError:
            shown, held, kept = False, True, State.OTHER
        items = [Item(name=home.name, state=kept, requests=() if held else (copy,), size=tree.size)]
        name = str(link.relative_to(self.folder))
        if shown:
            items.append(Item(name=name, state=State.THERE))
        elif kept == State.OTHER or self._refusal(tree):
            items.append(Item(name=name, state=State.OTHER))
        else:
            items.append(Item(name=name, state=State.MISSING, requests=(switch,)))
        return items

    def publish(self) -> None:
        """Copy the tree beside the others, let the channel show it, and read it back.

        `VerificationError` if the channel "stable" does not show the tree that this one was made from, or this version
        was yanked; `BusyError` if another run changes the folder.
        """
        tree = self._own()
        self._require_page()
        with self.place.locked():
            self._refuse_yanked()
            self._publish(tree, self.channel)

    def promote(self) -> None:
        """Let "stable" show the very tree that "testing" shows. Nothing is copied.

        `VerificationError` if "testing" does not show this set's tree, or this version was yanked.
        """
        tree, place = self._own(), self.place
        self._require_page()
        with place.locked():
            self._refuse_yanked()
            self._require_shown(tree)
            self._publish(tree, STABLE)

    def replace(self, tree: Path, gone: Collection[str] = ()) -> None:
        """Let a signed tree take the place of the one that it was made from, in every channel that shows that one.

        `gone` are the names of the package files that it has no longer. Repeated, it changes nothing, and what a killed
        run has left undone is done: each channel is looked at by itself.
        """
        new, place = read_tree(tree), self.place
        with place.locked():
            shown = {one: read_tree(found) for one in CHANNELS if (found := place.shown(one)) is not None}
            if not shown:
                raise VerificationError(f"{place.link(STABLE)}: nothing is there", hint="is it the right folder?")
            bases = {one: base for one, base in shown.items() if base.record["listing"] == new.record.get("previous")}
            if not bases and not any(place.shows(one, new) for one in shown):
                raise VerificationError(
                    f"{self.folder}: {self.name}: no channel shows the tree that {tree} was made on top of",
                    hint="another run has published meanwhile: run the same command again",
                )
            for base in bases.values():
                self._require_packages(base, new, gone)
            place.add(new)
            for channel in bases:
                place.show(channel, new)
            if TESTING in shown and STABLE in bases and TESTING not in bases and not place.shows(TESTING, new):
                there = shown[TESTING].folder.name
                self.say(f"{self.name}: {TESTING} still shows {there}: publish a new candidate there")

    def _require_packages(self, base: TreeContents, new: TreeContents, gone: Collection[str]) -> None:
        """Raise `VerificationError` unless a tree has all packages of another one, with the same bytes, or `gone`."""
        lost = {path for path in base.packages if path not in new.files and path.rpartition("/")[2] not in gone}
        changed = {path for path, sha256 in base.packages.items() if new.files.get(path, sha256) != sha256}
        faults = [f"{self.name}: {path}: it is published, and missing in the new tree" for path in sorted(lost)]
        faults += [f"{self.name}: {path}: it is published with other bytes" for path in sorted(changed)]
        if faults:
            raise VerificationError("\n".join(faults), hint="nothing was changed: make the new tree again")

    def _publish(self, tree: TreeContents, channel: str) -> None:
        place = self.place
        if place.shows(channel, tree):
            self.say(f"{self.name}: {channel} shows {place.home(tree).name} already")
            return
        if not place.shows(STABLE, tree):
            place.require_successor(tree)
        place.add(tree)
        place.show(channel, tree)

    def _own(self) -> TreeContents:
        """The tree of the set; `VerificationError` unless it has the files that the set's list names."""
        folder = self.release.tree(self.name)
        if folder is None:
            raise UsageError(f"{self.release.folder}: the set has no {self.name}/", hint="make it: nox -s release")
        wanted = self._listed()
        found = TreeContents(folder=folder, listing=listing(folder), record={})
        if other := differences(wanted, found.files):
            raise VerificationError(
                f"{folder}: not the files that {LISTING} lists: {other}", hint="make the set again: nox -s release"
            )
        tree = read_tree(folder)
        if tree.record["version"] != self.release.version:
            raise VerificationError(
                f"{folder}: it is the tree of {tree.record['version']}, and the set is {self.release.version}",
                hint="make the set again: nox -s release",
            )
        return tree

    def _listed(self) -> dict[str, str]:
        """The files of this tree by the set's own list, each with its hash."""
        lists = [file for file in self.release.files if file.name == LISTING]
        if not lists:
            raise VerificationError(f"{self.release.folder}: it has no {LISTING}", hint="make the set again")
        found = lines_of(lists[0].read(), str(lists[0].path), "make the set again: nox -s release")
        lines = (line.partition("  ") for line in found)
        mine = f"{self.name}/"
        return {path.removeprefix(mine): sha256 for sha256, _, path in lines if path.startswith(mine)}

    def _refusal(self, tree: TreeContents) -> ReleaseError | None:
        """Why a tree may not be shown; None if it may."""
        try:
            self._refuse_yanked()
            if not self.place.shows(STABLE, tree):
                self.place.require_successor(tree)
        except ReleaseError as error:
            return error
        return None

    def _require_page(self) -> None:
        if self.page:
            self.page.require()

    def _require_shown(self, tree: TreeContents) -> None:
        place = self.place
        if not place.shows(STABLE, tree) and not place.shows(TESTING, tree):
            raise VerificationError(
                f"{place.link(TESTING)}: it does not show the tree of {self.release.version}",
                hint="publish it there first: nox -s publish -- --channel testing",
            )

    def _refuse_yanked(self) -> None:
        """Raise `VerificationError` if a channel's metadata leave out packages of this version."""
        version = parse(self.release.version)
        rpm, pacman = re.escape(safe(version.rpm)), re.escape(safe(version.pacman))
        ours = re.compile(rf".+-(?:{rpm}-[^-]+\.rpm|{pacman}-[^-]+-[^-]+\.pkg\.tar\..+)")
        for channel in CHANNELS:
            if out := sorted(filter(ours.fullmatch, withdrawn(self.place.shown(channel)))):
                raise VerificationError(
                    f"{self.place.link(channel)}: this version was yanked, its metadata leave out {listed(out)}",
                    hint="take the next version",
                )

    def _require_folder(self) -> None:
        if not self.folder.is_dir():
            raise HostError(f"{self.folder}: there is no such folder", hint="mount it, or make it")

    def _faults(self) -> Iterator[Fault]:
        def fault(what: str, advice: str) -> Fault:
            return Fault(check=self.name, where=str(self.folder), what=what, advice=advice, of_host=True)

        try:
            if self.page:
                yield from self.page.faults(self.name)
            self._require_folder()
            tree = self._own()
            held = self.place.shows(self.channel, tree) or self.place.holds(tree)
            refusal = self._refusal(tree)
        except ReleaseError as error:
            yield fault_of(error, self.name, str(self.folder))
            return
        if refusal:
            yield fault_of(refusal, self.name, str(self.folder))
        if not os.access(self.folder, os.W_OK | os.X_OK):
            yield fault("it cannot be written to", "run as a user who may, or give this one the right")
        free = shutil.disk_usage(self.folder).free
        if not held and free < tree.size:
            yield fault(f"the tree has {tree.size:,} bytes, and {free:,} are free", "make room there")
