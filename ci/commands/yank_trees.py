"""Takes a version out of the package repositories: a new tree in place of each one that a channel shows and offers it.

Each channel is looked at by itself, so a run that was killed between two channels is finished by the next one.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from ci.core import tree_record
from ci.core.errors import VerificationError
from ci.core.openpgp import Gpg
from ci.publish.every_target import Publication
from ci.publish.tree_place import CHANNELS, Place, read_tree
from ci.publish.trees import Tree
from ci.release import pacman, yum
from ci.release.trees import KEYS, Making

_MAKERS: dict[str, ModuleType] = {"yum": yum, "pacman": pacman}
# Which files of a tree are signed, and how the name of a signature ends.
_SIGNED = {"yum": ("repodata/repomd.xml", ".asc"), "pacman": ("*/*.db.tar.gz", ".sig")}


@dataclass(frozen=True, kw_only=True)
class Withdrawal:
    """The version that is taken out of one repository, and what signs the new metadata: a key, by its fingerprint.

    The time of `gpg` is that of the yank. The new metadata have its day, or that of the metadata which they replace if
    that is later, because clients may refuse older ones.
    """

    target: Tree
    found: Publication
    gpg: Gpg
    key: str

    def plan(self) -> Iterator[str]:
        """What would be done in each channel. It changes nothing."""
        for channel, shown in self._shown():
            if names := self._offered(shown):
                yield f"{channel}: leave {', '.join(sorted(names))} out of the metadata of {shown.name}"
            else:
                yield f"{channel}: nothing, the metadata of {shown.name} have no package of this version"

    def run(self) -> Iterator[str]:
        """Do it for one channel after the other; gives what was done in each.

        Channels that show the same tree change together, and show the same tree afterwards.
        """
        before = dict(self._shown())
        if not before:
            yield "nothing is published there"
        for channel, shown in before.items():
            if self._place.shown(channel) != shown:
                yield f"{channel}: it has the same tree as the channel before"
            elif self._offered(shown):
                self.target.replace(self._held(shown) or self._made(shown, channel))
                yield f"{channel}: the metadata have no package of this version any more; its files stay"
            else:
                yield f"{channel}: the metadata have no package of this version"

    @property
    def _place(self) -> Place:
        return self.target.place

    def _shown(self) -> Iterator[tuple[str, Path]]:
        for channel in CHANNELS:
            shown = self._place.shown(channel)
            if shown is not None:
                yield channel, shown

    def _offered(self, shown: Path) -> frozenset[str]:
        names: frozenset[str] = _MAKERS[self.target.name].offered(
            shown, self.found.release.version, self._making(shown)
        )
        return names

    def _held(self, shown: Path) -> Path | None:
        """A tree that an earlier run has made for this, and that no channel shows yet, or only another one."""
        listing = read_tree(shown).record["listing"]
        wanted = tree_record.withdrawn(shown) | self._offered(shown)
        for folder in sorted(self._place.trees.glob(f"{self.target.name}-*")):
            try:
                if tree_record.withdrawn(folder) != wanted:
                    continue
                if read_tree(folder).record.get("previous") == listing and self._signed(folder):
                    return folder
            except VerificationError:  # it is not complete, or signed by nobody, so it is not used
                continue
        return None

    def _signed(self, folder: Path) -> bool:
        """Whether the key that was chosen now has signed all metadata of a tree; an earlier one may be lost."""
        pattern, ending = _SIGNED[self.target.name]
        found = [path.with_name(f"{path.name}{ending}") for path in sorted(folder.glob(pattern))]
        signers = {self.gpg.verify(one.with_name(one.name.removesuffix(ending)), one, [folder / KEYS]) for one in found}
        return signers == {self.key}

    def _made(self, shown: Path, channel: str) -> Path:
        tree = self.found.scratch / "withdrawn" / f"{self.target.name}-{channel}"
        tree.parent.mkdir(exist_ok=True)
        _MAKERS[self.target.name].withdraw(tree, shown, self.found.release.version, self._making(shown))
        return tree

    def _making(self, shown: Path) -> Making:
        day = dt.datetime.fromtimestamp(max(self.gpg.epoch, yum.time_of(shown)), dt.UTC).date()
        return Making(
            release=dataclasses.replace(self.found.release, date=day),
            gpg=self.gpg,
            key=self.key,
            public_keys=shown / KEYS,
            url=self.found.release.targets.repositories.url,
            run=self.found.run,
            scratch=self.found.scratch,
        )
