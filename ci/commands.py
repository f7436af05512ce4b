"""What each command does, as a short list of steps that can be read at a glance."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from ci import builders, report, verify
from ci.console import Console
from ci.errors import DRIFT_HINT, DriftError, HostError, UnavailableError, UsageError
from ci.files import sha256_of
from ci.jobs import Job, Options, Project
from ci.lock import exclusive
from ci.manifest import load, write_source_sha256
from ci.plan import TO_BUILD, UNAVAILABLE, make_plan, require_tools, with_needed
from ci.run import Runner
from ci.scheduler import Outcome, Scheduler
from ci.tools import Toolbox

_NEEDED_BYTES = 500_000_000


def open_project(root: Path, options: Options) -> Project:
    """Read the manifest of a checkout."""
    dist = root / "dist"
    return Project(
        root=root,
        dist=dist,
        release=load(root / "release.yaml"),
        toolbox=Toolbox(dist / ".state" / "tools.json"),
        options=options,
    )


def bake(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Render the templates into the committed folders."""
    from ci.bake import bake as render

    files = render(root, load(root / "release.yaml"), root)
    console.say(f"baked {len(files)} files")


def check(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """The manifest is sound, the baked tree is what it gives, and the ecosystems' own checks accept it."""
    from ci.bake import drift
    from ci.lint import lint

    project = open_project(root, Options())
    difference = drift(root, project.release)
    if difference:
        raise DriftError(f"the baked tree is not what release.yaml gives:\n{difference}", hint=DRIFT_HINT)
    console.say("release.yaml is valid, and the baked tree is what it gives")
    with _working(project, console):
        log = project.dist / "logs" / "check.log"
        log.unlink(missing_ok=True)
        lint(project, Runner(log=log))
    console.say("the baked files pass the checks of rpmlint, makepkg, shellcheck, rubocop, hadolint and mandoc")


def plan(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Show every artefact: its builder, tools and their versions, input hash, and what would be done."""
    project = open_project(root, _options(chosen))
    steps = make_plan(project, builders.all_jobs(project))
    entries = [
        {
            "artifact": output.name,
            "kind": output.kind,
            "builder": step.job.builder,
            "tools": list(step.tools),
            "input": step.input_hash,
            "state": step.state,
            "reason": step.why,
        }
        for step in steps
        for output in step.job.outputs
        if output.kind
    ]
    if chosen.json:
        document = {"format": 1, "version": str(project.release.version), "artifacts": entries}
        print(json.dumps(document, indent=2))
        return
    columns = ["artifact", "builder", "tools", "input", "state", "reason"]
    rows = [[_cell(entry[column]) for column in columns] for entry in entries]
    console.table(f"Plan for {project.release.name} {project.release.version}", columns, rows)


def build(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Build what one session is for, and what that needs."""
    project = open_project(root, _options(chosen))
    jobs = with_needed(builders.all_jobs(project), lambda job: job.builder == chosen.command)
    outcomes = _execute(project, console, jobs)
    artifacts = report.artifacts_of(outcomes)
    own = {output.path for job in jobs if job.builder == chosen.command for output in job.outputs}
    wanted = [artifact for artifact in artifacts if artifact.path in own]
    _show(console, project, wanted)
    if chosen.command == "images":
        from ci.builders.images import size_table

        console.table(*size_table(project))
    _raise_first_error(outcomes)
    _require_what_was_named(project.options, outcomes)


def snapshot(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Plan, build, open each artefact again and make it answer, and write down what came out."""
    project = open_project(root, _options(chosen))
    builds = builders.all_jobs(project)
    outcomes = _execute(project, console, (*builds, *verify.jobs(project, builds)))
    artifacts = report.artifacts_of(outcomes)
    not_tried = verify.not_tried(builds)
    report.write(project.dist, project.release, artifacts, not_tried)
    _show(console, project, artifacts)
    for reason in not_tried:
        console.say(f"not tried with any artefact: {reason}")
    _raise_first_error(outcomes)
    _require_what_was_named(project.options, outcomes)


def source_hash(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Build the source tarball, write its hash into the manifest, and bake."""
    project = open_project(root, Options())
    jobs = with_needed(builders.all_jobs(project), lambda job: job.id == "sdist")
    _raise_first_error(_execute(project, console, jobs))
    sha256 = sha256_of(project.dist / "sdist" / project.release.sdist_name)
    write_source_sha256(root / "release.yaml", sha256)
    console.say(f"release.yaml: source.sha256 is now {sha256}")
    bake(root, console, chosen)


def _options(chosen: argparse.Namespace) -> Options:
    if "engine" not in chosen:
        return Options()
    bases = dict(chosen.base)
    for flavour in bases:
        if chosen.flavour and flavour not in chosen.flavour:
            raise UsageError(f"--base {flavour}=...: {flavour} is not among the flavours that --flavour asks for")
    return Options(engine=chosen.engine, flavours=tuple(chosen.flavour), bases=bases)


def _cell(value: object) -> str:
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return text[:12] if len(text) == 64 else text


def _execute(project: Project, console: Console, jobs: Sequence[Job]) -> list[Outcome]:
    """Plan and run some jobs, alone in this `dist/`. The plan is made under the lock: it must still hold when used."""
    with _working(project, console) as lock:
        steps = make_plan(project, jobs)
        require_tools(steps)
        building = [step for step in steps if step.state == TO_BUILD]
        if building:
            _require_space(project.dist)
        if any(output.kind for step in building for output in step.job.outputs):
            report.withdraw(project.dist)
        return Scheduler(project=project, console=console, lock=lock).execute(steps)


def _working(project: Project, console: Console) -> AbstractContextManager[int]:
    return exclusive(project.dist / ".state" / "lock", console.say)


def _require_space(dist: Path) -> None:
    free = shutil.disk_usage(dist).free
    if free < _NEEDED_BYTES:
        raise HostError(
            f"{dist}: {free / 1e6:.0f} MB are free, {_NEEDED_BYTES / 1e6:.0f} MB are needed",
            hint="free some disk space and run the same command again",
        )


def _show(console: Console, project: Project, artifacts: Sequence[report.Artifact]) -> None:
    title = f"{project.release.name} {project.release.version}"
    console.table(title, ["kind", "artifact", ">size", "status", "reason"], report.rows(artifacts))


def _raise_first_error(outcomes: Sequence[Outcome]) -> None:
    errors = {str(outcome.error): outcome.error for outcome in outcomes if outcome.error is not None}
    first, *others = errors.values() or [None]
    for error in others:
        print(f"error: {error}", file=sys.stderr)
    if first is not None:
        raise first


def _require_what_was_named(options: Options, outcomes: Sequence[Outcome]) -> None:
    """What is out of reach is only reported; but of a flavour that was asked for by name there must be one image."""
    for flavour in sorted({*options.flavours, *options.bases}):
        images = [outcome for outcome in outcomes if outcome.step.job.id.startswith(f"image-{flavour}-")]
        if all(outcome.state == UNAVAILABLE for outcome in images):
            raise UnavailableError("\n".join(f"{outcome.step.job.id}: {outcome.why}" for outcome in images))


COMMANDS: dict[str, Callable[[Path, Console, argparse.Namespace], None]] = {
    "bake": bake,
    "check": check,
    "plan": plan,
    "sdist": build,
    "rpm": build,
    "msys2": build,
    "brew": build,
    "images": build,
    "snapshot": snapshot,
    "source-hash": source_hash,
}
