"""What git knows about the checkout that the tooling works in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from ci.core.errors import CommandFailed, VerificationError
from ci.core.run import Runner


@dataclass(frozen=True, kw_only=True)
class SourceState:
    """What a release is made from.

    `revision` is the release's tag if the commit has it and nothing was changed since, and the tag with `-unreleased`
    otherwise. `commit` is empty outside a git checkout, and before the first commit. `modified` says whether the
    checkout holds changes that are not committed, or files that git neither tracks nor ignores.
    """

    revision: str
    commit: str = ""
    modified: bool = False

    def __str__(self) -> str:
        if not self.commit:
            return f"{self.revision}, no git commit"
        return f"{self.revision}, commit {self.commit[:12]}{', modified' if self.modified else ''}"


def is_checkout(root: Path) -> bool:
    """Whether the folder is the top of a git checkout."""
    return (root / ".git").exists()  # a file in a work tree beside the repository's own


def tracked(root: Path, folder: str) -> list[Path]:
    """The files below a folder that git tracks. Some may be deleted on the disk."""
    listed = _git(root, "ls-files", "-z", "--", folder)
    return [root / name for name in listed.split("\0") if name]


def require_own_files(root: Path, files: Iterable[Path]) -> None:
    """Raise `VerificationError` if a file is reached by a symbolic link that leads to none of the files themselves.

    What such a link leads to would be published: a file of whoever builds, outside the checkout or not committed.
    """
    top = root.resolve()
    places = {file: top / file.relative_to(root) for file in files}
    own = set(places.values())
    faults = [fault for file, place in places.items() if (fault := _fault_of_link(file, place, own))]
    if faults:
        hint = "replace each link with the file itself, or let it lead to a file that ships"
        raise VerificationError("\n".join(faults), hint=hint)


def _fault_of_link(file: Path, place: Path, own: AbstractSet[Path]) -> str:
    """What is wrong with where a file leads; empty if it is not a link, or leads to one of our own files."""
    try:
        real = file.resolve(strict=True)
    except FileNotFoundError:
        return f"{file}: this symbolic link leads nowhere" if file.is_symlink() else ""  # removed since the commit
    except (OSError, RuntimeError):  # RuntimeError: what Python 3.12 and older raise for a circle
        return f"{file}: this symbolic link leads nowhere"
    if real == place:
        return ""
    if real.is_dir():
        return f"{file}: this symbolic link leads to a folder, {real}"
    if real in own and file.is_symlink():
        return ""
    return f"{file}: a symbolic link leads to {real}, which is not one of the files that ship"


def source_state(root: Path, tag: str) -> SourceState:
    """The state of a checkout, for a release with this tag."""
    unreleased = f"{tag}-unreleased"
    if not is_checkout(root):
        return SourceState(revision=unreleased)
    try:
        commit = _git(root, "rev-parse", "--verify", "--quiet", "HEAD").strip()
    except CommandFailed:  # nothing is committed yet
        return SourceState(revision=unreleased)
    modified = bool(_git(root, "--no-optional-locks", "status", "--porcelain", "--untracked-files=normal"))
    released = not modified and tag in _git(root, "tag", "--points-at", "HEAD").split()
    return SourceState(revision=tag if released else unreleased, commit=commit, modified=modified)


def commit_of(root: Path, revision: str) -> str:
    """The commit that a revision names, such as a tag; empty if it names none, or if this is not a checkout."""
    if revision.startswith("-") or not is_checkout(root):
        return ""
    try:
        return _git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
    except CommandFailed:
        return ""


@dataclass(frozen=True, kw_only=True)
class GitTag:
    """A tag of a checkout: its own object, the commit that it leads to, and whether it is annotated and signed.

    A tag that is not annotated has no object of its own; then both are the commit.
    """

    object: str
    commit: str
    annotated: bool
    signed: bool


def tag_named(root: Path, name: str) -> GitTag | None:
    """The tag of that name; None if there is none."""
    try:
        commit = _git(root, "rev-parse", "--verify", "--quiet", f"refs/tags/{name}^{{commit}}").strip()
    except CommandFailed:
        return None
    annotated = _git(root, "cat-file", "-t", f"refs/tags/{name}").strip() == "tag"
    own = _git(root, "rev-parse", "--verify", f"refs/tags/{name}").strip()
    return GitTag(
        object=own, commit=commit, annotated=annotated, signed=annotated and b"\n-----BEGIN " in tag_text(root, name)
    )


def tag_text(root: Path, name: str) -> bytes:
    """The text of an annotated tag: its fields and its message and, if it is signed, its signature."""
    return _git(root, "cat-file", "tag", f"refs/tags/{name}").encode()


def changed_files(root: Path) -> list[str]:
    """The files with changes that are not committed, and those that git neither tracks nor ignores."""
    listed = _git(
        root, "--no-optional-locks", "status", "--porcelain", "-z", "--untracked-files=normal", "--no-renames"
    )
    return [entry[3:] for entry in listed.split("\0") if entry]


def tags(root: Path) -> list[str]:
    """The tags of a checkout; none elsewhere."""
    return _git(root, "tag", "--list").split() if is_checkout(root) else []


def _git(root: Path, *words: str) -> str:
    # Git refuses a repository of another user, whose settings may name programs to run. The code of this very checkout
    # is running already, so it is safe; but no settings of it are to start programs.
    settings = ("-c", f"safe.directory={root.resolve()}", "-c", "core.fsmonitor=false")
    with tempfile.TemporaryDirectory(prefix="faas-runtime-git-") as scratch:
        run = Runner(log=Path(scratch, "git.log"))
        return run.output("git", *settings, "-C", root.resolve(), *words)
