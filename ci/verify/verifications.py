"""The jobs that verify artefacts: one for each, after everything that it reads was built."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ci.core.errors import VerificationError
from ci.core.resolve import resolve
from ci.core.tars import NO_ARCHIVE
from ci.core.tools import Tool
from ci.kinds import Kind
from ci.pipeline.entries import entry_of
from ci.pipeline.jobs import Job, Output, Project, Verdict, Workspace
from ci.pipeline.report import verification_of
from ci.verify.check import built_function, can_run, check_of

BUILDER = "verify"  # of the jobs here


@dataclass(frozen=True, kw_only=True)
class KeyFiles:
    """The folder of the public keys that signatures are verified with, if there is one."""

    folder: tuple[Path, ...]


def probe(project: Project) -> KeyFiles:
    """Look for the public keys."""
    folder = project.root / "ci" / "keys"
    return KeyFiles(folder=(folder,) if folder.is_dir() else ())


def jobs(project: Project, builds: Sequence[Job]) -> tuple[Job, ...]:
    """The verification of every artefact of `builds`, with the example functions among them that can be built here."""
    return tuple(_job(project, build, output, builds) for build in builds for output in build.outputs if output.kind)


def not_tried(builds: Iterable[Job]) -> tuple[str, ...]:
    """The example functions that no artefact is asked to run here, each with the reason."""
    return tuple(f"{job.id}: {job.unavailable}" for job in builds if job.variant.language and job.unavailable)


def _job(project: Project, build: Job, output: Output, builds: Sequence[Job]) -> Job:
    kind = entry_of(output.kind, output.path)
    read = {builder.name for builder in kind.verified_with}
    needed = [job for job in builds if job.builder in read]
    functions = [job for job in needed if can_run(build.variant, job)]
    others = [job for job in needed if not job.variant.language]
    return Job(
        id=verification_of(output),
        builder=BUILDER,
        variant=build.variant,
        outputs=(),
        build=partial(_verify, kind=kind, build=build, output=output, functions=functions),
        tools=tuple(Tool(name=name, minimum=minimum) for name, minimum in kind.tools.items()),
        inputs=(project.root / "ci" / "verify", project.root / "ci" / "lint", *project.fact(KeyFiles).folder),
        values={"waivers": repr(project.release.waivers), "keys": repr(project.release.keys)},
        after=tuple(dict.fromkeys((build.id, *(job.id for job in others), *(job.id for job in functions)))),
    )


def _verify(work: Workspace, *, kind: Kind, build: Job, output: Output, functions: Sequence[Job]) -> Verdict:
    check = check_of(work, output, (built_function(work, job) for job in functions), build.variant)
    try:
        verdict = resolve(kind.verifier)(check)
    except NO_ARCHIVE as error:
        raise VerificationError(f"{output.path}: an archive is damaged: {error}") from error
    assert isinstance(verdict, Verdict), f"{kind.verifier} returns no verdict"
    return verdict
