"""Runs the steps of a plan, several at the same time, each after those that it needs."""

from __future__ import annotations

import os
import shutil
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum

from ci.core.children import Children
from ci.core.console import Console
from ci.core.errors import HostError, ReleaseError, UnavailableError, host_error
from ci.core.files import fresh_folder, make_folder
from ci.core.run import Runner
from ci.pipeline.jobs import Job, Project, Verdict, Workspace
from ci.pipeline.ledger import JobRecord, Ledger, tree_hash
from ci.pipeline.plan import Step, StepState

# One more than there are processors: most jobs wait at times for the disk, the network or a container.
AT_A_TIME = 1 + (os.cpu_count() or 1)


class OutcomeState(StrEnum):
    """How a step ended."""

    UP_TO_DATE = "up to date"
    UNAVAILABLE = "unavailable"
    DONE = "done"
    FAILED = "failed"
    LEFT_OUT = "left out"  # a job that it needs failed


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a step ended, and why if nothing came of it. `record` is there if the job is done or was up to date.

    `error` is what the job has raised: one that failed, or one that found out that it is unavailable.
    """

    step: Step
    state: OutcomeState
    record: JobRecord | None = None
    why: str = ""
    error: ReleaseError | None = None


@dataclass(kw_only=True)
class Scheduler:
    """Executes plans of one project. `lock` is a file descriptor that every started program inherits."""

    project: Project
    console: Console
    lock: int
    children: Children = field(default_factory=Children)

    def execute(self, steps: Sequence[Step]) -> list[Outcome]:
        """Run what must run. If a job fails, those that come after it are left out; the others still run.

        A job that raises `UnavailableError` has not failed: it is unavailable, and so are those that come after it.

        An interrupt ends the programs that are running and is raised again. Finished jobs stay finished.
        """
        outcomes: dict[str, Outcome] = {}
        for step in steps:
            if step.state == StepState.UP_TO_DATE:
                outcomes[step.job.id] = Outcome(step=step, state=OutcomeState.UP_TO_DATE, record=step.record)
            elif step.state == StepState.UNAVAILABLE:
                outcomes[step.job.id] = Outcome(step=step, state=OutcomeState.UNAVAILABLE, why=step.why)
        waiting = [step for step in steps if step.state == StepState.TO_BUILD]
        self.console.begin(len(waiting))
        with ThreadPoolExecutor(max_workers=AT_A_TIME) as pool:
            try:
                self._run_all(pool, waiting, outcomes)
            except BaseException:
                self.children.end_all()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        self.console.end()
        return [outcomes[step.job.id] for step in steps]

    def _run_all(self, pool: ThreadPoolExecutor, waiting: list[Step], outcomes: dict[str, Outcome]) -> None:
        running: dict[Future[Outcome], Step] = {}
        longest = _chain_lengths(waiting)
        waiting.sort(key=lambda step: -longest[step.job.id])
        while waiting or running:
            for step in [step for step in waiting if _is_decided(step, waiting, running)]:
                broken = [earlier for earlier in step.job.after if _is_broken(outcomes.get(earlier))]
                needed = (earlier for earlier in step.job.after if earlier not in step.job.after_available)
                absent = [earlier for earlier in needed if _is_absent(outcomes.get(earlier))]
                if broken:
                    waiting.remove(step)
                    outcomes[step.job.id] = self._leave_out(step, broken)
                elif absent:
                    waiting.remove(step)
                    outcomes[step.job.id] = self._unavailable(step, f"needs {absent[0]}: {outcomes[absent[0]].why}")
                elif len(running) < AT_A_TIME:  # when a place is free again, a longer chain may go first
                    waiting.remove(step)
                    needs = Ledger.hashes(outcomes[earlier].record for earlier in step.job.after)
                    running[pool.submit(self._work, step, needs)] = step
            if running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    outcomes[running.pop(future).job.id] = future.result()

    def _leave_out(self, step: Step, broken: Iterable[str]) -> Outcome:
        why = f"needs {', '.join(broken)}, which failed"
        self.console.finished(step.job.id, OutcomeState.LEFT_OUT, why)
        return Outcome(step=step, state=OutcomeState.LEFT_OUT, why=why)

    def _unavailable(self, step: Step, why: str, error: UnavailableError | None = None) -> Outcome:
        self.console.finished(step.job.id, OutcomeState.UNAVAILABLE, why)
        return Outcome(step=step, state=OutcomeState.UNAVAILABLE, why=why, error=error)

    def _work(self, step: Step, needs: Mapping[str, str]) -> Outcome:
        job = step.job
        self.console.started(job.id)
        begun = time.monotonic()
        try:
            record = self._build(step, needs, begun)
        except UnavailableError as error:
            return self._unavailable(step, str(error), error)
        except ReleaseError as error:
            return self._failed(step, str(error).splitlines()[0], error)
        except OSError as error:
            return self._failed(step, str(host_error(error)), host_error(error, job.id))
        except Exception as error:  # an error in this tooling; the other jobs must still run
            fault = ReleaseError(
                f"{job.id}: {traceback.format_exc()}", hint="this is an error in the tooling: report it"
            )
            return self._failed(step, repr(error), fault)
        state = OutcomeState.DONE if record.verdict is None or record.verdict.passed else "not run"
        self.console.finished(job.id, state, f"{record.seconds:.1f} s", remark=record.remark)
        return Outcome(step=step, state=OutcomeState.DONE, record=record)

    def _failed(self, step: Step, why: str, error: ReleaseError) -> Outcome:
        # A program that an interrupted run has ended itself did not fail.
        self.console.finished(step.job.id, "interrupted" if self.children.ended else OutcomeState.FAILED)
        return Outcome(step=step, state=OutcomeState.FAILED, why=why, error=error)

    def _build(self, step: Step, needs: Mapping[str, str], begun: float) -> JobRecord:
        job = step.job
        workspace = self._workspace(job, needs)
        result = job.build(workspace)
        if tree_hash(*job.inputs) != step.files_hash:
            raise HostError(f"{job.id}: its files changed while it worked", hint="run the same command again")
        self._move_into_place(job, workspace)
        ledger = Ledger(self.project.dist)
        record = JobRecord(
            input_hash=step.input_hash,
            needs=needs,
            outputs={output.path: ledger.describe(output.path) for output in job.outputs},
            tools=step.tools,
            note=result if isinstance(result, str) else "",
            verdict=result if isinstance(result, Verdict) else None,
            seconds=round(time.monotonic() - begun, 2),
        )
        # Before the record: a run that is killed here repeats the job, and so removes the rest of its folder.
        shutil.rmtree(workspace.folder.parent)
        ledger.write(job, record)
        return record

    def _workspace(self, job: Job, needs: Iterable[str]) -> Workspace:
        project, name = self.project, job.id.replace("/", "_")
        log = project.dist / "logs" / f"{name}.log"
        make_folder(log.parent)
        log.unlink(missing_ok=True)
        folder = fresh_folder(project.dist / ".state" / "work" / name)
        (folder / "out").mkdir()
        (folder / "work").mkdir()
        environment = {"SOURCE_DATE_EPOCH": str(project.release.epoch)}
        run = Runner(log=log, env=environment, children=self.children, keep_open=(self.lock,))
        return Workspace(
            project=project,
            job=job.id,
            folder=folder / "work",
            out=folder / "out",
            run=run,
            needs=frozenset(needs),
        )

    def _move_into_place(self, job: Job, workspace: Workspace) -> None:
        made = {path.name for path in workspace.out.iterdir()}
        expected = {output.name for output in job.outputs}
        if made != expected:
            raise ReleaseError(
                f"{job.id}: made {', '.join(sorted(made)) or 'nothing'}, expected {', '.join(sorted(expected))}",
                hint=f"this is an error in the tooling, in the builder {job.builder}: report it",
            )
        for output in job.outputs:
            source, target = workspace.out / output.name, self.project.dist / output.path
            make_folder(target.parent)
            if target.is_dir() or (source.is_dir() and os.path.lexists(target)):  # neither can replace the other kind
                target.rename(fresh_folder(workspace.folder / "replaced") / output.name)
            source.replace(target)


def _is_decided(step: Step, waiting: Sequence[Step], running: Mapping[Future[Outcome], Step]) -> bool:
    """Whether all jobs that the step comes after have ended, successfully or not."""
    open_jobs = {other.job.id for other in (*waiting, *running.values())}
    return not open_jobs.intersection(step.job.after)


def _is_broken(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.state in (OutcomeState.FAILED, OutcomeState.LEFT_OUT)


def _is_absent(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.state == OutcomeState.UNAVAILABLE


def _chain_lengths(steps: Sequence[Step]) -> dict[str, int]:
    """For each job, the length of the longest chain of jobs that begins with it; the longest chains start first."""
    lengths: dict[str, int] = {step.job.id: 1 for step in steps}
    for step in reversed(steps):
        for earlier in step.job.after:
            if earlier in lengths:
                lengths[earlier] = max(lengths[earlier], lengths[step.job.id] + 1)
    return lengths
