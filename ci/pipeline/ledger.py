"""The record of what was built from what: one small file for each job under `dist/.state/`.

A job is up to date if its input hash is the recorded one and its outputs are still the recorded bytes. The record is
written after the outputs were moved to their places. A run that is killed in between leaves the old record, which does
not fit any more, so the job runs again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ci.core.errors import VerificationError
from ci.core.files import sha256_of, tree_files, write_atomically
from ci.core.state import read_json, texts
from ci.pipeline.jobs import Job, Verdict


@dataclass(frozen=True, kw_only=True)
class OutputRecord:
    """A finished output. While `stamp`, its size and time of change, stays the same, its bytes are not read again."""

    sha256: str
    size: int
    stamp: str


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """A finished job: the hash of its inputs, its outputs, and what it had to say.

    `needs` are the hashes of the files that it was made from, by their path: the outputs of the jobs before it.
    `note` is from a job that makes files, `verdict` from a verification.
    """

    input_hash: str
    outputs: Mapping[str, OutputRecord]
    needs: Mapping[str, str]
    tools: tuple[str, ...] = ()
    note: str = ""
    verdict: Verdict | None = None
    seconds: float = 0.0

    @property
    def remark(self) -> str:
        """The note, or the verdict, in one line; empty if there is nothing to say."""
        return str(self.verdict) if self.verdict else self.note


class Ledger:
    """Reads and writes the records of one `dist/`."""

    def __init__(self, dist: Path) -> None:
        self._dist = dist
        self._folder = dist / ".state" / "jobs"

    def look_up(self, job: Job, input_hash: str) -> tuple[JobRecord | None, str]:
        """The job's record and an empty string, if it is up to date; otherwise None and why it is not."""
        record = self._read(job)
        if record is None:
            return None, "not built yet"
        if set(record.outputs) != {output.path for output in job.outputs}:
            return None, "its record is damaged"
        if record.input_hash != input_hash:
            return None, "inputs changed"
        for path, known in record.outputs.items():
            if not (self._dist / path).exists():
                return None, f"{path} is missing"
            if not self._unchanged(self._dist / path, known):
                return None, f"{path} was changed"
        return record, ""

    def recorded(self, job: Job) -> JobRecord | None:
        """The record of a job whose files are in `dist/`, whatever they were made from; None if they are not there.

        Raises `VerificationError` for a file that was changed since it was made.
        """
        record = self._read(job)
        if record is None or set(record.outputs) != {output.path for output in job.outputs}:
            return None
        if not all((self._dist / path).exists() for path in record.outputs):
            return None
        for path, known in record.outputs.items():
            if _describe(self._dist / path).sha256 != known.sha256:
                raise VerificationError(
                    f"{path}: it was changed after it was built", hint="build it again with: nox -s snapshot"
                )
        return record

    @staticmethod
    def hashes(records: Iterable[JobRecord | None]) -> dict[str, str]:
        """The SHA-256 of every output of some finished jobs, by its path."""
        return {path: known.sha256 for record in records if record for path, known in record.outputs.items()}

    def write(self, job: Job, record: JobRecord) -> None:
        """Record a finished job."""
        write_atomically(self._path(job), json.dumps(asdict(record), indent=1, sort_keys=True).encode())

    def describe(self, path: str) -> OutputRecord:
        """The record of an output that is in `dist/` now."""
        return _describe(self._dist / path)

    def _path(self, job: Job) -> Path:
        return self._folder / f"{job.id.replace('/', '_')}.json"

    def _read(self, job: Job) -> JobRecord | None:
        try:
            return _record(read_json(self._path(job)))
        except (TypeError, KeyError, AttributeError, ValueError, OverflowError):
            return None

    @staticmethod
    def _unchanged(path: Path, known: OutputRecord) -> bool:
        try:
            return _stamp(path) == known.stamp or _describe(path).sha256 == known.sha256
        except OSError:
            return False


def _record(data: Any) -> JobRecord:
    """The record in a document. Any other document raises one of the errors that `Ledger` expects."""
    return JobRecord(
        input_hash=_text(data["input_hash"]),
        outputs={path: _output(known) for path, known in data["outputs"].items()},
        needs=texts(data["needs"]),
        tools=tuple(_text(tool) for tool in data["tools"]),
        note=_text(data["note"]),
        verdict=_verdict(data["verdict"]),
        seconds=float(data["seconds"]),
    )


def _output(data: Any) -> OutputRecord:
    return OutputRecord(sha256=_text(data["sha256"]), size=_number(data["size"]), stamp=_text(data["stamp"]))


def _verdict(data: Any) -> Verdict | None:
    if data is None:
        return None
    untried, notes = (tuple(_text(one) for one in data[name]) for name in ("untried", "notes"))
    return Verdict(not_run=_text(data["not_run"]), untried=untried, notes=notes)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("not a number")
    return value


def _describe(path: Path) -> OutputRecord:
    files = list(tree_files(path))
    size = sum(file.stat().st_size for file in files)
    digest = sha256_of(path) if path.is_file() else tree_hash(path)
    return OutputRecord(sha256=digest, size=size, stamp=_stamp(path))


def tree_hash(*roots: Path) -> str:
    """One SHA-256 over names, executable bits and contents of the files below some folders."""
    digest = hashlib.sha256()
    for root in roots:
        for file in tree_files(root):
            name = file.relative_to(root.parent).as_posix()
            executable = "x" if file.stat().st_mode & 0o100 else "-"
            digest.update(os.fsencode(f"{name}\0{executable}\0{sha256_of(file)}\n"))
    return digest.hexdigest()


def _stamp(path: Path) -> str:
    return " ".join(f"{(s := file.stat()).st_size}:{s.st_mtime_ns}" for file in tree_files(path))
