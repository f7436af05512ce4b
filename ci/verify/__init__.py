"""Every artefact is opened again and made to answer: one job for each, after all that it needs is built."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence

from ci.builders import functions
from ci.jobs import Job, Output, Project, Workspace
from ci.report import verification_of
from ci.tools import Tool
from ci.verify import formula, image, msys2, rpm, sdist
from ci.verify.check import Check, Function

VERIFIERS: dict[str, Callable[[Check], str | None]] = {
    "sdist": sdist.verify_sdist,
    "wheel": sdist.verify_wheel,
    "rpm": rpm.verify,
    "rpm-devel": rpm.verify,
    "srpm": rpm.verify,
    "msys2": msys2.verify,
    "formula": formula.verify,
    "image": image.verify,
}

_RPM = (Tool(name="rpm", minimum="4.16"), Tool(name="rpmlint", minimum="2.4"))
TOOLS: dict[str, tuple[Tool, ...]] = {
    "rpm": _RPM,
    "rpm-devel": _RPM,
    "srpm": _RPM,
    "msys2": (Tool(name="bsdtar"), Tool(name="pacman"), Tool(name="zstd")),
    "formula": (Tool(name="ruby", minimum="2.7"),),
    "image": (Tool(name="skopeo", minimum="1.4"),),
}


def jobs(project: Project, builds: Sequence[Job]) -> tuple[Job, ...]:
    """The verification of every artefact of `builds`, with the functions that can be built here."""
    usable = [job for job in builds if job.builder == "functions" and not job.unavailable]
    return tuple(_job(project, build, output, usable) for build in builds for output in build.outputs if output.kind)


def not_tried(builds: Sequence[Job]) -> tuple[str, ...]:
    """The functions that no artefact is asked to run here, with the reason."""
    return tuple(f"{job.id}: {job.unavailable}" for job in builds if job.builder == "functions" and job.unavailable)


def _job(project: Project, build: Job, output: Output, usable: Sequence[Job]) -> Job:
    libc = "musl" if "alpine" in build.id else "glibc"
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(build.id.rpartition("-")[2], platform.machine())
    wanted = [job for job in usable if (_libc(job), _machine(job)) == (libc, machine)]

    def verify(work: Workspace) -> str | None:
        return VERIFIERS[output.kind](
            Check(
                project=project,
                output=output,
                path=work.built(output.path),
                folder=work.folder,
                run=work.run,
                functions=tuple(_function(work, job) for job in wanted),
            )
        )

    return Job(
        id=verification_of(output),
        builder="verify",
        outputs=(),
        build=verify,
        tools=TOOLS.get(output.kind, ()),
        inputs=(project.root / "ci" / "verify",),
        values={"waivers": repr(project.release.waivers)},
        after=(build.id, "sdist", *(job.id for job in wanted)),
    )


def _function(work: Workspace, job: Job) -> Function:
    return Function(
        language="rust" if job.id == "function-rust" else "c",
        library=work.built(functions.library(job.id)),
        libc=_libc(job),
        machine=_machine(job),
    )


def _libc(job: Job) -> str:
    return "musl" if job.id.endswith("-musl") else "glibc"


def _machine(job: Job) -> str:
    return "aarch64" if job.id.endswith("-aarch64") else platform.machine()
