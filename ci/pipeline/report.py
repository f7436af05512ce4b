"""The report of a run: `artifacts.json`, `SHA256SUMS` and the table at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from ci.core.checkout import SourceState
from ci.core.files import write_atomically
from ci.manifest.release import Release, Waiver
from ci.pipeline.allowances import NOTHING, Allowances
from ci.pipeline.gate_report import GateResult
from ci.pipeline.jobs import Output
from ci.pipeline.ledger import JobRecord
from ci.pipeline.scheduler import Outcome, OutcomeState

FORMAT = 1
PAGE = "report.html"
_NAMES = ("artifacts.json", "SHA256SUMS", PAGE)


class Status(StrEnum):
    """What is known about an artefact after a run."""

    VERIFIED = "verified"  # opened, and started if its kind can be
    NOT_RUN = "not run"  # opened and correct, but it could not be started on this machine
    BUILT = "built"  # not verified in this run
    UNAVAILABLE = "unavailable"  # it cannot be built on this machine
    FAILED = "failed"  # its build or its verification failed
    LEFT_OUT = "left out"  # a job that it needs failed


_STATUS_WITHOUT_FILE = {
    OutcomeState.UNAVAILABLE: Status.UNAVAILABLE,
    OutcomeState.FAILED: Status.FAILED,
    OutcomeState.LEFT_OUT: Status.LEFT_OUT,
}


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One artefact as `artifacts.json` lists it; `tool`, `size` (in bytes) and `sha256` are there if the file is.

    `tool` are the programs and libraries that built it, with versions; it is empty if the tooling did so by itself.
    `reason` says why it has this status, and what its verification has to say. `untried` is what that has left out.
    `digest` is that of an image, or of an index of images, by which registries know it.
    """

    kind: str
    name: str
    path: str
    status: Status
    tool: str | None = None
    reason: str = ""
    untried: tuple[str, ...] = ()
    size: int | None = None
    sha256: str | None = None
    digest: str | None = None


def artifacts_of(outcomes: Sequence[Outcome]) -> list[Artifact]:
    """One entry for each artefact of the plan, with the result of its verification if there was one."""
    by_id = {outcome.step.job.id: outcome for outcome in outcomes}
    return [
        _artifact(outcome, output, by_id.get(verification_of(output)))
        for outcome in outcomes
        for output in outcome.step.job.outputs
        if output.kind
    ]


def verification_of(output: Output) -> str:
    """The id of the job that verifies an artefact."""
    return f"verify-{output.name}"


def _artifact(outcome: Outcome, output: Output, verification: Outcome | None) -> Artifact:
    record = outcome.record
    if record is None:
        return Artifact(
            kind=output.kind,
            name=output.name,
            path=output.path,
            status=_STATUS_WITHOUT_FILE[outcome.state],
            tool=", ".join(outcome.step.tools) or None,
            reason=outcome.why,
        )
    status, reason = _status(record, verification)
    verdict = verification.record.verdict if verification and verification.record else None
    known = record.outputs[output.path]
    return Artifact(
        kind=output.kind,
        name=output.name,
        path=output.path,
        status=status,
        tool=", ".join(record.tools),
        reason=reason,
        untried=verdict.untried if verdict else (),
        size=known.size,
        sha256=known.sha256,
    )


def _status(record: JobRecord, verification: Outcome | None) -> tuple[Status, str]:
    """The status of an artefact that was built, and the reason."""
    if verification is None:
        return Status.BUILT, record.note
    if verification.record is not None and (verdict := verification.record.verdict):
        if not verdict.passed:
            return Status.NOT_RUN, str(verdict)
        return Status.VERIFIED, str(verdict) or record.note
    status = Status.FAILED if verification.state == OutcomeState.FAILED else Status.BUILT
    return status, verification.why


def write(
    dist: Path,
    release: Release,
    source: SourceState,
    artifacts: Sequence[Artifact],
    not_tried: Sequence[str],
    gates: Sequence[GateResult] | None,
    allowances: Allowances = NOTHING,
) -> None:
    """Write both files, each whole or not at all. `SHA256SUMS` has the artefacts that were found to be correct.

    `source` is the state of the checkout that they were built from. `not_tried` are the example functions that no
    artefact was asked to run, with the reason. `gates` are the results of the gates; None if they were left out.
    `allowances` are what the command line has let pass: artefacts that are missing, and stand-ins for bases.
    """
    entries = [_entry(artifact) for artifact in artifacts]
    document = {
        "format": FORMAT,
        "name": release.name,
        "version": str(release.version),
        "source_date_epoch": release.epoch,
        "source": {key: value for key, value in asdict(source).items() if source.commit or key == "revision"},
        "not_tried": list(not_tried),
        "allowed_missing": [asdict(one) for one in allowances.missing],
        "stand_in_bases": [asdict(one) for one in allowances.stand_ins],
        "artifacts": entries,
        "quick": gates is None,
        "gates": [asdict(result) for result in gates or ()],
        "proofs": [],  # see `ci.prove.proofs`
        "waivers": [_waiver(release, waiver) for waiver in release.waivers],
    }
    correct = (Status.VERIFIED, Status.NOT_RUN)
    sums = sorted(f"{one.sha256}  {one.path}\n" for one in artifacts if one.sha256 and one.status in correct)
    write_atomically(dist / "SHA256SUMS", "".join(sums).encode())
    write_atomically(dist / "artifacts.json", json.dumps(document, indent=2).encode() + b"\n")


def _entry(artifact: Artifact) -> dict[str, object]:
    fields = asdict(artifact)
    optional = ("reason", "untried")
    return {key: value for key, value in fields.items() if value is not None and (value or key not in optional)}


def _waiver(release: Release, waiver: Waiver) -> dict[str, object]:
    fields = {**asdict(waiver), "until": str(waiver.until), "due": waiver in release.waivers_due}
    return {key: value for key, value in fields.items() if value is not None}


def delete(dist: Path) -> None:
    """Delete these files before a run builds anything, as they will not describe `dist/` any more."""
    for name in _NAMES:
        (dist / name).unlink(missing_ok=True)


def rows(artifacts: Sequence[Artifact]) -> list[list[str]]:
    """The rows of the table at the end of a run: kind, name, size, status, reason."""
    shared = shared_reasons(artifacts)
    return [
        [
            artifact.kind,
            artifact.name,
            readable_size(artifact.size),
            artifact.status,
            "see below" if artifact.reason in shared else artifact.reason,
        ]
        for artifact in artifacts
    ]


def shared_reasons(artifacts: Sequence[Artifact]) -> dict[str, list[str]]:
    """From each reason that several artefacts have to their names: it is printed once, below the table."""
    names: dict[str, list[str]] = {}
    for artifact in artifacts:
        if artifact.reason:
            names.setdefault(artifact.reason, []).append(artifact.name)
    return {reason: found for reason, found in names.items() if len(found) > 1}


def readable_size(size: int | None) -> str:
    """A size for people: bytes below 10,000, then kB and MB (powers of ten); "-" if it is unknown."""
    if size is None:
        return "-"
    if size < 10_000:
        return f"{size} B"
    return f"{size / 1000:.0f} kB" if size < 1_000_000 else f"{size / 1e6:.1f} MB"
