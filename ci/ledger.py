"""What was built from what: one small file a job under `dist/.state/`, written after the job's outputs stand.

A job is up to date when its input hash is the recorded one and its outputs are still the recorded bytes. A run that is
killed between moving outputs and recording them leaves the old record, which no longer fits: the job runs again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ci.files import sha256_of, tree_files, write_atomically
from ci.jobs import Job


@dataclass(frozen=True, kw_only=True)
class OutputRecord:
    """A finished output: `stamp` is its size and time of change, so that unchanged bytes need not be read again."""

    sha256: str
    size: int
    stamp: str


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """A finished job: the hash of all that went in, what came out, and the job's note.

    `needs` are the hashes of the files that it was made from, by their path: the outputs of the jobs before it.
    """

    input_hash: str
    outputs: Mapping[str, OutputRecord]
    needs: Mapping[str, str]
    tools: tuple[str, ...] = ()
    note: str = ""
    seconds: float = 0.0


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
        if record.input_hash != input_hash:
            return None, "inputs changed"
        for path, known in record.outputs.items():
            if not (self._dist / path).exists():
                return None, f"{path} is missing"
            if not self._unchanged(self._dist / path, known):
                return None, f"{path} was changed"
        return record, ""

    @staticmethod
    def hashes(records: Iterable[JobRecord | None]) -> dict[str, str]:
        """The SHA-256 of every output of some finished jobs, by its path."""
        return {path: known.sha256 for record in records if record for path, known in record.outputs.items()}

    def write(self, job: Job, record: JobRecord) -> None:
        """Record a finished job."""
        write_atomically(self._path(job), json.dumps(asdict(record), indent=1, sort_keys=True).encode())

    def describe(self, path: str) -> OutputRecord:
        """The record of an output that now stands in `dist/`."""
        return _describe(self._dist / path)

    def _path(self, job: Job) -> Path:
        return self._folder / f"{job.id.replace('/', '_')}.json"

    def _read(self, job: Job) -> JobRecord | None:
        try:
            data = json.loads(self._path(job).read_bytes())
            outputs = {path: OutputRecord(**known) for path, known in data.pop("outputs").items()}
            return JobRecord(**{**data, "tools": tuple(data["tools"]), "outputs": outputs})
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    @staticmethod
    def _unchanged(path: Path, known: OutputRecord) -> bool:
        try:
            return _stamp(path) == known.stamp or _describe(path).sha256 == known.sha256
        except OSError:
            return False


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
            digest.update(f"{name}\0{executable}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()


def _stamp(path: Path) -> str:
    return " ".join(f"{(s := file.stat()).st_size}:{s.st_mtime_ns}" for file in tree_files(path))
