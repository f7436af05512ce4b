"""The plan: what a run would do, with the input hash of every job and whether it must run."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path

from ci.core.errors import ToolError
from ci.core.files import sha256_of, tree_files
from ci.core.tools import library
from ci.pipeline.jobs import Job, Project
from ci.pipeline.ledger import JobRecord, Ledger, tree_hash

# The packages and files below `ci/` that make artefacts: a change in one of them builds everything again.
_TOOLING = (
    *("core", "manifest", "bake", "pipeline", "images", "sboms", "builders"),
    *("kinds.py", "requirements/release.txt"),
)


class StepState(StrEnum):
    """What a run does with a job."""

    UP_TO_DATE = "up to date"
    TO_BUILD = "to build"
    UNAVAILABLE = "unavailable"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """One job of a plan. `why` is the reason why it must run, or why it cannot. If it is up to date, it has a `record`.

    `tools` are those that were found, with their versions; `tool_faults` has a line for each of the others.
    `files_hash` is that of the job's files in the repository, which must still be the same when the job has ended.
    """

    job: Job
    input_hash: str
    state: StepState
    why: str = ""
    files_hash: str = ""
    tools: tuple[str, ...] = ()
    tool_faults: tuple[str, ...] = ()
    record: JobRecord | None = None


def make_plan(
    project: Project, jobs: Sequence[Job], finished: Callable[[Job], bool] = lambda job: False
) -> tuple[Step, ...]:
    """Work out the steps, in an order in which each comes after what it needs. It reads and never writes.

    A job whose tools are missing or too old is unavailable; `require_tools` makes an error of that. Jobs that are
    `finished` are never run again: their files count as they are in `dist/`, whatever they were made from. Those whose
    files are not there are unavailable.
    """
    ledger = Ledger(project.dist)
    tooling = _tooling_hash(project.root)
    hash_of = cache(lambda inputs: tree_hash(*inputs))  # many jobs have the same ones
    steps: dict[str, Step] = {}
    for job in in_order(jobs):
        if finished(job):
            steps[job.id] = _finished_step(ledger, job)
        else:
            steps[job.id] = _step(project, ledger, _with_available(job, steps), steps, tooling, hash_of)
    return tuple(steps.values())


def require_tools(steps: Iterable[Step]) -> None:
    """Raise a `ToolError` that names every tool that the steps lack."""
    faults = dict.fromkeys(fault for step in steps for fault in step.tool_faults)
    if faults:
        raise ToolError("\n".join(faults), hint="install what the sessions need with: ci/bootstrap")


def in_order(jobs: Iterable[Job]) -> list[Job]:
    """Sort the jobs so that each comes after those in its `after`; otherwise the order stays as it was."""
    by_id = {job.id: job for job in jobs}
    ordered: dict[str, Job] = {}

    def place(job: Job) -> None:
        for earlier in (*job.after, *job.after_available):
            if earlier in by_id and earlier not in ordered:
                place(by_id[earlier])
        ordered[job.id] = job

    for job in by_id.values():
        if job.id not in ordered:
            place(job)
    return list(ordered.values())


def with_needed(jobs: Sequence[Job], wanted: Callable[[Job], bool]) -> list[Job]:
    """The wanted jobs and, before them, all that they come after."""
    by_id = {job.id: job for job in jobs}
    needed: dict[str, Job] = {}

    def add(job: Job) -> None:
        for earlier in (*job.after, *job.after_available):
            add(by_id[earlier])
        needed[job.id] = job

    for job in jobs:
        if wanted(job):
            add(job)
    return list(needed.values())


def _with_available(job: Job, steps: dict[str, Step]) -> Job:
    """The job with those of its `after_available` in `after` that are available."""
    available = tuple(one for one in job.after_available if steps[one].state != StepState.UNAVAILABLE)
    return dataclasses.replace(job, after=(*job.after, *available), after_available=available)


def _finished_step(ledger: Ledger, job: Job) -> Step:
    """The step of a job whose files are taken as they are. Raises `VerificationError` for a file that was changed."""
    record = ledger.recorded(job)
    if record is None:
        return Step(job=job, input_hash="", state=StepState.UNAVAILABLE, why=job.unavailable or "it is not in dist/")
    return Step(job=job, input_hash=record.input_hash, state=StepState.UP_TO_DATE, tools=record.tools, record=record)


def _step(
    project: Project,
    ledger: Ledger,
    job: Job,
    steps: dict[str, Step],
    tooling: str,
    hash_of: Callable[[tuple[Path, ...]], str],
) -> Step:
    if reason := job.unavailable or _blocked_by(job, steps):
        return Step(job=job, input_hash="", state=StepState.UNAVAILABLE, why=reason)
    if faults := tuple(project.toolbox.faults(job.tools)):
        return Step(job=job, input_hash="", state=StepState.UNAVAILABLE, why="; ".join(faults), tool_faults=faults)
    found = [*(project.toolbox.find(tool) for tool in job.tools), *(library(name) for name in job.libraries)]
    files_hash = hash_of(job.inputs)
    earlier = [steps[name] for name in job.after]
    input_hash = _input_hash(job, [files_hash, tooling, *map(repr, found), *(step.input_hash for step in earlier)])
    record, why = ledger.look_up(job, input_hash)
    if record is not None:
        why = _why_again(record, earlier)
    return Step(
        job=job,
        input_hash=input_hash,
        state=StepState.TO_BUILD if why else StepState.UP_TO_DATE,
        why=why,
        files_hash=files_hash,
        tools=tuple(map(str, found)),
        record=None if why else record,
    )


def _why_again(record: JobRecord, earlier: Sequence[Step]) -> str:
    """Why a job must run although its own inputs and outputs are unchanged; empty if it need not."""
    if waits_for := [step.job.id for step in earlier if step.state == StepState.TO_BUILD]:
        return f"after {', '.join(waits_for)}"
    # The same inputs may have given other bytes since, for instance through an archive on the network.
    if record.needs != Ledger.hashes(step.record for step in earlier):
        return f"made from other files of {', '.join(step.job.id for step in earlier)}"
    return ""


def _blocked_by(job: Job, steps: dict[str, Step]) -> str:
    for earlier in job.after:
        if steps[earlier].state == StepState.UNAVAILABLE:
            return f"needs {earlier}: {steps[earlier].why}"
    return ""


def _input_hash(job: Job, others: Sequence[str]) -> str:
    digest = hashlib.sha256()
    parts = [job.id, *others, *(f"{name}={value}" for name, value in sorted(job.values.items()))]
    parts += [output.path for output in job.outputs]
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _tooling_hash(root: Path) -> str:
    """One hash over the code that makes artefacts, its pinned libraries, and the Python that runs it."""
    digest = hashlib.sha256(platform.python_version().encode())
    for file in _tooling_files(root / "ci"):
        digest.update(os.fsencode(f"{file.relative_to(root)}\0{sha256_of(file)}\n"))
    return digest.hexdigest()


def _tooling_files(folder: Path) -> Iterator[Path]:
    for name in _TOOLING:
        if (folder / name).is_dir():
            yield from (file for file in tree_files(folder / name) if file.suffix == ".py")
        elif (folder / name).exists():
            yield folder / name
