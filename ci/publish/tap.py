"""The target "tap": the formula of a release, in a git repository that Homebrew reads.

One commit for each version, and one push without force. The version in the tap only goes up, except by `yank`: a
pre-release or an older version moves nothing. What the tap has is read from the formula there, and which versions were
yanked from its history: those whose formula gave way to that of an older version, and those that a commit names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ci.core.errors import ReleaseError, UsageError, VerificationError
from ci.core.faults import Fault, fault_of
from ci.core.run import Runner
from ci.core.secrets import Secret
from ci.manifest.versions import Version, parse
from ci.publish.formula import version_of
from ci.publish.release_page import ReleasePage
from ci.publish.release_set import ReleaseSet, SetFile
from ci.publish.tap_git import Change, Remote, Undecided, blob_id
from ci.publish.target import Item, Say, State

_PUSHES = 3
_PAUSE_S = 1.0
_NEW_VERSION = "a published version keeps its bytes: make a new version"
_IS_YANKED = " is yanked"  # the end of a commit's subject, behind the formula and the version

_Content = tuple[str, Version | None]


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What the tap has: `state` is that of this release's formula, `note` says why if nothing is to be sent."""

    state: State
    note: str = ""
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Tap:
    """A tap at an https address. `formula` is the name of the formula, as users install it.

    `epoch` is the release's date, `maintainer` who makes the commit: "NAME" or "NAME <ADDRESS>". `scratch` is a folder
    for a copy of the repository. `patience_s` is for how many seconds a server may send nothing. Nothing is pushed
    before `page` is public.
    """

    release: ReleaseSet
    url: str
    formula: str
    branch: str
    token: Secret | None
    run: Runner
    scratch: Path
    epoch: int
    maintainer: str
    say: Say
    sleep: Callable[[float], None] = time.sleep
    patience_s: int = 60
    page: ReleasePage | None = None

    @property
    def name(self) -> str:
        """Its name on the command line."""
        return "tap"

    @property
    def path(self) -> str:
        """The path of the formula in the repository."""
        return f"Formula/{self.formula}.rb"

    @property
    def version(self) -> Version:
        """The version of the set."""
        return parse(self.release.version)

    def preflight(self) -> Sequence[Fault]:
        """Everything that would stop a publication, such as a token that may not push. It changes nothing."""
        try:
            if self.page and (early := self.page.faults(self.name)):
                return early
            remote = self._remote()
            head = remote.fetch()
            found = self._look(remote, head)
            # Whether the token may write is answered before anything is sent.
            remote.push(head or remote.commit("", self._change(remote)), dry_run=True)
        except ReleaseError as error:
            return [fault_of(error, self.name, self.url)]
        if found.state == State.OTHER:
            return [Fault(check=self.name, where=self.url, what=found.note, advice=found.hint)]
        return []

    def preflight_promotion(self) -> Sequence[Fault]:
        """The same as for a publication: there is no channel for those who test."""
        return self.preflight()

    def state(self) -> Sequence[Item]:
        """The formula in the tap, asked now. It changes nothing. If it is not to move, its name says why."""
        remote, file = self._remote(), self._file()
        found = self._look(remote, remote.fetch())
        push = f"git push {self.url} {self.formula} {self.version} to {self.branch}"
        return [
            Item(
                name=f"{self.path} ({found.note})" if found.note else self.path,
                state=found.state,
                requests=(push,) if found.state == State.MISSING else (),
                size=file.size,
            )
        ]

    def publish(self) -> None:
        """Put the formula into the tap, if its version is to be there, and read it back.

        `VerificationError` if this version is there with other bytes, or was yanked. If somebody else pushes
        meanwhile, it begins anew, three times.
        """
        if self.page:
            self.page.require()
        began = time.monotonic()

        def wanted(remote: Remote, head: str) -> Change | None:
            found = self._look(remote, head)
            if found.state == State.OTHER:
                raise VerificationError(f"tap: {found.note}", hint=found.hint)
            if found.note:
                self.say(f"tap: {self.path}: {found.note}")
            return self._change(remote) if found.state == State.MISSING else None

        if self._bring(wanted):
            seconds = time.monotonic() - began
            self.say(f"tap: {self.path}: {self.version}, {self._file().size:,} bytes in {seconds:.1f} s")

    def promote(self) -> None:
        """Publish: there is no channel for those who test."""
        self.publish()

    def yank(self, reason: str, when: int) -> str:
        """Bring the formula of the newest earlier version back that was not yanked itself, by a new commit.

        Without one, the formula is removed. If the tap has another version by now, an empty commit says that this one
        is not to come back; nothing is done if it could not come back anyway. `when` is the time of the yank, and of
        the commit. Returns what was done, for a person.
        """
        message = f"{self.formula} {self.version}{_IS_YANKED}\n\n{' '.join(reason.split())}\n"
        done = ""

        def wanted(remote: Remote, head: str) -> Change | None:
            nonlocal done
            there = remote.blob(head, self.path)
            version = version_of(remote.text(there)) if there else None
            left = self._not_yanked(remote, head)
            if version != self.version:
                now = f"{version or 'no version'} is there"
                if self.version not in left:
                    if not done:  # by the push before
                        self.say(f"tap: {self.path}: {now}, nothing to yank")
                        done = f"{now}: there was nothing to yank"
                    return None
                done = f"{now}, and {self.version} does not come back"
                return Change(path=self.path, blob=there or None, message=message)
            back = max((earlier for earlier in left if earlier < self.version), default=None)
            done = f"the formula is that of {back} again" if back else "the formula is removed: no earlier one is left"
            return Change(path=self.path, blob=left[back] if back else None, message=message)

        self._bring(wanted, when)
        return done

    def _bring(self, wanted: Callable[[Remote, str], Change | None], when: int | None = None) -> bool:
        """Push what is wanted until the tap has it; returns whether anything was pushed.

        The commit has the time `when`, or the release's date.
        """
        remote = self._remote(when)
        problem: Undecided | None = None
        for number in range(_PUSHES + 1):
            head = remote.fetch()
            change = wanted(remote, head)
            if change is None:
                return number > 0
            if number == _PUSHES:
                break
            try:
                remote.push(remote.commit(head, change))
            except Undecided as error:
                problem = error
                remote.wait(error, _PAUSE_S)
        if problem:
            raise problem
        raise VerificationError(
            f"tap: {self.url}: it takes pushes, and does not show them",
            hint="look at the repository: does something there undo them?",
        )

    def _look(self, remote: Remote, head: str) -> _Found:
        own = blob_id(self._file().read())
        there = remote.blob(head, self.path)
        if there == own:
            return _Found(state=State.THERE)
        version = version_of(remote.text(there)) if there else None
        if self.version.is_prerelease:
            return _Found(state=State.THERE, note=f"{self.version} is a pre-release, and moves nothing")
        if there and version is None:
            what = f"{self.path}: the version of the formula that is there cannot be read"
            return _Found(state=State.OTHER, note=what, hint="correct it by hand: its url must name the version")
        steps = list(_versions(remote, head, self.path))
        if version != self.version and self.version in self._yanked(remote, head, steps):
            what = f"{self.path}: {self.version} was yanked"
            return _Found(state=State.OTHER, note=what, hint="take the next version")
        if version is not None and version > self.version:
            return _Found(state=State.THERE, note=f"{version} is there, and {self.version} moves nothing")
        if version == self.version:
            what = f"{self.path}: {version} is there with other bytes"
            return _Found(state=State.OTHER, note=what, hint=_NEW_VERSION)
        if any(own in change for change in remote.history(head, self.path)):
            what = f"{self.path}: {self.version} was there, and was yanked"
            return _Found(state=State.OTHER, note=what, hint=_NEW_VERSION)
        return _Found(state=State.MISSING)

    def _not_yanked(self, remote: Remote, head: str) -> dict[Version, str]:
        """The newest content of each version that the tap has or had, and that was not yanked."""
        steps = list(_versions(remote, head, self.path))
        yanked = self._yanked(remote, head, steps)
        found: dict[Version, str] = {}
        for _, (blob, version) in steps:  # the newest comes first
            if version is not None and version not in yanked:
                found.setdefault(version, blob)
        return found

    def _yanked(self, remote: Remote, head: str, steps: Sequence[tuple[_Content, _Content]]) -> set[Version]:
        """The versions whose formula gave way to that of an older one, or to none, and those that a commit names."""
        named = {f"{self.formula} {version}{_IS_YANKED}": version for _, (_, version) in steps if version is not None}
        gave_way = {old for (_, old), (_, new) in steps if old is not None and (new is None or new < old)}
        return gave_way | {named[subject] for subject in remote.subjects(head) if subject in named}

    def _change(self, remote: Remote) -> Change:
        blob = remote.store(self._file().read())
        return Change(path=self.path, blob=blob, message=f"{self.formula} {self.version}\n")

    def _file(self) -> SetFile:
        for file in self.release.files:
            if file.name == f"{self.formula}.rb":
                return file
        raise UsageError(f"{self.release.folder}: it has no {self.formula}.rb", hint="make the set again")

    def _remote(self, when: int | None = None) -> Remote:
        remote = Remote(
            url=self.url,
            branch=self.branch,
            token=self.token,
            folder=self.scratch / "tap.git",
            epoch=self.epoch if when is None else when,
            maintainer=self.maintainer,
            run=self.run,
            say=self.say,
            sleep=self.sleep,
            patience_s=self.patience_s,
        )
        remote.begin()
        return remote


def _versions(remote: Remote, head: str, path: str) -> Iterator[tuple[_Content, _Content]]:
    """How a formula has changed, the newest change first: its content and its version, before and after."""
    known: dict[str, Version | None] = {"": None}
    for change in remote.history(head, path):
        for blob in change:
            if blob not in known:
                known[blob] = version_of(remote.text(blob))
        old, new = change
        yield (old, known[old]), (new, known[new])
