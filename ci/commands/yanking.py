"""The command `yank`: takes a published version back, as far as each target allows. Nothing is deleted anywhere."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ci.commands.keys import gnupg_home
from ci.commands.publications import publication, require_version
from ci.commands.running import open_project
from ci.core.console import Console
from ci.core.errors import UsageError
from ci.core.openpgp import Gpg, agent_ended
from ci.manifest.versions import parse
from ci.pipeline.jobs import Options, Project
from ci.publish import every_target, places, run, vex
from ci.publish.every_target import Publication
from ci.publish.github import GitHub
from ci.publish.pypi import PyPi
from ci.publish.registry import Registry
from ci.publish.tap import Tap
from ci.publish.target import Target
from ci.publish.trees import Tree

_MAKERS = {"yum": "ci.release.yum:withdraw", "pacman": "ci.release.pacman:withdraw"}


def yank(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Take a version back: first where people get it without asking for it, the page that explains it last."""
    project = open_project(root, Options())
    require_version(project, chosen.version)
    _require_words(project, chosen)
    with publication(project, console, chosen, testing=False) as (found, _):
        home = gnupg_home(chosen)
        gpg = Gpg(home=home, passphrase=chosen.passphrase_file, epoch=int(time.time()), run=found.run)
        where = places.of_manifest(project.release, tuple(chosen.only))
        targets = run.chosen(every_target.targets(found, where), chosen.only)
        with agent_ended(home, found.run):
            rows = [list(row) for row in taken_back(project, found, targets, gpg, chosen)]
    console.table(f"{project.release.name} {project.release.version} was taken back", ["target", "what was done"], rows)


def _require_words(project: Project, chosen: argparse.Namespace) -> None:
    """Raise `UsageError` unless the reason is one line, and `--fixed-in` is a later version."""
    if not chosen.reason.strip() or not chosen.reason.isprintable():
        raise UsageError("--reason: it is empty, or not one line of text", hint="say in one line what is wrong")
    if chosen.fixed_in is None:
        return
    try:
        later = parse(chosen.fixed_in) > project.release.version
    except ValueError as error:
        raise UsageError(f"--fixed-in {chosen.fixed_in}: the version {error}", hint="name one such as 0.2.1") from error
    if not later:
        raise UsageError(f"--fixed-in {chosen.fixed_in}: it is not later", hint=f"name one after {chosen.version}")


def taken_back(
    project: Project, found: Publication, targets: list[Target], gpg: Gpg, chosen: argparse.Namespace
) -> Iterator[tuple[str, str]]:
    """Take it back at each target, the last one first; gives the target and what was done."""
    for target in reversed(targets):
        found.say(f"{target.name}: taking {found.version} back")
        yield target.name, _at(target, project, found, gpg, chosen)


def _at(target: Target, project: Project, found: Publication, gpg: Gpg, chosen: argparse.Namespace) -> str:
    match target:
        case Tap():
            target.yank(chosen.reason)
            return "the tap has no formula of this version"
        case Tree():
            return _withdrawn(target, project, found, gpg)
        case PyPi():
            return target.yank(chosen.reason)
        case Registry():
            left = target.yank(chosen.reason, _vex(found, chosen))
            return "; ".join(("every image has a note with the reason", *left))
        case GitHub():
            target.yank(chosen.reason)
            return "the notes say so, and it is not the latest release"
    raise AssertionError(f"{target.name} cannot take anything back")


def _withdrawn(target: Tree, project: Project, found: Publication, gpg: Gpg) -> str:
    """Make and sign a tree whose metadata leave the version out, and let it take the place of the published one."""
    from ci.core.resolve import resolve
    from ci.release.trees import KEYS, Making

    published = target.place.shown(target.channel)
    if published is None:
        return "nothing is published there"
    release, tree = project.release, found.scratch / "withdrawn" / target.name
    tree.parent.mkdir(exist_ok=True)
    making = Making(
        release=release,
        gpg=gpg,
        key=release.keys.packages[0].openpgp,
        public_keys=published / KEYS,
        url=release.targets.repositories.url,
        run=found.run,
        scratch=found.scratch,
    )
    withdraw: Callable[..., bool] = resolve(_MAKERS[target.name])
    if not withdraw(tree, published, release.version, making):
        return "the metadata have no package of this version"
    target.replace(tree)
    return "the metadata have no package of this version any more; its files stay"


def _vex(found: Publication, chosen: argparse.Namespace) -> bytes | None:
    if chosen.fixed_in is None:
        return None
    release = found.release
    product = (
        f"pkg:oci/{release.name}?repository_url={release.images.registry}/{release.name}&tag={release.version.oci}"
    )
    return vex.document([product], release.maintainer, chosen.reason, chosen.fixed_in, release.epoch)
