"""The command `yank`: takes a published version back, as far as each target allows. Nothing is deleted anywhere."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ci.commands import yank_checks
from ci.commands.keys import gnupg_home
from ci.commands.publications import publication, require_version
from ci.commands.running import open_project
from ci.commands.yank_checks import Checked
from ci.commands.yank_trees import Withdrawal
from ci.core.console import Console
from ci.core.errors import ReleaseError, UsageError
from ci.core.openpgp import Gpg, agent_ended
from ci.manifest.release import PackageKey, Release
from ci.manifest.versions import parse
from ci.pipeline.jobs import Options, Project
from ci.publish import every_target, places, run, vex
from ci.publish.crates import Crates
from ci.publish.every_target import Publication
from ci.publish.github import GitHub
from ci.publish.github_marks import is_heading
from ci.publish.ledger import PublicationLedger
from ci.publish.pypi import PyPi
from ci.publish.registry import Registry
from ci.publish.tap import Tap
from ci.publish.target import Item, State, Target
from ci.publish.trees import Tree

_LEDGER, _TIME = "yank", "time"
_WILL_DO = {
    "github": "put the reason on top of the notes; let another release be the latest",
    "registry": "attach a note with the reason to each image; let the tags that move go back",
    "crates": "yank the version, which keeps it for those whose Cargo.lock names it",
    "pypi": "print the steps that have to be done by hand",
    "tap": "bring the formula of the version before back, or note that this one is not to come back",
}


@dataclass(frozen=True, kw_only=True)
class Yank:
    """A version that is yanked, why, and what signs the new metadata. The time of `gpg` is that of the yank."""

    found: Publication
    gpg: Gpg
    key: PackageKey
    reason: str
    fixed_in: str | None = None

    def withdrawal(self, target: Tree) -> Withdrawal:
        """How the version is taken out of a repository of packages."""
        return Withdrawal(target=target, found=self.found, gpg=self.gpg, key=self.key.openpgp)


def yank(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Take a version back: first where people get it without asking for it, the page that explains it last."""
    project = open_project(root, Options())
    require_version(project, chosen.version)
    _require_words(project, chosen)
    key, home = key_named(project.release, chosen.key), gnupg_home(chosen)
    with publication(project, console, chosen, testing=False, is_published=True) as (found, _):
        where = places.of_manifest(project.release, tuple(chosen.only))
        targets = run.chosen(every_target.targets(found, where), chosen.only)
        gpg = Gpg(home=home, passphrase=chosen.passphrase_file, epoch=time_of(found.ledger), run=found.run)
        one = Yank(found=found, gpg=gpg, key=key, reason=chosen.reason, fixed_in=chosen.fixed_in)
        with agent_ended(home, found.run) if home.is_dir() else contextlib.nullcontext():
            yank_at(one, targets, console, dry_run=chosen.dry_run)


def yank_at(one: Yank, targets: Sequence[Target], console: Console, *, dry_run: bool = False) -> None:
    """Take a version back at each target, the last one first; with `dry_run`, only show what would be done.

    `PreflightError`, before anything is changed, has all that stands in the way. Whatever happens later, what was done
    until then is shown.
    """
    checked = yank_checks.check(targets, one.gpg, one.key)
    if dry_run:
        rows = [row for target in reversed(targets) for row in _plan(target, one, checked)]
        console.table("What would be done", ["target", "there now", "what would be done"], rows)
    checked.require_ready()
    if not dry_run:
        one.found.ledger.remember(_LEDGER, _TIME, str(one.gpg.epoch))
        _each(one, list(reversed(targets)), console)


def time_of(ledger: PublicationLedger) -> int:
    """The time of the yank, in seconds since 1970: now, or that of a run before this one, which signed with it."""
    known = ledger.get(_LEDGER, _TIME)
    return int(known) if known.isdecimal() else int(time.time())


def key_named(release: Release, fingerprint: str | None) -> PackageKey:
    """The key of the manifest that signs: the first one, or the one that is named. `UsageError` for another."""
    keys = release.keys.packages
    if not keys:
        raise UsageError("release.yaml: keys.packages: there is no key to sign with", hint="list one: nox -s keys")
    named = [one for one in keys if fingerprint in (None, one.openpgp)]
    if not named:
        known = ", ".join(one.openpgp for one in keys)
        raise UsageError(f"--key {fingerprint}: release.yaml does not list this key", hint=f"listed: {known}")
    return named[0]


def _require_words(project: Project, chosen: argparse.Namespace) -> None:
    """Raise `UsageError` unless the reason is one line, and `--fixed-in` is a later version."""
    if not chosen.reason.strip() or not chosen.reason.isprintable():
        raise UsageError("--reason: it is empty, or not one line of text", hint="say in one line what is wrong")
    if is_heading(chosen.reason.strip()):
        raise UsageError("--reason: it would be a heading of the release's notes", hint="begin it with a word")
    if chosen.fixed_in is None:
        return
    try:
        later = parse(chosen.fixed_in) > project.release.version
    except ValueError as error:
        raise UsageError(f"--fixed-in {chosen.fixed_in}: the version {error}", hint="name one such as 0.2.1") from error
    if not later:
        raise UsageError(f"--fixed-in {chosen.fixed_in}: it is not later", hint=f"name one after {chosen.version}")


def _each(one: Yank, targets: Sequence[Target], console: Console) -> None:
    rows: list[list[str]] = []
    title = f"What was done before yanking {one.found.version} stopped"
    try:
        for number, target in enumerate(targets):
            one.found.say(f"{target.name}: yanking {one.found.version}")
            try:
                for what in _at(target, one):
                    rows.append([target.name, what])
            except ReleaseError as error:
                later = ", ".join(other.name for other in targets[number + 1 :])
                begun_not = f"; not begun: {later}" if later else ""
                raise run.longer(error, f"{target.name}: {error}{begun_not}") from error
        title = f"{one.found.release.name} {one.found.version} was yanked"
    finally:
        console.table(title, ["target", "what was done"], rows)


def _at(target: Target, one: Yank) -> Iterator[str]:
    match target:
        case Crates() | PyPi() | GitHub():
            yield target.yank(one.reason)
        case Tap():
            yield target.yank(one.reason, one.gpg.epoch)
        case Registry():
            yield target.yank(one.reason, one.gpg.epoch, _vex(one))
        case Tree():
            yield from one.withdrawal(target).run()
        case _:
            raise AssertionError(f"{target.name} cannot yank anything")


def _plan(target: Target, one: Yank, checked: Checked) -> Iterator[list[str]]:
    """The rows about a target that could be asked."""
    if target.name not in checked.items:
        yield [target.name, "it cannot be asked", "nothing, see the fault below"]
        return
    there = _summary(checked.items[target.name])
    try:
        whats = list(one.withdrawal(target).plan()) if isinstance(target, Tree) else [_WILL_DO[target.name]]
    except ReleaseError as error:
        whats = [f"nothing: {error}"]
    if one.fixed_in and target.name == "registry":
        whats.append(f"attach an OpenVEX statement that {one.fixed_in} has the fix")
    for what in whats or ["nothing is published there"]:
        yield [target.name, there, what]


def _summary(items: Sequence[Item]) -> str:
    return f"{sum(item.state == State.THERE for item in items)} of {len(items)}"


def _vex(one: Yank) -> bytes | None:
    if one.fixed_in is None:
        return None
    release = one.found.release
    products = vex.products(one.found.found, release.images.registry)
    return vex.document(products, release.maintainer, one.reason, one.fixed_in, one.gpg.epoch)
