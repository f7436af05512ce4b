"""What the emulator (`faas-runtime serve`) adds to an invoke, how many a second it holds, and what it costs while idle.

The callers are compiled, and each event that they send is checked on its way back. The same function without the
emulator is the runtime under the bench's own Runtime API, as in `runtime`; here, nothing is pinned.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ci.bench.contenders import Subject
from ci.bench.figures import COLUMNS, Figure, Promise, all_kept
from ci.bench.server import Load, compile_callers
from ci.bench.workshop import CACHE, LOG, NotMeasured, Workshop, open_workshop, save
from ci.console import Console
from ci.errors import CommandFailed

INVOKES, WARMUP = 3000, 200
CONCURRENCY = 8
SETTLED_S = 5.0
IDLE_S = 10.0
START_S = 30.0

# What the project promises; the table has them beside what was measured.
ADDED_MS = 2.0
PER_SECOND = 500.0


def measure(rounds: int, subject: Subject) -> bool:
    """Measure, print the table, write `dist/bench/emulator.json`; returns whether every promise is kept."""
    console = Console()
    figures = [
        Figure(key="direct", what="latency p50, 100 bytes, without the emulator", unit="ms"),
        Figure(key="served", what="latency p50, 100 bytes, one caller", unit="ms"),
        Figure(key="rate", what=f"invokes a second, {CONCURRENCY} callers", unit=""),
        Figure(key="idle", what=f"processor time of all its processes in {IDLE_S:g} idle seconds", unit="ms"),
    ]
    with open_workshop(subject, only_own=True) as workshop:
        callers = compile_callers(workshop.run, CACHE)
        for number in range(1, rounds + 1):
            console.say(f"round {number} of {rounds}")
            try:
                for figure, value in zip(figures, _round(workshop, callers), strict=True):
                    figure.add("runtime", value)
            except NotMeasured as error:
                for figure in figures:
                    figure.fail("runtime", str(error))
        facts = workshop.facts()
    promises = _promises(figures)
    console.table("The emulator", ["median", ">"], [[figure.what, figure.text("runtime")] for figure in figures])
    console.table("What is promised", COLUMNS, [promise.row() for promise in promises])
    save("emulator", {
        "command": "nox -s bench -- emulator",
        "rounds": rounds,
        **facts,
        "titles": {"runtime": "faas-runtime"},
        "figures": {figure.key: vars(figure) for figure in figures},
        "promises": [promise.data() for promise in promises],
    })  # fmt: skip
    return all_kept(promises)


def _round(workshop: Workshop, callers: Path) -> Sequence[float]:
    """One value for each figure, in their order."""
    direct = workshop.measure(workshop.contenders["runtime"].command, Load(invokes=INVOKES, warmup=WARMUP))
    with _serving(workshop) as (port, process):
        one = _call(workshop, callers, port, 1, INVOKES)
        many = _call(workshop, callers, port, CONCURRENCY, INVOKES // CONCURRENCY)
        time.sleep(SETTLED_S)  # the runtimes have looked for late invocations for the last time
        before = _processor_ns(process)
        time.sleep(IDLE_S)
        idle = _processor_ns(process) - before
    return direct.p50_us / 1e3, one["p50_us"] / 1e3, many["invokes"] / many["wall_s"], idle / 1e6


@contextmanager
def _serving(workshop: Workshop) -> Iterator[tuple[int, int]]:
    """The emulator at work: its port and its process."""
    log = LOG.with_name("bench-emulator.log")
    log.unlink(missing_ok=True)
    library = workshop.native.task_root / "libecho.so"
    argv = (*workshop.contenders["runtime"].command.argv, "serve", library)
    options = ("--port", "0", "--concurrency", str(CONCURRENCY))
    with workshop.run.start(*argv, *options, log=log) as child:
        until = time.monotonic() + START_S
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text())):
            if child.poll() is not None or time.monotonic() > until:
                raise NotMeasured("the emulator did not start: " + (log.read_text().splitlines() or ["no word"])[-1])
            time.sleep(0.05)
        yield int(found[1]), child.pid


def _call(workshop: Workshop, callers: Path, port: int, connections: int, invokes: int) -> dict[str, float]:
    options = {"port": port, "connections": connections, "invokes": invokes, "warmup": WARMUP // connections}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    try:
        answer: dict[str, float] = json.loads(workshop.run.output(callers, *words))
    except CommandFailed as error:
        raise NotMeasured(str(error).splitlines()[-1]) from error
    return answer


def _processor_ns(process: int) -> int:
    """What a process and its children have used so far, all threads of them: the scheduler's own count."""
    used = 0
    for task in Path(f"/proc/{process}/task").iterdir():
        used += int((task / "schedstat").read_text().split()[0])
        used += sum(_processor_ns(int(child)) for child in (task / "children").read_text().split())
    return used


def _promises(figures: Sequence[Figure]) -> list[Promise]:
    direct, served, rate, idle = (figure.median("runtime") for figure in figures)
    reason = next((text for figure in figures for text in figure.missing.values()), "")
    added = None if direct is None or served is None else served - direct
    return [
        Promise(what="latency that the emulator adds, p50", measured=added, most=ADDED_MS, unit=" ms", reason=reason),
        Promise(what=f"invokes a second, {CONCURRENCY} callers", measured=rate, least=PER_SECOND, reason=reason),
        Promise(what="processor time while idle", measured=idle, most=0, unit=" ms", reason=reason),
    ]
