"""What a run would do, before it does anything: every job, its input hash, and whether it must run."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ci.errors import ToolError
from ci.files import sha256_of, tree_files
from ci.jobs import Job, Project
from ci.ledger import JobRecord, Ledger, tree_hash
from ci.tools import library

UP_TO_DATE = "up to date"
TO_BUILD = "to build"
UNAVAILABLE = "unavailable"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """One job of a plan. `why` tells why it must run, or why it cannot; `record` is there when it is up to date.

    `tools` are those that were found, with their versions; `tool_faults` tells of the others. `files_hash` is that of
    the job's files in the repository, which must still be the same when the job has ended.
    """

    job: Job
    input_hash: str
    state: str
    why: str = ""
    files_hash: str = ""
    tools: tuple[str, ...] = ()
    tool_faults: tuple[str, ...] = ()
    record: JobRecord | None = None


def make_plan(project: Project, jobs: Sequence[Job]) -> tuple[Step, ...]:
    """Work out the steps in an order in which each comes after what it needs. Reads, never writes.

    A job whose tools are missing or too old is unavailable too; `require_tools` is for those who want it built.
    """
    ledger = Ledger(project.dist)
    tooling = _tooling_hash(project.root)
    steps: dict[str, Step] = {}
    for job in in_order(jobs):
        steps[job.id] = _step(project, ledger, job, steps, tooling)
    return tuple(steps.values())


def require_tools(steps: Iterable[Step]) -> None:
    """Raise a `ToolError` that tells every tool which the steps lack."""
    faults = dict.fromkeys(fault for step in steps for fault in step.tool_faults)
    if faults:
        raise ToolError("\n".join(faults), hint="install what the sessions need with: ci/bootstrap")


def in_order(jobs: Iterable[Job]) -> list[Job]:
    """Sort the jobs so that each comes after those in its `after`; otherwise the order stays as it was."""
    by_id = {job.id: job for job in jobs}
    ordered: dict[str, Job] = {}

    def place(job: Job) -> None:
        for earlier in job.after:
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
        for earlier in job.after:
            add(by_id[earlier])
        needed[job.id] = job

    for job in jobs:
        if wanted(job):
            add(job)
    return list(needed.values())


def _step(project: Project, ledger: Ledger, job: Job, steps: dict[str, Step], tooling: str) -> Step:
    if reason := job.unavailable or _blocked_by(job, steps):
        return Step(job=job, input_hash="", state=UNAVAILABLE, why=reason)
    if faults := tuple(project.toolbox.faults(job.tools)):
        return Step(job=job, input_hash="", state=UNAVAILABLE, why="; ".join(faults), tool_faults=faults)
    found = [*(project.toolbox.find(tool) for tool in job.tools), *(library(name) for name in job.libraries)]
    files_hash = tree_hash(*job.inputs)
    earlier = [steps[name] for name in job.after]
    input_hash = _input_hash(job, [files_hash, tooling, *map(repr, found), *(step.input_hash for step in earlier)])
    record, why = ledger.look_up(job, input_hash)
    if record is not None:
        why = _why_again(record, earlier)
    return Step(
        job=job,
        input_hash=input_hash,
        state=TO_BUILD if why else UP_TO_DATE,
        why=why,
        files_hash=files_hash,
        tools=tuple(map(str, found)),
        record=None if why else record,
    )


def _why_again(record: JobRecord, earlier: Sequence[Step]) -> str:
    """Why a job must run although its own inputs and outputs are as they were; empty if it need not."""
    if waits_for := [step.job.id for step in earlier if step.state == TO_BUILD]:
        return f"after {', '.join(waits_for)}"
    # The same inputs may have given other bytes since: through a tool that nobody named, or an archive on the network.
    if record.needs != Ledger.hashes(step.record for step in earlier):
        return f"made from other files of {', '.join(step.job.id for step in earlier)}"
    return ""


def _blocked_by(job: Job, steps: dict[str, Step]) -> str:
    for earlier in job.after:
        if steps[earlier].state == UNAVAILABLE:
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
    """One hash over the code that builds, its pinned libraries, and the Python and the zlib that run it.

    What only looks at artefacts (`ci/verify`) is an input of the verifications alone, and `ci/bench` of nothing.
    """
    digest = hashlib.sha256(f"{platform.python_version()} {zlib.ZLIB_RUNTIME_VERSION}".encode())
    for file in tree_files(root / "ci"):
        if file.parent.name not in ("verify", "bench") and (file.suffix == ".py" or file.name == "release.txt"):
            digest.update(f"{file.relative_to(root)}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()
