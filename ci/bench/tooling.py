"""What the tooling costs beside the outside tools that it runs, all in one run on one machine.

Three figures, each a median over rounds: the RPM session against its own rpmbuild calls, a snapshot with nothing to do
against `nox -l`, and a snapshot from clean against its longest chain of outside tools. What outside tools took is read
from the logs, where the runner writes the seconds of each call. The checkout that is measured is a copy: `dist/` of
this one stays as it is.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ci import builders, verify
from ci.commands import open_project
from ci.console import Console
from ci.files import write_atomically
from ci.jobs import Job, Options
from ci.plan import in_order
from ci.run import base_environment

ROOT = Path(__file__).resolve().parent.parent.parent
_SECONDS = re.compile(r"^# exit 0 after ([0-9.]+) s$", re.MULTILINE)

# What the project promises; the table has them beside what was measured.
RPM_EXTRA_SECONDS = 0.5
IDLE_EXTRA_SECONDS = 1.0
CLEAN_RATIO = 1.2


def measure(rounds: int) -> bool:
    """Measure, print the table, write `dist/bench/tooling.json`; returns whether every promise is kept."""
    with tempfile.TemporaryDirectory(prefix="faas-bench-") as scratch:
        copy = Path(scratch, "checkout")
        ignored = shutil.ignore_patterns("dist", ".git", "__pycache__", ".pytest_cache", "target")
        shutil.copytree(ROOT, copy, ignore=ignored, symlinks=True)
        results = [
            *_clean(copy, max(1, rounds // 2)),
            _idle(copy, rounds),
            _rpm(copy, rounds),
        ]
    rows = [[str(r["what"]), str(r["measured"]), str(r["promised"]), "yes" if r["kept"] else "NO"] for r in results]
    Console().table("Cost of the tooling", ["what", ">measured", ">promised", "kept"], rows)
    write_atomically(ROOT / "dist" / "bench" / "tooling.json", json.dumps(results, indent=2).encode() + b"\n")
    return all(bool(result["kept"]) for result in results)


def _clean(copy: Path, rounds: int) -> list[dict[str, object]]:
    """A snapshot from clean against its longest chain of outside tools, and against what they need at the least.

    All tools together keep every processor busy for a while that no order of work can shorten: the sum of their
    seconds divided by the number of processors. Where that is longer than the longest chain, it is the limit.
    """
    walls, chains, floors = [], [], []
    processors = os.cpu_count() or 1
    for _ in range(rounds):
        shutil.rmtree(copy / "dist", ignore_errors=True)
        walls.append(_timed(lambda: _nox(copy, "-s", "snapshot")))
        jobs = _jobs(copy)
        chains.append(longest_chain(jobs, lambda job: _tool_seconds(copy, job.id)))
        floors.append(max(chains[-1], sum(_tool_seconds(copy, job.id) for job in jobs) / processors))
    seconds = {"snapshot": walls, "chain": chains, "floor": floors}
    return [
        _ratio("snapshot from clean / its longest chain of outside tools", walls, chains, seconds),
        _ratio(f"snapshot from clean / the least its tools need on {processors} processors", walls, floors, seconds),
    ]


def _ratio(what: str, walls: list[float], limits: list[float], seconds: dict[str, list[float]]) -> dict[str, object]:
    ratio = statistics.median(wall / limit for wall, limit in zip(walls, limits, strict=True))
    return {
        "what": what,
        "measured": f"{ratio:.2f}",
        "promised": f"{CLEAN_RATIO:.2f}",
        "kept": ratio <= CLEAN_RATIO,
        "seconds": seconds,
    }


def _idle(copy: Path, rounds: int) -> dict[str, object]:
    extra = [_timed(lambda: _nox(copy, "-s", "snapshot")) - _timed(lambda: _nox(copy, "-l")) for _ in range(rounds)]
    seconds = statistics.median(extra)
    return {
        "what": "snapshot with nothing to do - nox -l",
        "measured": f"{seconds:.2f} s",
        "promised": f"{IDLE_EXTRA_SECONDS:.2f} s",
        "kept": seconds <= IDLE_EXTRA_SECONDS,
        "seconds": extra,
    }


def _rpm(copy: Path, rounds: int) -> dict[str, object]:
    extra = []
    for _ in range(rounds):
        (copy / "dist" / ".state" / "jobs" / "rpm.json").unlink()
        wall = _timed(lambda: _nox(copy, "-s", "rpm"))
        extra.append(wall - _timed(lambda: _nox(copy, "-l")) - _tool_seconds(copy, "rpm"))
    seconds = statistics.median(extra)
    return {
        "what": "nox -s rpm - nox's start - its rpmbuild calls",
        "measured": f"{seconds:.2f} s",
        "promised": f"{RPM_EXTRA_SECONDS:.2f} s",
        "kept": seconds <= RPM_EXTRA_SECONDS,
        "seconds": extra,
    }


def _nox(copy: Path, *arguments: str) -> None:
    nox = shutil.which("nox") or str(ROOT / ".venv" / "bin" / "nox")
    subprocess.run([nox, *arguments], cwd=copy, env=base_environment(), check=True, capture_output=True)


def _timed(action: Callable[[], None]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


def _jobs(copy: Path) -> tuple[Job, ...]:
    project = open_project(copy, Options())
    builds = builders.all_jobs(project)
    return (*builds, *verify.jobs(project, builds))


def longest_chain(jobs: Sequence[Job], seconds_of: Callable[[Job], float]) -> float:
    """The greatest sum of seconds along any chain of jobs that come one after the other."""
    sums: dict[str, float] = {}
    for job in in_order(jobs):
        sums[job.id] = seconds_of(job) + max((sums[earlier] for earlier in job.after), default=0.0)
    return max(sums.values())


def _tool_seconds(copy: Path, job: str) -> float:
    log = copy / "dist" / "logs" / f"{job}.log"
    return sum(map(float, _SECONDS.findall(log.read_text(errors="replace")))) if log.exists() else 0.0
