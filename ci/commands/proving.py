"""The commands that prove what is in `dist/`: `snapshot`, `verify`, `reproduce` and `compare`."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ci import kinds
from ci.commands.building import require_locked, require_locked_inputs
from ci.commands.committed import warn_of_source_hash
from ci.commands.running import (
    artifacts_of,
    as_built,
    execute,
    jobs_of,
    open_project,
    options_of,
    probe,
    raise_first_error,
    require_chosen_flavours,
    show,
    working,
)
from ci.core.checkout import source_state
from ci.core.console import Console
from ci.core.errors import UnavailableError
from ci.core.files import make_folder
from ci.core.resolve import resolve
from ci.core.run import Runner
from ci.kinds import Gate
from ci.pipeline import finished, gate_report, report
from ci.pipeline.allowances import Allowances, allowed_missing, stand_ins
from ci.pipeline.jobs import Job, Options, Project
from ci.pipeline.scheduler import Outcome, OutcomeState


def snapshot(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Plan, build, verify each artefact, prove what the gates prove, and write the report."""
    from ci.prove import recorded

    project = open_project(root, options_of(chosen))
    gates = () if chosen.quick else kinds.GATES
    project, builds = everything(project, gates)
    require_locked(project, builds)
    if project.options.locked is not None:
        recorded.require_bases(builds, project.options.locked)
    outcomes = build_and_prove(project, console, builds, with_proofs(project, builds, gates), quick=chosen.quick)
    require_locked_inputs(project, builds, outcomes)
    require_chosen_flavours(project.options, outcomes)


def build_and_prove(
    project: Project,
    console: Console,
    builds: Sequence[Job],
    jobs: Sequence[Job],
    *,
    quick: bool = False,
    allow_missing: Sequence[str] = (),
) -> list[Outcome]:
    """Run `jobs`, `builds` among them; record what went into these, and report. Raises the first error."""
    from ci.prove import recorded

    outcomes = execute(project, console, jobs)
    recorded.write(project, builds)
    _report(project, console, builds, outcomes, quick=quick, allow_missing=allow_missing)
    return outcomes


