"""Is everything here that a release is made from and with: tools, base images, the source's hash, every artefact?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from ci.builders import sdist
from ci.core.checkout import tags
from ci.core.faults import Fault
from ci.pipeline.allowances import covered
from ci.pipeline.jobs import Job, Project
from ci.pipeline.plan import Step, StepState, make_plan
from ci.release import next_version, trees
from ci.release.not_run import may_be_published, not_run_fault
from ci.verify import verifications


def tools(steps: Sequence[Step]) -> Iterator[Fault]:
    """Programs that are missing, too old or broken, each once with the artefacts and gates that need it."""
    needed: dict[str, list[str]] = {}
    for step in steps:
        for fault in step.tool_faults:
            needed.setdefault(fault, []).append(step.job.id)
    for fault, jobs in needed.items():
        program, _, what = fault.partition(": ")
        yield Fault(
            check="tools",
            where=program,
            what=f"{what}; {jobs[0]} needs it" + (f", and {len(jobs) - 1} more" if len(jobs) > 1 else ""),
            advice=f"install {program} in a version that is new enough, for instance with ci/bootstrap",
        )


def bases(project: Project) -> Iterator[Fault]:
    """Bases without a digest, and stand-ins: with them a release can be rehearsed and not published."""
    images = project.release.images
    for flavour, base in (("ubi", images.ubi), ("alpine", images.alpine)):
        if base.digest is None:
            yield Fault(
                check="bases",
                where=f"release.yaml: images.{flavour}",
                what=f"{base.base} is not pinned by a digest: another build may get another base",
                advice="write the digest: nox -s pin",
            )
    for flavour, reference in project.options.bases.items():
        yield Fault(
            check="bases",
            where=f"--base {flavour}={reference}",
            what="is a stand-in for the base in release.yaml: this is a rehearsal, and cannot be published",
            advice="leave out --base for the release itself",
            warning=True,
        )


def source_hash(project: Project) -> Iterator[Fault]:
    """The hash of the source tarball in the manifest, compared with the tarball that this checkout gives."""
    where, check = "release.yaml: source.sha256", "source hash"
    if not project.release.is_published:
        advice = "write the hash and make the tag again: nox -s bump does both"
        yield Fault(check=check, where=where, what="is zeros, which mean that it is not published", advice=advice)
        return
    found = sdist.hash_of_checkout(project)
    if found != project.release.source.sha256:
        yield Fault(
            check=check,
            where=where,
            what=f"is {project.release.source.sha256}, but the source tarball of this checkout has {found}",
            advice="see what has changed since the hash was written; then run nox -s source-hash, commit, and make the "
            "tag again",
        )


def waivers(project: Project, today: dt.date) -> Iterator[Fault]:
    """Waivers that are over today, and those that end soon; the manifest's reader refuses those before its date."""
    for waiver in project.release.waivers:
        over = waiver.until < today
        if over or waiver in project.release.waivers_due:
            yield Fault(
                check="waivers",
                where=f"release.yaml: the waiver for {waiver}",
                what=f"{'ended' if over else 'ends'} on {waiver.until}",
                advice="fix the finding and remove the waiver, or set a later day if its reason still holds",
                warning=not over,
            )


def repositories(project: Project, previous: Path | None) -> Iterator[Fault]:
    """The package repositories that this release adds to, or a warning if there should be some.

    A folder without them, or with those of this version, raises an error.
    """
    trees.require_previous(previous, project.release)
    before = [one for one in next_version.of_tags(tags(project.root)) if one < project.release.version]
    if previous is None and before:
        yield Fault(
            check="repositories",
            where="--previous-trees",
            what=f"is not given: the package repositories begin anew, without the packages of {before[-1]}",
            advice="name a folder with a copy of yum/ and pacman/ as they were published last, unless there is none",
            warning=True,
        )


def plan(project: Project, jobs: Sequence[Job]) -> tuple[Step, ...]:
    """The steps of a release; it builds nothing."""
    return make_plan(project, jobs)


def availability(project: Project, steps: Sequence[Step], allow_missing: Collection[str]) -> Iterator[Fault]:
    """Artefacts that cannot be made here, and gates that cannot be run, unless that is allowed."""
    absent = [step for step in steps if step.state == StepState.UNAVAILABLE]
    accepted = covered((step.job for step in absent if not step.tool_faults), allow_missing)
    reported: dict[str, str] = {}
    for step in absent:
        if step.job.id in accepted:
            continue
        # A missing tool is reported with the tools, and what lacks only an artefact with that artefact.
        lacks_others = not step.job.unavailable or step.why in reported.values()
        if step.tool_faults or (lacks_others and reported.keys() & set(step.job.after)):
            reported[step.job.id] = step.why
        elif any(output.kind for output in step.job.outputs):
            reported[step.job.id] = step.why
            yield _missing(step)
        elif (gate := _gate_of(step.job)) and not may_be_published(project.release, gate, step.why):
            yield not_run_fault("gates", step.job.title or step.job.id, gate, step.why)
    yield from _unused(allow_missing, accepted)


def _gate_of(job: Job) -> str:
    return job.gate or (verifications.BUILDER if job.builder == verifications.BUILDER else "")


def _missing(step: Step) -> Fault:
    artifacts = [output for output in step.job.outputs if output.kind]
    name = step.job.variant.flavour or artifacts[0].kind
    return Fault(
        check="artefacts",
        where=", ".join(one.name for one in artifacts),
        what=f"cannot be made on this machine: {step.why}",
        advice=f"make that available, or leave it out on purpose: --allow-missing {name}",
    )


def _unused(allow_missing: Collection[str], accepted: dict[str, str]) -> Iterator[Fault]:
    for name in sorted(set(allow_missing) - set(accepted.values())):
        yield Fault(
            check="artefacts",
            where=f"--allow-missing {name}",
            what="nothing of that is missing",
            advice="leave it out",
            warning=True,
        )
