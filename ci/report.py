"""What a run leaves for others to read: `artifacts.json`, `SHA256SUMS` and the table at the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ci.files import write_atomically
from ci.jobs import Output
from ci.ledger import JobRecord
from ci.plan import UP_TO_DATE
from ci.release import Release
from ci.scheduler import DONE, FAILED, Outcome

FORMAT = 1

VERIFIED = "verified"
NOT_RUN = "not run"
BUILT = "built"


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One artefact as `artifacts.json` tells it; size and sha256 are there when the file is.

    `status` is "verified" (opened again, started, answered), "not run" (opened and found sound, but it could not be
    started here), "built" (not verified in this run), "unavailable", "failed" or "left out" (something that it needs
    failed); `reason` tells why, or what could not be checked.
    """

    kind: str
    name: str
    path: str
    status: str
    tool: str
    reason: str = ""
    size: int | None = None
    sha256: str | None = None


def artifacts_of(outcomes: Sequence[Outcome]) -> list[Artifact]:
    """One entry for each artefact that the plan named, with what its verification said."""
    by_id = {outcome.step.job.id: outcome for outcome in outcomes}
    artifacts = []
    for outcome in outcomes:
        for output in outcome.step.job.outputs:
            if output.kind:
                artifacts.append(_artifact(outcome, output, by_id.get(verification_of(output))))
    return artifacts


def verification_of(output: Output) -> str:
    """The id of the job that verifies an artefact."""
    return f"verify-{output.name}"


def _artifact(outcome: Outcome, output: Output, verification: Outcome | None) -> Artifact:
    record, tool = outcome.record, ", ".join(outcome.step.tools)
    if record is None:
        return Artifact(
            kind=output.kind, name=output.name, path=output.path, status=outcome.state, tool=tool, reason=outcome.why
        )
    status, reason = _verdict(record, verification)
    known = record.outputs[output.path]
    return Artifact(
        kind=output.kind,
        name=output.name,
        path=output.path,
        status=status,
        tool=", ".join(record.tools) or tool,
        reason=reason,
        size=known.size,
        sha256=known.sha256,
    )


def _verdict(record: JobRecord, verification: Outcome | None) -> tuple[str, str]:
    if verification is None:
        return BUILT, record.note
    if verification.state in (DONE, UP_TO_DATE) and verification.record is not None:
        note = verification.record.note
        # A verification that could not start the artefact says so in the first words of its note.
        if note.startswith(f"{NOT_RUN}: "):
            return NOT_RUN, note.removeprefix(f"{NOT_RUN}: ")
        return VERIFIED, note or record.note
    if verification.state == FAILED:
        return FAILED, verification.why
    return BUILT, verification.why


def write(dist: Path, release: Release, artifacts: Sequence[Artifact], not_tried: Sequence[str]) -> None:
    """Write both files, each whole or not at all. `SHA256SUMS` names what was opened and found sound.

    `not_tried` are the example functions that no artefact was asked to run, with the reason.
    """
    entries = [
        {key: value for key, value in asdict(artifact).items() if value not in (None, "")} for artifact in artifacts
    ]
    document = {
        "format": FORMAT,
        "name": release.name,
        "version": str(release.version),
        "source_date_epoch": release.epoch,
        "not_tried": list(not_tried),
        "artifacts": entries,
    }
    sums = sorted(f"{a.sha256}  {a.path}\n" for a in artifacts if a.sha256 and a.status in (VERIFIED, NOT_RUN))
    write_atomically(dist / "SHA256SUMS", "".join(sums).encode())
    write_atomically(dist / "artifacts.json", json.dumps(document, indent=2).encode() + b"\n")


def withdraw(dist: Path) -> None:
    """Remove both files: what they tell is about to change."""
    for name in ("artifacts.json", "SHA256SUMS"):
        (dist / name).unlink(missing_ok=True)


def rows(artifacts: Sequence[Artifact]) -> list[list[str]]:
    """The table at the end of a run: kind, name, size, status, reason."""
    return [
        [artifact.kind, artifact.name, readable_size(artifact.size), artifact.status, artifact.reason]
        for artifact in artifacts
    ]


def readable_size(size: int | None) -> str:
    """A size for people: bytes up to a few thousand, then kB and MB (powers of ten)."""
    if size is None:
        return "-"
    if size < 10_000:
        return f"{size} B"
    return f"{size / 1000:.0f} kB" if size < 1_000_000 else f"{size / 1e6:.1f} MB"
