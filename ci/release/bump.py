"""Cuts a version: one commit and one tag, made in a clone and moved over when both are right.

The clone gets the new manifest, changelog, rendered files and source hash. Only then the checkout changes: git brings
its files to the new commit, and moves the branch and makes the tag in one step. Nothing is pushed.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote

from ci.bake.render import bake
from ci.builders import sdist
from ci.core.errors import CommandFailed, HostError
from ci.core.files import write_atomically
from ci.core.git import Git
from ci.core.run import Runner
from ci.core.tools import Toolbox
from ci.manifest import changelog
from ci.manifest.editing import write_source_sha256, write_values
from ci.manifest.reader import NAME as MANIFEST
from ci.manifest.reader import load
from ci.manifest.release import Release, sdist_name
from ci.manifest.versions import Version
from ci.pipeline.jobs import Project
from ci.release import changelog_heading
from ci.release.bump_plan import Plan, changes

ZEROS = "0" * 64
Sign = Callable[[bytes], bytes]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cut:
    """A finished commit in a clone, and the id of its tag there; empty for a version that is only opened."""

    plan: Plan
    clone: Path
    commit: str
    tag: str

    @property
    def undo(self) -> tuple[str, ...]:
        """The commands that take it back. Changes that were made since are kept, or git refuses."""
        back = f"git reset --keep {self.plan.before}"
        return (f"git tag --delete {self.plan.tag}", back) if self.plan.tag else (back,)


def cut(plan: Plan, root: Path, scratch: Path, run: Runner, sign: Sign | None = None) -> Cut:
    """Make the commit and the tag in a clone below `scratch`. The checkout is only read.

    `sign` returns an armoured OpenPGP signature of its argument; without it, the tag is not signed.
    """
    clone = scratch / "clone"
    Git(root=root, run=run)("clone", "--quiet", "--shared", "--no-checkout", "--no-tags", root.resolve(), clone)
    git = Git(root=clone, run=run)
    git("checkout", "--quiet", "--detach", plan.before)
    _edit(plan, clone, scratch, run)
    git("add", "--all")
    commit = git("commit-tree", "-p", plan.before, "-m", plan.subject, git("write-tree"), env=plan.people)
    git("update-ref", "HEAD", commit)
    return Cut(plan=plan, clone=clone, commit=commit, tag=_tagged(plan, git, commit, sign) if plan.tag else "")


def difference(made: Cut, run: Runner, *, colour: bool) -> str:
    """The diff from the checkout's commit to the new one."""
    how = "--color=always" if colour else "--color=never"
    return Git(root=made.clone, run=run)("diff", how, "--no-ext-diff", "--no-textconv", made.plan.before, made.commit)


def move_over(made: Cut, root: Path, run: Runner) -> None:
    """Bring the checkout to the new commit: its files first, then branch and tag in one step.

    If something fails, or the run is interrupted, the files are brought back.
    """
    git, plan = Git(root=root, run=run), made.plan
    quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
    git("fetch", *quiet, made.clone, f"refs/tags/{plan.tag}" if plan.tag else "HEAD")  # into the store of objects alone
    moves = [f"update {plan.branch} {made.commit} {plan.before}"]
    moves += [f"create refs/tags/{plan.tag} {made.tag}"] if plan.tag else []
    script = "".join(f"{line}\n" for line in ("start", *moves, "prepare", "commit"))
    try:
        git("update-index", "-q", "--refresh")  # files that were copied have other times than git remembers
        git("read-tree", "-m", "-u", plan.before, made.commit)
        git("update-ref", "-m", f"bump: {plan.subject}", "--stdin", stdin=script)
    except BaseException as error:
        _bring_back(made, git, error)
        raise


def _bring_back(made: Cut, git: Git, error: BaseException) -> None:
    """Undo the change of the files, unless branch and tag are there already: then only the answer was lost."""
    try:
        if git("rev-parse", "HEAD") == made.commit:
            return
        git("read-tree", "-m", "-u", made.commit, made.plan.before)
        changed = changes(git)
    except CommandFailed as failure:
        changed = str(failure)
    if changed:
        raise HostError(
            f"{error}\nand the files could not be brought back:\n{changed}",
            hint=f"look at them with git status; this brings them back: git reset --hard {made.plan.before}",
        ) from error


def _edit(plan: Plan, clone: Path, scratch: Path, run: Runner) -> None:
    """Write the manifest, the changelog and the rendered files. Raises `ManifestError` if the result is not valid."""
    history = clone / changelog.NAME
    text = _text(history)
    if plan.version.is_open:
        text = changelog_heading.opened(text)
    else:
        text = changelog_heading.released(text, plan.version, plan.date)
    write_atomically(history, text.encode())
    write_values(
        clone / MANIFEST,
        {
            ("version",): f'"{plan.version}"',
            ("date",): f'"{plan.date}"',
            ("source", "url"): _url(plan.release, plan.version),
            ("source", "sha256"): f'"{ZEROS}"',
            ("rpm", "release"): "1",
            ("msys2", "release"): "1",
        },
    )
    edited = load(clone / MANIFEST)
    bake(clone, edited, clone)
    if not plan.version.is_open:
        project = Project(root=clone, dist=scratch / "dist", release=edited, toolbox=Toolbox(scratch / "tools.json"))
        sha256 = sdist.hash_of_checkout(project)
        write_source_sha256(clone / MANIFEST, sha256)
        bake(clone, edited.with_source_sha256(sha256), clone)


def _url(release: Release, version: Version) -> str:
    """The URL of the source tarball of another version: each part of the path that names the version names the new one.

    It can be written without quotes, as whatever YAML may read in another way is escaped.
    """
    names = {
        release.sdist_name: sdist_name(release.name, version),
        release.version.tag: version.tag,
        str(release.version): str(version),
    }
    head, _, path = release.source.url.rpartition("://")
    parts = (quote(names[unquote(part)]) if unquote(part) in names else part for part in path.split("/"))
    url = f"{head}://{'/'.join(parts)}"
    return url if re.fullmatch(r"[\w./:%?=&+~-]+(?<!:)", url, re.ASCII) else f'"{url}"'


def _tagged(plan: Plan, git: Git, commit: str, sign: Sign | None) -> str:
    """Make the tag in the clone; returns its id. It is what `git tag` would make, which signs with the clock's time."""
    changes = changelog_heading.section(_text(git.root / changelog.NAME), plan.version)
    tagger = git("var", "GIT_COMMITTER_IDENT", env=plan.people)
    head = f"object {commit}\ntype commit\ntag {plan.tag}\ntagger {tagger}\n"
    text = f"{head}\n{plan.release.name} {plan.version}\n\n{changes}\n"
    tag = git("mktag", stdin=text + (sign(text.encode()).decode() if sign else ""))
    git("update-ref", f"refs/tags/{plan.tag}", tag)
    return tag


def _text(path: Path) -> str:
    return path.read_bytes().decode()
