"""Decides on the next version, and refuses what cannot be released; see `ci.release.bump`."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from ci.core.checkout import is_checkout
from ci.core.errors import CommandFailed, ReleaseError, UsageError
from ci.core.git import Git
from ci.core.run import Runner
from ci.manifest import changelog
from ci.manifest.release import Release
from ci.manifest.versions import Version
from ci.release import changelog_heading, next_version
from ci.release.version_order import require_goes_up

_SHOWN_FILES = 10
_Anything = TypeVar("_Anything")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be made of which commit. `branch` is the full name of the ref, `people` git's variables for them.

    `release` is the one in the commit.
    """

    release: Release
    version: Version
    date: dt.date
    before: str
    branch: str
    people: Mapping[str, str]

    @property
    def tag(self) -> str:
        """The tag; empty for a version that is only opened."""
        return "" if self.version.is_open else self.version.tag

    @property
    def subject(self) -> str:
        """The first line of the commit's message."""
        return f"Open {self.version}" if self.version.is_open else f"Release {self.version}"


def plan(
    root: Path, release: Release, words: Sequence[str], date: dt.date, run: Runner, say: Callable[[ReleaseError], None]
) -> Plan:
    """Decide on the version, and refuse what cannot be released.

    Every fault is found at once: all but the first are handed to `say`, and the first is raised.
    """
    if not is_checkout(root):
        raise UsageError(f"{root} is not a git checkout: a version is a commit and a tag", hint="work in a clone")
    git, errors = Git(root=root, run=run), list[ReleaseError]()

    def tried(check: Callable[[], _Anything]) -> _Anything | None:
        try:
            return check()
        except ReleaseError as error:
            errors.append(error)
            return None

    branch = tried(lambda: _branch(git))
    tried(lambda: _require_clean(git))
    people = tried(lambda: _people(git))
    released = tried(lambda: _released(git)) if branch else None
    version = tried(lambda: next_version.wanted(words, release.version, released)) if released is not None else None
    if version is not None and released is not None:
        tried(lambda: require_goes_up(version, released, run))
        tried(lambda: _require_free(git, version))
        if not version.is_open:
            tried(lambda: changelog_heading.released((root / changelog.NAME).read_bytes().decode(), version, date))
    if errors:
        first, *others = errors
        for error in others:
            say(error)
        raise first
    assert branch
    assert people
    assert version
    before = git("rev-parse", "HEAD")
    return Plan(release=release, version=version, date=date, before=before, branch=branch, people=people)


def changes(git: Git) -> str:
    """What git says has changed since the commit: one line for each file."""
    return git("--no-optional-locks", "status", "--porcelain", "--untracked-files=normal")


def _branch(git: Git) -> str:
    """The full name of the branch that HEAD is on; raises `UsageError` if the commit would belong to none."""
    try:
        branch = git("symbolic-ref", "--quiet", "HEAD")
    except CommandFailed as error:
        raise UsageError(
            "HEAD is detached: the new commit would belong to no branch", hint="switch to one: git switch BRANCH"
        ) from error
    try:
        git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    except CommandFailed as error:
        raise UsageError(f"{branch} has no commit yet", hint="commit what is to be released") from error
    return branch


def _require_clean(git: Git) -> None:
    changed = changes(git).splitlines()
    if changed:
        more = [f"and {len(changed) - _SHOWN_FILES} more"] if len(changed) > _SHOWN_FILES else []
        listed = "\n".join(f"  {line}" for line in (*changed[:_SHOWN_FILES], *more))
        raise UsageError(
            f"{git.root} has changes that are not committed:\n{listed}", hint="commit them, or stash them: git stash -u"
        )


def _people(git: Git) -> dict[str, str]:
    """Git's variables that name author and committer as the settings of git do."""
    people: dict[str, str] = {}
    for role in ("AUTHOR", "COMMITTER"):
        try:
            ident = git("-c", "user.useConfigOnly=true", "var", f"GIT_{role}_IDENT")
        except CommandFailed as error:
            raise UsageError(
                f"git does not know who is the {role.lower()} of the commit",
                hint='set both: git config user.name "..." and git config user.email ...',
            ) from error
        name, _, rest = ident.rpartition(" <")
        people |= {f"GIT_{role}_NAME": name, f"GIT_{role}_EMAIL": rest.partition(">")[0]}
    return people


def _released(git: Git) -> list[Version]:
    """The versions that the commit has among its ancestors."""
    if git("rev-parse", "--is-shallow-repository") == "true":
        raise UsageError(
            "this clone is shallow: earlier versions cannot be seen", hint="run: git fetch --unshallow --tags"
        )
    return next_version.of_tags(git("tag", "--list", "--merged", "HEAD").splitlines())


def _require_free(git: Git, version: Version) -> None:
    if version.tag in git("tag", "--list").splitlines():
        raise UsageError(
            f"the tag {version.tag} exists already",
            hint="name another version; a tag that was published must never move",
        )
