"""What the gates found out: one result for each of their jobs, for the table and for `artifacts.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ci.pipeline.scheduler import Outcome, OutcomeState


class GateStatus(StrEnum):
    """How a job of a gate ended."""

    PASSED = "passed"
    NOT_RUN = "not run"  # something that belongs to it could not be run on this machine
    UNAVAILABLE = "unavailable"  # what it needs is not available on this machine
    FAILED = "failed"
    LEFT_OUT = "left out"  # a job that it needs failed


_STATUS_WITHOUT_VERDICT = {
    OutcomeState.UNAVAILABLE: GateStatus.UNAVAILABLE,
    OutcomeState.FAILED: GateStatus.FAILED,
    OutcomeState.LEFT_OUT: GateStatus.LEFT_OUT,
}


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """The result of one job: `title` says what it proves, `artifacts` of which files, relative to `dist/`.

    `reason` says why it has this status, `untried` what else was left out, `notes` are other remarks.
    """

    gate: str
    name: str
    title: str
    artifacts: tuple[str, ...]
    status: GateStatus
    reason: str = ""
    untried: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def results_of(outcomes: Sequence[Outcome]) -> list[GateResult]:
    """One result for each job of a gate, in the order of the plan."""
    return [_result(outcome) for outcome in outcomes if outcome.step.job.gate]


def _result(outcome: Outcome) -> GateResult:
    job = outcome.step.job
    verdict = outcome.record.verdict if outcome.record else None
    if verdict is None:
        status, reason = _STATUS_WITHOUT_VERDICT[outcome.state], outcome.why
    else:
        status, reason = GateStatus.PASSED if verdict.passed else GateStatus.NOT_RUN, verdict.not_run
    return GateResult(
        gate=job.gate,
        name=job.id,
        title=job.title,
        artifacts=job.artifacts,
        status=status,
        reason=reason,
        untried=verdict.untried if verdict else (),
        notes=verdict.notes if verdict else (),
    )


def rows(results: Sequence[GateResult]) -> list[list[str]]:
    """The rows of the table at the end of a run: gate, what was proven, status, and what else there is to say."""
    return [
        [
            result.gate,
            result.title,
            result.status,
            "; ".join(filter(None, (result.reason, *result.untried, *result.notes))),
        ]
        for result in results
    ]
