"""The sessions that build, each one some kinds of artefact; and `build`, which builds them all."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ci import kinds
from ci.commands.committed import warn_of_source_hash
from ci.commands.running import (
    artifacts_of,
    execute,
    jobs_of,
    open_project,
    options_of,
    probe,
    raise_first_error,
    require_chosen_flavours,
    show,
)
from ci.core.checkout import source_state
from ci.core.console import Console
from ci.core.resolve import resolve
from ci.pipeline import report
from ci.pipeline.jobs import Job, Project
from ci.pipeline.plan import with_needed
from ci.pipeline.scheduler import Outcome, OutcomeState


def build(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Build the kinds of one session, and everything that they are made from."""
    project = open_project(root, options_of(chosen))
    session = kinds.kinds_of(chosen.command)
    project = probe(project, kinds.builders_of(session))
    own_builders = {kind.builder.name for kind in session}
    jobs = with_needed(jobs_of(project, kinds.builders_of(session)), lambda job: job.builder in own_builders)
    outcomes = execute(project, console, jobs)
    names = {kind.name for kind in session}
    show(console, project, [artifact for artifact in report.artifacts_of(outcomes) if artifact.kind in names])
    for table in dict.fromkeys(kind.builder.table for kind in session if kind.builder.table):
        console.table(*resolve(table)(project))
    warn_of_source_hash(project, console)
    raise_first_error(console, outcomes)
    require_chosen_flavours(project.options, outcomes)


def build_everything(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Build all artefacts and verify nothing: what `reproduce` runs in its clones."""
    from ci.prove import recorded

    project = open_project(root, options_of(chosen))
    builders = kinds.builders_of(kinds.KINDS)
    project = probe(project, builders)
    jobs = jobs_of(project, builders)
    require_locked(project, jobs)
    outcomes = execute(project, console, jobs)
    source = source_state(project.root, project.release.version.tag)
    report.write(project.dist, project.release, source, artifacts_of(project, outcomes), (), None)
    recorded.write(project, jobs)
    raise_first_error(console, outcomes)
    require_locked_inputs(project, jobs, outcomes)


def require_locked(project: Project, jobs: Sequence[Job]) -> None:
    """Raise `UnavailableError` unless what `--locked` names is here."""
    from ci.prove import recorded

    if project.options.locked is not None:
        recorded.require_available(project, project.options.locked)
        recorded.require_tools(project, jobs, project.options.locked)


def require_locked_inputs(project: Project, builds: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
    """Raise the error of the first of these jobs that, while it worked, did not get an input that `--locked` names."""
    if project.options.locked is None:
        return
    ids = {job.id for job in builds}
    for outcome in outcomes:
        if outcome.step.job.id in ids and outcome.state == OutcomeState.UNAVAILABLE and outcome.error:
            raise outcome.error
