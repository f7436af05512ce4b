"""A kind of artefact and a gate that take no time: for the tests of the frame around real ones."""

from __future__ import annotations

from collections.abc import Sequence

from ci.core.errors import UnavailableError, VerificationError
from ci.kinds import Builder, Gate, Kind
from ci.pipeline.jobs import Job, Output, Project, Verdict, Workspace
from ci.verify.check import Check
from ci.verify.consistency.expected import Facts
from ci.verify.consistency.readers import ArtifactOfProject

BUILDER = Builder(name="toy", jobs="tests.release.toys:builds")
KIND = Kind(
    name="toy",
    title="the toy",
    session="toy",
    builder=BUILDER,
    verifier="tests.release.toys:verify",
    facts="tests.release.toys:facts",
    contents="",
    installed="",
    folder="toys",
    media_type="text/plain",
)
GATE = Gate(name="play", title="the toy can be played with", jobs="tests.release.toys:gate_jobs")
PATH = "toys/toy.txt"


def builds(project: Project) -> tuple[Job, ...]:
    """One artefact that is built, one that is not available, and a file from a place that cannot be reached."""
    return (
        Job(id="toy", builder="toy", outputs=(Output(path=PATH, kind="toy"),), build=_write),
        Job(
            id="rare", builder="toy", outputs=(Output(path="toys/rare.txt", kind="toy"),), build=_write, unavailable="?"
        ),
        Job(id="far", builder="toy", outputs=(Output(path="far.txt"),), build=_fetch),
    )


def _write(work: Workspace) -> None:
    (work.out / "toy.txt").write_text("toy")


def _fetch(work: Workspace) -> None:
    raise UnavailableError("nobody answers")


def verify(check: Check) -> Verdict:
    return Verdict()


def facts(source: ArtifactOfProject) -> Facts:
    return {}


def gate_jobs(project: Project, builds: Sequence[Job]) -> tuple[Job, ...]:
    """Jobs that pass, are not run, lack an artefact, lack what could not be fetched, and, if there is a file, fail."""
    return (
        _job("passes", lambda work: Verdict(notes=("nicely",))),
        _job("not-run", lambda work: Verdict(not_run="no children here")),
        _job("rare", lambda work: Verdict(), after="rare"),
        _job("far", lambda work: Verdict(), after="far"),
        _job("fails", _fail if (project.root / "broken").exists() else lambda work: Verdict()),
    )


def _job(name: str, build: object, after: str = "toy") -> Job:
    assert callable(build)
    values = {"build": getattr(build, "__name__", "")}
    return Job(
        id=f"play-{name}", builder="play", outputs=(), build=build, values=values, after=("toy", after), gate="play",
        title=f"it {name}", artifacts=(PATH,),
    )  # fmt: skip


def _fail(work: Workspace) -> Verdict:
    raise VerificationError(f"{PATH}: it is broken")