def verify(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Verify what is in `dist/`, as it is, or what was published: nothing is built again."""
    if chosen.published is not None:
        from ci.commands import strangers  # and all that publishes

        strangers.verify(open_project(root, Options()), console, chosen.published)
        return
    if chosen.signatures:
        _verify_signatures(open_project(root, Options()), console)
        return
    project, builds = everything(as_built(open_project(root, options_of(chosen))), kinds.GATES)
    of_artifacts = {builder.name for builder in kinds.builders_of(kinds.KINDS)}
    jobs = with_proofs(project, builds, kinds.GATES)
    outcomes = execute(project, console, jobs, finished=lambda job: job.builder in of_artifacts)
    if all(artifact.size is None for artifact in report.artifacts_of(outcomes)):
        raise UnavailableError("dist/ has no artefact to verify", hint="build them first: nox -s snapshot")
    _report(project, console, builds, outcomes, quick=False)


def _verify_signatures(project: Project, console: Console) -> None:
    """Run the set's own verifier with the committed keys."""
    from ci.release import assemble

    with working(project, console):
        folder = project.dist / assemble.FOLDER
        if not folder.is_dir():
            raise UnavailableError("dist/release has no signed set", hint="make it: nox -s release")
        log = project.dist / "logs" / "signatures.log"
        make_folder(log.parent)
        log.unlink(missing_ok=True)
        print(assemble.verify(project, folder, Runner(log=log)), end="")


def reproduce(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Build this commit twice from clean clones, and compare both with `dist/`."""
    build_again(as_built(open_project(root, Options())), console)


def build_again(project: Project, console: Console) -> None:
    """Build the commit of `dist/` twice, write `reproducibility.json`, and raise an error if a file differs."""
    from ci.prove import proofs
    from ci.prove import reproduce as proof

    with working(project, console) as lock:
        commit = proof.require_snapshot(project)
        proof.announce(console)
        builders = kinds.builders_of(kinds.KINDS)
        jobs = jobs_of(probe(project, builders), builders)
        with proof.built_twice(project, commit, lock) as builds:
            compared = proof.compare(project, jobs, builds)
            length = proof.explain_at_length(project, builds, compared)
        proof.write(project, commit, builds, compared)
        proofs.write(project.dist)
    proof.show(console, compared, builds.seen)
    proof.require_same(compared, length)


def compare(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Say what changed in each artefact since a previous release, and refuse growth beyond the budgets."""
    from ci.prove import compare as comparison
    from ci.prove import previous, proofs

    project = open_project(root, Options())
    with working(project, console), tempfile.TemporaryDirectory(prefix="faas-runtime-compare-") as scratch:
        log, path = project.dist / "logs" / "compare.log", project.dist / comparison.NAME
        make_folder(log.parent)
        for old in (log, path):
            old.unlink(missing_ok=True)
        run = Runner(log=log)
        after = finished.read(project.dist, "dist/", hint="build it first: nox -s snapshot")
        proofs.write(project.dist)  # without the comparison that was removed
        before = previous.of(chosen.previous, root, Path(scratch), run, console.say)
        compared = comparison.compare(before, after, project.release.budgets, Path(scratch, "work"), run)
        comparison.write(path, before, after, compared)
        proofs.write(project.dist)
    title = f"What changed since {before.title} ({before.document['version']})"
    console.table(title, ["artifact", ">before", ">now", ">growth", "changed"], comparison.rows(compared))
    console.say("details: dist/comparison.json, dist/report.html")
    comparison.require_budgets(compared)


def everything(project: Project, gates: Sequence[Gate]) -> tuple[Project, tuple[Job, ...]]:
    """The project with all that its jobs must know about this machine, and the jobs that build."""
    from ci.verify import verifications

    builders = kinds.builders_of(kinds.KINDS, verified=True, gates=gates)
    project = probe(project, (*builders, *gates)).with_facts(verifications.probe(project))
    return project, jobs_of(project, builders)


def with_proofs(project: Project, builds: Sequence[Job], gates: Sequence[Gate]) -> tuple[Job, ...]:
    """The jobs that build, then those that verify one artefact each, then those of the gates."""
    from ci.verify import verifications

    proofs = (job for gate in gates for job in resolve(gate.jobs)(project, builds))
    return (*builds, *verifications.jobs(project, builds), *proofs)


def _report(
    project: Project,
    console: Console,
    builds: Sequence[Job],
    outcomes: Sequence[Outcome],
    *,
    quick: bool,
    allow_missing: Sequence[str] = (),
) -> None:
    """Write `artifacts.json`, show the tables, and raise the first error."""
    from ci.prove import proofs
    from ci.verify import verifications

    artifacts = artifacts_of(project, outcomes)
    gates = None if quick else gate_report.results_of(outcomes)
    not_tried = verifications.not_tried(builds)
    source = source_state(project.root, project.release.version.tag)
    absent = [(outcome.step.job, outcome.why) for outcome in outcomes if outcome.state == OutcomeState.UNAVAILABLE]
    allowances = Allowances(
        missing=allowed_missing(absent, allow_missing),
        stand_ins=stand_ins(project),
    )
    report.write(project.dist, project.release, source, artifacts, not_tried, gates, allowances)
    proofs.write(project.dist)
    show(console, project, artifacts)
    _show_gates(console, gates)
    for reason in not_tried:
        console.say(f"not tried with any artefact: {reason}")
    warn_of_source_hash(project, console)
    raise_first_error(console, outcomes)


def _show_gates(console: Console, results: Sequence[gate_report.GateResult] | None) -> None:
    if results is None:
        console.say("the gates were left out (--quick): this snapshot is not fit for a release")
        return
    console.table("Gates", ["gate", "what", "status", "reason"], gate_report.rows(results))
