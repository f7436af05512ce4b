"""What the tooling costs in addition to the outside tools that it runs, and how that grows.

Runs with nothing to do are compared with `python -c pass` of the same environment, so that the targets hold on every
machine. A snapshot from clean is compared with the least that its outside tools need. Further files in the payload show
what each of them costs, and that the second half of them costs no more than the first. The measured checkout is a copy:
`dist/` of this one does not change.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ci.bench.figures import COLUMNS, FigureTarget, all_met
from ci.bench.paths import ROOT
from ci.bench.python_runs import ci, of_starts, python, starts
from ci.bench.setup import save
from ci.commands.proving import everything, with_proofs
from ci.commands.running import open_project
from ci.core.console import Console
from ci.core.state import read_json
from ci.pipeline.jobs import Job, Options
from ci.pipeline.plan import in_order

_SECONDS = re.compile(r"^# exit 0 after ([0-9.]+) s$", re.MULTILINE)
_FURTHER_FILES = 3000
SNAPSHOT = ("snapshot", "--quick")  # `bench -- release` measures the gates

# The targets; the table has them beside the measured values. A start is the time of `python -c pass`.
CLEAN_RATIO = 1.2
IDLE_RPM_STARTS = 20.0
RPM_STARTS = 25.0
IDLE_SNAPSHOT_STARTS = 45.0
STARTS_PER_ARTIFACT = 3.0
STARTS_PER_100_FILES = 150.0
IDLE_STARTS_PER_100_FILES = 3.0
GROWTH = 2.0  # the cost of the second half would be three times that of the first, if it grew quadratically

# Runs a command of the tooling, and prints the processor time of the programs that it has run.
_COUNTED = """
import resource, sys
from ci.__main__ import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"outside tools: {used.ru_utime + used.ru_stime}")
sys.exit(code)
"""


def measure(rounds: int) -> bool:
    """Measure, print the table, write `dist/bench/tooling.json`; returns whether every target is met."""
    with tempfile.TemporaryDirectory(prefix="faas-bench-") as scratch:
        copy = Path(scratch, "checkout")
        ignored = shutil.ignore_patterns("dist", ".git", ".nox", ".venv", "__pycache__", ".pytest_cache", "target")
        shutil.copytree(ROOT, copy, ignore=ignored, symlinks=True)
        clean = [_clean(copy) for _ in range(max(1, rounds // 2))]
        targets = [
            FigureTarget(
                what=f"quick snapshot from clean / the least that its tools need on {os.cpu_count()} processors",
                measured=statistics.median(wall / least for wall, least in clean),
                most=CLEAN_RATIO,
            ),
            *_nothing_to_do(copy, rounds),
            _rpm(copy, rounds),
            *_growth(copy, statistics.median(wall for wall, _ in clean), rounds),
        ]
    Console().table("Cost of the tooling", COLUMNS, [target.row() for target in targets])
    command = f"nox -s bench -- tooling --rounds {rounds}"
    save("tooling", {"command": command, "targets": [target.data() for target in targets]})
    return all_met(targets)


def _clean(copy: Path) -> tuple[float, float]:
    """The seconds of a snapshot from clean, and the least that its outside tools can need.

    No order of work takes less than the processor time of all tools divided by the number of processors, nor less than
    the longest chain of jobs of which each needs the one before it.
    """
    shutil.rmtree(copy / "dist", ignore_errors=True)
    started = time.monotonic()
    printed = python(copy, "-c", _COUNTED, *SNAPSHOT)
    wall = time.monotonic() - started
    used = float(printed.rpartition("outside tools: ")[2])
    chain = longest_chain(jobs(copy), lambda job: _tool_seconds(copy, job.id))
    return wall, max(chain, used / (os.cpu_count() or 1))


def _nothing_to_do(copy: Path, rounds: int) -> list[FigureTarget]:
    rpm = starts(copy, rounds, lambda: ci(copy, "rpm"))
    sdist = starts(copy, rounds, lambda: ci(copy, "sdist"))
    snapshot = starts(copy, rounds, lambda: ci(copy, *SNAPSHOT))
    artifacts = read_json(copy / "dist" / "artifacts.json")["artifacts"]
    further = len([one for one in artifacts if one["kind"] not in ("sdist", "wheel")])
    return [
        of_starts("rpm with nothing to do", rpm, IDLE_RPM_STARTS),
        of_starts("quick snapshot with nothing to do", snapshot, IDLE_SNAPSHOT_STARTS),
        of_starts(
            "quick snapshot with nothing to do, each artefact", (snapshot - sdist) / further, STARTS_PER_ARTIFACT
        ),
    ]


def _rpm(copy: Path, rounds: int) -> FigureTarget:
    """What an RPM takes beyond its calls of rpmbuild."""

    def build() -> float:
        (copy / "dist" / ".state" / "jobs" / "rpm.json").unlink()
        return ci(copy, "rpm") - _tool_seconds(copy, "rpm")

    return of_starts("rpm, without its rpmbuild calls", starts(copy, rounds, build), RPM_STARTS)


def _growth(copy: Path, clean: float, rounds: int) -> list[FigureTarget]:
    """What further files in the payload cost: of each, and of each in the second half compared with the first."""
    half = _FURTHER_FILES // 2
    idle = starts(copy, rounds, lambda: ci(copy, *SNAPSHOT))
    _add_files(copy, half)
    first = _clean(copy)[0] - clean
    _add_files(copy, half)
    second = _clean(copy)[0] - first - clean
    hundreds = _FURTHER_FILES / 100
    bare = starts(copy, rounds, lambda: (first + second) / hundreds)
    idle_further = (starts(copy, rounds, lambda: ci(copy, *SNAPSHOT)) - idle) / hundreds
    files = f"100 of {_FURTHER_FILES} further files"
    return [
        of_starts(f"quick snapshot from clean, {files}", bare, STARTS_PER_100_FILES),
        of_starts(f"quick snapshot with nothing to do, {files}", idle_further, IDLE_STARTS_PER_100_FILES),
        FigureTarget(
            what="quick snapshot from clean, second half of these files / first half",
            measured=second / first,
            most=GROWTH,
        ),
    ]


def _add_files(copy: Path, count: int) -> None:
    """Add small modules to the payload."""
    folder = copy / "runtime" / "faas_runtime" / "further"
    folder.mkdir(exist_ok=True)
    begin = len(list(folder.iterdir()))
    for number in range(begin, begin + count):
        (folder / f"module_{number}.py").write_text(f'"""Module {number} of many."""\n\nNUMBER = {number}\n')


def jobs(copy: Path) -> tuple[Job, ...]:
    """The jobs of the snapshot that is measured."""
    project, builds = everything(open_project(copy, Options()), ())
    return with_proofs(project, builds, ())


def longest_chain(jobs: Sequence[Job], seconds_of: Callable[[Job], float]) -> float:
    """The greatest sum of seconds along any chain of jobs of which each needs the one before it."""
    sums: dict[str, float] = {}
    for job in in_order(jobs):
        sums[job.id] = seconds_of(job) + max((sums[earlier] for earlier in job.after), default=0.0)
    return max(sums.values())


def _tool_seconds(copy: Path, job: str) -> float:
    log = copy / "dist" / "logs" / f"{job}.log"
    return sum(map(float, _SECONDS.findall(log.read_text(errors="replace")))) if log.exists() else 0.0
