"""The commands that take a finished set to its targets: `publish` and `promote`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ci.commands.publications import publication, require_version
from ci.commands.running import open_project
from ci.core.console import Console
from ci.core.errors import UsageError
from ci.pipeline.jobs import Options, Project
from ci.publish import every_target, places, run

TESTING, STABLE = "testing", "stable"


def publish(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Take the set to every target, or to those that `--only` names; with `--dry-run`, only show what would be sent."""
    if chosen.rehearse and (chosen.only or chosen.dry_run):
        other = "--only" if chosen.only else "--dry-run"
        raise UsageError(f"--rehearse and {other}: a rehearsal is of everything", hint="leave one of them out")
    project = open_project(root, Options())
    channel = _channel(project, chosen.channel)
    if chosen.rehearse:
        from ci.commands import rehearsing

        rehearsing.rehearse(project, console, chosen, testing=channel == TESTING)
        return
    testing = channel == TESTING
    with publication(project, console, chosen, testing=testing) as (found, faults):
        where = places.of_manifest(project.release, tuple(chosen.only), testing=testing)
        targets = run.chosen(every_target.targets(found, where), chosen.only)
        if chosen.dry_run:
            run.show_plan(targets, console)
        run.require_ready(targets, faults, console)
        if not chosen.dry_run:
            run.publish(targets, console)
            if not chosen.only:
                console.say(f"the channel {channel} has {project.release.name} {found.version}")


def promote(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Let what the channel "testing" has go to everybody: the same bytes, nothing is built or signed again."""
    project = open_project(root, Options())
    require_version(project, chosen.version)
    if project.release.version.is_prerelease:
        raise UsageError(f"{project.release.version} is a pre-release", hint="only final versions go to everybody")
    with publication(project, console, chosen, testing=False) as (found, faults):
        where = places.of_manifest(project.release, tuple(chosen.only))
        targets = run.chosen(every_target.targets(found, where), chosen.only)
        run.require_promotable(targets, faults, console)
        run.promote(targets, console)


def _channel(project: Project, named: str | None) -> str:
    """The channel, by default that of the version; `UsageError` for a pre-release that is to go to everybody."""
    if project.release.version.is_prerelease and named == STABLE:
        raise UsageError(
            f"--channel stable: {project.release.version} is a pre-release",
            hint="leave the option out, or bump to final",
        )
    return named or (TESTING if project.release.version.is_prerelease else STABLE)
