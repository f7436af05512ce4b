"""What the commands share: they open the project, run its jobs, and show what came of them."""

from __future__ import annotations

import argparse
import dataclasses
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from ci.core.checkout import source_state
from ci.core.console import Console
from ci.core.errors import HostError, UnavailableError, UsageError
from ci.core.lock import exclusive
from ci.core.resolve import resolve
from ci.core.tools import Toolbox
from ci.kinds import Builder, Gate, kind_named
from ci.manifest.reader import load
from ci.pipeline import inputs, report
from ci.pipeline.entries import entry_of
from ci.pipeline.jobs import Job, Options, Project
from ci.pipeline.plan import StepState, make_plan, require_tools
from ci.pipeline.scheduler import AT_A_TIME, Outcome, OutcomeState, Scheduler

# What the jobs need that name no figure of their own.
_NEEDED_BYTES = 500_000_000


def open_project(root: Path, options: Options) -> Project:
    """Read the manifest of a checkout."""
    dist = root / "dist"
    return Project(
        root=root,
        dist=dist,
        release=load(root / "release.yaml", known=dist / ".state" / "manifest"),
        toolbox=Toolbox(dist / ".state" / "tools.json"),
        options=options,
    )


def options_of(chosen: argparse.Namespace) -> Options:
    """What the command line chooses; raises `UsageError` where two choices contradict each other."""
    previous = getattr(chosen, "previous", None) or ""
    if "engine" not in chosen:
        return Options(previous=previous)
    flavours = getattr(chosen, "flavour", [])
    for flavour in chosen.base:
        if flavours and flavour not in flavours:
            raise UsageError(
                f"--base {flavour}=...: {flavour} is not among the flavours that --flavour names",
                hint=f"add --flavour {flavour}, or leave out this --base",
            )
    locked = inputs.read(chosen.locked) if getattr(chosen, "locked", None) else None
    signatures: Path | None = getattr(chosen, "signatures", None)
    if signatures and not signatures.is_dir():
        raise UsageError(f"--signatures {signatures}: it is not a folder", hint="name one with the signed RPMs")
    return Options(
        engine=chosen.engine or "auto",
        flavours=tuple(flavours),
        bases=chosen.base,
        locked=locked,
        previous=previous,
        signatures=signatures.resolve() if signatures else None,
    )


def as_built(project: Project) -> Project:
    """The project with the options that its `dist/` was built with: whether the RPMs there are signed."""
    from ci.builders.rpm import signatures_in

    if project.options.signed:
        return project
    found = signatures_in(project.dist, project.release)
    return dataclasses.replace(project, options=dataclasses.replace(project.options, signatures=found))


def probe(project: Project, makers: Iterable[Builder | Gate]) -> Project:
    """Find out what the jobs of builders and gates must know about this machine; return the project with that."""
    return project.with_facts(*(resolve(maker.probe)(project) for maker in makers if maker.probe))


def jobs_of(project: Project, builders: Iterable[Builder]) -> tuple[Job, ...]:
    """The jobs of some builders, for a project whose machine was probed for them.

    Raises `ReleaseError` for an artefact of a kind that `ci/kinds.py` does not list.
    """
    found: tuple[Job, ...] = ()
    for builder in builders:
        make = resolve(builder.jobs)
        found = (*found, *(make(project, found) if builder.given_jobs else make(project)))
    for output in (output for job in found for output in job.outputs if output.kind):
        entry_of(output.kind, output.path)
    return found


def execute(
    project: Project, console: Console, jobs: Sequence[Job], finished: Callable[[Job], bool] = lambda job: False
) -> list[Outcome]:
    """Plan and run some jobs. No other run works in this `dist/` at the same time, so the plan stays true.

    Of the jobs that are `finished`, the files in `dist/` are taken as they are.
    """
    with working(project, console) as lock:
        steps = make_plan(project, jobs, finished)
        require_tools(steps)
        building = [step for step in steps if step.state == StepState.TO_BUILD]
        if building:
            _require_space(project.dist, needed_bytes(step.job for step in building))
        if any(output.kind for step in building for output in step.job.outputs):
            report.delete(project.dist)
        return Scheduler(project=project, console=console, lock=lock).execute(steps)


def working(project: Project, console: Console) -> AbstractContextManager[int]:
    """The lock on `dist/`, as a descriptor; another run that has it ends this one with `BusyError`."""
    return exclusive(project.dist / ".state" / "lock", console.say)


def needed_bytes(jobs: Iterable[Job]) -> int:
    """How much of the disk some jobs need: what they keep, and what those unpack that run at the same time."""
    chosen = list(jobs)
    unpacked = sorted((job.unpacks for job in chosen), reverse=True)
    return _NEEDED_BYTES + sum(job.keeps for job in chosen) + sum(unpacked[:AT_A_TIME])


def _require_space(dist: Path, needed: int) -> None:
    free = shutil.disk_usage(dist).free
    if free < needed:
        raise HostError(
            f"{dist}: {free / 1e6:.0f} MB are free, {needed / 1e6:.0f} MB are needed",
            hint="free some disk space and run the same command again",
        )


def artifacts_of(project: Project, outcomes: Sequence[Outcome]) -> list[report.Artifact]:
    """The entries of `artifacts.json`, with the digests of images, which are in their archives."""
    found = []
    for artifact in report.artifacts_of(outcomes):
        read = kind_named(artifact.kind).digest if artifact.sha256 else ""
        digest = resolve(read)(project.dist / artifact.path) if read else None
        found.append(dataclasses.replace(artifact, digest=digest))
    return found


def show(console: Console, project: Project, artifacts: Sequence[report.Artifact]) -> None:
    """Show the table of some artefacts."""
    source = source_state(project.root, project.release.version.tag)
    title = f"{project.release.name} {project.release.version} ({source})"
    notes = [f"{', '.join(names)}: {reason}" for reason, names in report.shared_reasons(artifacts).items()]
    console.table(title, ["kind", "artifact", ">size", "status", "reason"], report.rows(artifacts), notes)


def raise_first_error(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Raise the error of the first job that failed, after those of the others were shown."""
    failed = (outcome.error for outcome in outcomes if outcome.state == OutcomeState.FAILED)
    errors = {str(error): error for error in failed if error is not None}
    if errors:
        first, *others = errors.values()
        for error in others:
            console.error(error)
        raise first


def require_chosen_flavours(options: Options, outcomes: Sequence[Outcome]) -> None:
    """Raise `UnavailableError` if a flavour that the command line names has no image that can be built here.

    Of other flavours, an image that cannot be built is only reported.
    """
    built = [outcome for outcome in outcomes if outcome.step.job.outputs]
    for flavour in sorted({*options.flavours, *options.bases}):
        images = [outcome for outcome in built if outcome.step.job.variant.flavour == flavour]
        if all(outcome.state == OutcomeState.UNAVAILABLE for outcome in images):
            raise UnavailableError("\n".join(f"{outcome.step.job.id}: {outcome.why}" for outcome in images))
