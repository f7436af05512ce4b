"""What a release costs in addition to a snapshot that is reproduced, and how long a snapshot with all gates takes.

Both are made in clean clones of a tag that is cut from the last commit of this checkout, with throw-away keys. What is
compared is the processor time of all programs; seconds are shown for information, as they depend on the machine.
"""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ci.bench import python_runs
from ci.bench.figures import COLUMNS, FigureTarget, all_met, number
from ci.bench.paths import LOG, ROOT
from ci.bench.setup import save
from ci.core.console import Console
from ci.core.run import Runner
from ci.core.state import read_json
from ci.manifest.release import FLAVOURS
from ci.release import throw_away
from ci.release.throw_away import ThrowAwayKeys

# The targets. A start is the time of `python -c pass`: where that is 10 ms, a hundred are a second.
RELEASE_RATIO = 1.25
IDLE_STARTS = 100.0

TIME_COLUMNS = ["what", ">seconds", ">processor time"]


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a command took, in seconds: by the clock, and of the processors with all programs that it ran."""

    wall: float
    processor: float

    def row(self, what: str) -> list[str]:
        """The cells of the table."""
        return [what, number(self.wall), number(self.processor)]


def measure(rounds: int) -> bool:
    """Measure, print the tables, write `dist/bench/release.json`; returns whether every target is met."""
    run = Runner(log=LOG.with_name("bench-release.log"))
    with (
        tempfile.TemporaryDirectory(prefix="faas-bench-") as scratch,
        throw_away.signers(Path(scratch), run) as signers,
    ):
        tagged = _tag(Path(scratch, "tagged"), signers, run)
        targets, rows = _measure(tagged, signers, rounds, run)
    Console().table(f"Times on {os.cpu_count()} processors", TIME_COLUMNS, rows)
    Console().table("Cost of a release", COLUMNS, [target.row() for target in targets])
    data = [target.data() for target in targets]
    command = f"nox -s bench -- release --rounds {rounds}"
    save("release", {"command": command, "targets": data, "processors": os.cpu_count(), "times": rows})
    return all_met(targets)


def _measure(
    tagged: Path, signers: ThrowAwayKeys, rounds: int, run: Runner
) -> tuple[list[FigureTarget], list[list[str]]]:
    clone = throw_away.clone(tagged, tagged.with_name("snapshot"), run)
    snapshot, reproduce = _spent(clone, "snapshot"), _spent(clone, "reproduce")
    idle = python_runs.starts(clone, rounds, lambda: python_runs.ci(clone, "snapshot"))
    missing = missing_in(clone / "dist" / "artifacts.json")
    for path in (clone / "dist").iterdir():
        if path.name != ".cache":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    cached = _spent(clone, "snapshot")
    shutil.rmtree(clone)

    clone = throw_away.clone(tagged, tagged.with_name("release"), run)
    keys = (f"--gnupg-home={signers.home}", f"--attestation-key={signers.attestations}")
    release = _spent(clone, "release", *keys, *(f"--allow-missing={name}" for name in missing))
    both = snapshot.processor + reproduce.processor
    targets = [
        FigureTarget(
            what="release / snapshot and reproduce, processor time",
            measured=release.processor / both,
            most=RELEASE_RATIO,
        ),
        python_runs.of_starts("snapshot with all gates and nothing to do", idle, IDLE_STARTS),
    ]
    rows = [
        snapshot.row("snapshot with all gates, from a clean clone"),
        cached.row("the same with its downloads and roots kept"),
        reproduce.row("reproduce"),
        release.row("release, from a clean clone"),
    ]
    return targets, rows


def _spent(checkout: Path, *command: str) -> Spent:
    def processor() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    wall, before = time.monotonic(), processor()
    python_runs.python(checkout, "-m", "ci", *command)
    return Spent(wall=time.monotonic() - wall, processor=processor() - before)


def _tag(checkout: Path, signers: ThrowAwayKeys, run: Runner) -> Path:
    """Clone this repository, let the keys sign, and cut a version."""
    throw_away.copy(ROOT, checkout, signers, run)
    python_runs.ci(checkout, "bump", "minor", f"--gnupg-home={signers.home}")
    return checkout


def missing_in(report: Path) -> Sequence[str]:
    """The flavours and kinds of which a snapshot could not make an artefact: a release has to be allowed to miss them.

    The SBOMs of an image belong to its flavour.
    """
    absent = [one for one in read_json(report)["artifacts"] if one["status"] == "unavailable" and one["kind"] != "sbom"]
    flavours = [
        name for name in FLAVOURS if any(f"-{name}-" in one["name"] for one in absent if one["kind"] == "image")
    ]
    return [*flavours, *sorted({one["kind"] for one in absent} - {"image"})]
