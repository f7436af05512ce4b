"""Runs the steps of a plan, as many at once as the machine has processors and the order allows."""

from __future__ import annotations

import os
import shutil
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from ci.console import Console
from ci.errors import HostError, ReleaseError
from ci.files import fresh_folder
from ci.jobs import Job, Project, Workspace
from ci.ledger import JobRecord, Ledger, tree_hash
from ci.plan import TO_BUILD, UNAVAILABLE, UP_TO_DATE, Step
from ci.run import Children, Runner

DONE = "done"
FAILED = "failed"
LEFT_OUT = "left out"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a step ended: `state` is UP_TO_DATE, UNAVAILABLE, DONE, FAILED or LEFT_OUT; `why` is for the last three."""

    step: Step
    state: str
    record: JobRecord | None = None
    why: str = ""
    error: ReleaseError | None = None


@dataclass(kw_only=True)
class Scheduler:
    """Executes plans of one project. `lock` is a descriptor that every started program inherits."""

    project: Project
    console: Console
    lock: int
    children: Children = field(default_factory=Children)

    def execute(self, steps: Sequence[Step]) -> list[Outcome]:
        """Run what must run. A failed job leaves out those that come after it; the others still run.

        An interrupt ends the programs that are running and is raised again; finished jobs stay finished.
        """
        outcomes: dict[str, Outcome] = {}
        for step in steps:
            if step.state == UP_TO_DATE:
                outcomes[step.job.id] = Outcome(step=step, state=UP_TO_DATE, record=step.record)
            elif step.state == UNAVAILABLE:
                outcomes[step.job.id] = Outcome(step=step, state=UNAVAILABLE, why=step.why)
        waiting = [step for step in steps if step.state == TO_BUILD]
        self.console.begin(len(waiting))
        with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1)) as pool:
            try:
                self._drain(pool, waiting, outcomes)
            except BaseException:
                self.children.end_all()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        self.console.end()
        return [outcomes[step.job.id] for step in steps]

    def _drain(self, pool: ThreadPoolExecutor, waiting: list[Step], outcomes: dict[str, Outcome]) -> None:
        running: dict[Future[Outcome], Step] = {}
        longest = _chain_lengths(waiting)
        waiting.sort(key=lambda step: -longest[step.job.id])
        while waiting or running:
            for step in [step for step in waiting if _is_decided(step, waiting, running)]:
                waiting.remove(step)
                broken = [earlier for earlier in step.job.after if _is_broken(outcomes.get(earlier))]
                if broken:
                    outcomes[step.job.id] = self._leave_out(step, broken)
                else:
                    needs = Ledger.hashes(outcomes[earlier].record for earlier in step.job.after)
                    running[pool.submit(self._work, step, needs)] = step
            if running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    outcomes[running.pop(future).job.id] = future.result()

    def _leave_out(self, step: Step, broken: Iterable[str]) -> Outcome:
        why = f"needs {', '.join(broken)}, which failed"
        self.console.finished(step.job.id, LEFT_OUT, why)
        return Outcome(step=step, state=LEFT_OUT, why=why)

    def _work(self, step: Step, needs: Mapping[str, str]) -> Outcome:
        job = step.job
        self.console.started(job.id)
        begun = time.monotonic()
        try:
            record = self._build(step, needs, begun)
        except ReleaseError as error:
            self._tell_failure(job)
            return Outcome(step=step, state=FAILED, why=str(error).splitlines()[0], error=error)
        except OSError as error:
            self._tell_failure(job)
            problem = HostError(f"{job.id}: {error}", hint="mend that and run the same command again")
            return Outcome(step=step, state=FAILED, why=str(error), error=problem)
        except Exception as error:  # a fault of this tooling, which must not take the other jobs with it
            self._tell_failure(job)
            fault = ReleaseError(
                f"{job.id}: {traceback.format_exc()}", hint="this is a fault of the tooling: report it"
            )
            return Outcome(step=step, state=FAILED, why=repr(error), error=fault)
        self.console.finished(job.id, DONE, f"{record.seconds:.1f} s" + (f"; {record.note}" if record.note else ""))
        return Outcome(step=step, state=DONE, record=record)

    def _tell_failure(self, job: Job) -> None:
        # A program that an interrupted run has ended itself did not fail.
        self.console.finished(job.id, "interrupted" if self.children.ended else FAILED, "")

    def _build(self, step: Step, needs: Mapping[str, str], begun: float) -> JobRecord:
        project, job = self.project, step.job
        name = job.id.replace("/", "_")
        log = project.dist / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        folder = fresh_folder(project.dist / ".state" / "work" / name)
        (folder / "out").mkdir()
        (folder / "work").mkdir()
        environment = {"SOURCE_DATE_EPOCH": str(project.release.epoch)}
        run = Runner(log=log, env=environment, children=self.children, keep_open=(self.lock,))
        workspace = Workspace(project=project, job=job.id, folder=folder / "work", out=folder / "out", run=run)
        note = job.build(workspace) or ""
        if tree_hash(*job.inputs) != step.files_hash:
            raise HostError(f"{job.id}: its files changed while it worked", hint="run the same command again")
        self._move_into_place(job, workspace)
        ledger = Ledger(project.dist)
        record = JobRecord(
            input_hash=step.input_hash,
            needs=needs,
            outputs={output.path: ledger.describe(output.path) for output in job.outputs},
            tools=step.tools,
            note=note,
            seconds=round(time.monotonic() - begun, 2),
        )
        ledger.write(job, record)
        shutil.rmtree(folder)
        return record

    def _move_into_place(self, job: Job, workspace: Workspace) -> None:
        made = {path.name for path in workspace.out.iterdir()}
        promised = {output.name for output in job.outputs}
        if made != promised:
            raise ReleaseError(f"{job.id}: made {sorted(made)}, but promised {sorted(promised)}")
        for output in job.outputs:
            source, target = workspace.out / output.name, self.project.dist / output.path
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                target.rename(fresh_folder(workspace.folder / "replaced") / output.name)
            source.replace(target)


def _is_decided(step: Step, waiting: Sequence[Step], running: Mapping[Future[Outcome], Step]) -> bool:
    """Whether all that the step comes after has ended, one way or another."""
    open_jobs = {other.job.id for other in (*waiting, *running.values())}
    return not open_jobs.intersection(step.job.after)


def _is_broken(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.state in (FAILED, LEFT_OUT)


def _chain_lengths(steps: Sequence[Step]) -> dict[str, int]:
    """How many jobs hang below each one: the longest chains start first."""
    lengths: dict[str, int] = {step.job.id: 1 for step in steps}
    for step in reversed(steps):
        for earlier in step.job.after:
            if earlier in lengths:
                lengths[earlier] = max(lengths[earlier], lengths[step.job.id] + 1)
    return lengths
