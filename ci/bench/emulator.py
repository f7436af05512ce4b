"""What the emulator (`faas-runtime serve`) costs, beside RIE and `cargo lambda watch`.

One caller in Python, as an SDK calls; eight compiled callers at once; the memory and the processor time while idle. All
callers check that each answer is the event that they sent. For comparison, the same function runs in the runtime under
the bench's own Runtime API, as in `runtime`. No process is pinned to a core here, except for that comparison.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.bench import emulators
from ci.bench.clients import BENCH, MeasuredRuntime
from ci.bench.emulators import CONCURRENCY, MeasuredEmulator, Serving
from ci.bench.figures import COLUMNS, Figure, FigureTarget, all_met, compare, in_short
from ci.bench.paths import CACHE
from ci.bench.server import Load, compile_callers
from ci.bench.setup import NotMeasured, Setup, open_setup, save
from ci.core.console import Console
from ci.core.errors import CommandFailed

INVOKES, WARMUP = 3000, 200
PYTHON_INVOKES = 2000
SETTLE_S = 5.0  # after the last invoke, until the runtimes have checked for late ones for the last time
PEER_SETTLE_S = 1.0
IDLE_S = 10.0
RIE, CARGO = "rie", "cargo"

# The targets; the table has them beside the measured values.
ADDED_MS = 2.0
PER_SECOND = 500.0
CARGO_P50 = 1.25
RIE_RATE = 3.0
RESIDENT_MB = 26.0


@dataclass(frozen=True, kw_only=True)
class _Callers:
    """The programs that call an emulator."""

    setup: Setup
    compiled: Path

    def call(self, serving: Serving, connections: int, invokes: int) -> Mapping[str, float]:
        """Call from compiled callers, all at once."""
        options = {
            "port": serving.port, "path": serving.path, "connections": connections,
            "invokes": invokes, "warmup": WARMUP // connections,
        }  # fmt: skip
        return self._run(
            self.compiled, *(word for name, value in options.items() for word in (f"--{name}", str(value)))
        )

    def call_from_python(self, serving: Serving, kind: str) -> Mapping[str, float]:
        """Call from one caller in Python, over a `new` connection each time, or over one that is `kept`."""
        caller = (self.setup.subject.python, "-I", "-S", BENCH / "python_caller.py")
        return self._run(*caller, str(serving.port), serving.path, str(PYTHON_INVOKES), str(WARMUP), kind)

    def _run(self, *argv: str | Path) -> Mapping[str, float]:
        try:
            answer: dict[str, float] = json.loads(self.setup.run.output(*argv))
        except CommandFailed as error:
            raise NotMeasured(in_short(error)) from error
        return answer


def _figures() -> dict[str, Figure]:
    found = [
        Figure(key="direct", what="latency p50, 100 bytes, without the emulator", unit="ms"),
        Figure(key="served", what="latency p50, 100 bytes, one compiled caller", unit="ms"),
        Figure(key="new_p50", what="latency p50, one caller in Python, new connections", unit="ms"),
        Figure(key="new_p99", what="latency p99, one caller in Python, new connections", unit="ms"),
        Figure(key="kept_p50", what="latency p50, one caller in Python, one connection", unit="ms"),
        Figure(key="kept_p99", what="latency p99, one caller in Python, one connection", unit="ms"),
        Figure(key="rate", what=f"invokes per second, {CONCURRENCY} compiled callers (RIE: 1)", unit=""),
        Figure(key="resident", what="resident memory while idle, function process aside", unit="MB"),
        Figure(key="idle", what=f"processor time of all its processes in {IDLE_S:g} idle seconds", unit="ms"),
    ]
    return {figure.key: figure for figure in found}


def measure(rounds: int, subject: MeasuredRuntime) -> bool:
    """Measure, print the table, write `dist/bench/emulator.json`; returns whether every target is met."""
    console = Console()
    figures = _figures()
    cores = os.sched_getaffinity(0)
    with open_setup(subject, only_own=True) as setup:
        os.sched_setaffinity(0, cores)  # what is started here may run on any core
        callers = _Callers(setup=setup, compiled=compile_callers(setup.run, CACHE))
        contenders = emulators.prepare(setup, CACHE)
        for number in range(1, rounds + 1):
            for emulator in contenders:
                console.say(f"round {number} of {rounds}: {emulator.title}")
                _round(callers, emulator, figures)
        facts = setup.facts()
    targets = judge(figures)
    titles = {emulator.key: emulator.title for emulator in contenders}
    rows = [[figure.what, *(figure.text(key) for key in titles)] for figure in figures.values()]
    console.table("The emulator", ["median", *(f">{title}" for title in titles.values())], rows)
    for emulator in contenders:
        if emulator.reason:
            console.say(f"{emulator.title}: not measured: {emulator.reason}")
    console.table("Targets", COLUMNS, [target.row() for target in targets])
    save("emulator", {
        "command": "nox -s bench -- emulator",
        "rounds": rounds,
        **facts,
        "versions": emulators.versions(contenders),
        "titles": titles,
        "figures": {figure.key: vars(figure) for figure in figures.values()},
        "targets": [target.data() for target in targets],
    })  # fmt: skip
    return all_met(targets)


def _round(callers: _Callers, emulator: MeasuredEmulator, figures: Mapping[str, Figure]) -> None:
    """Add one value to each figure of an emulator, or the reason for none."""
    try:
        if emulator.reason:
            raise NotMeasured(emulator.reason)
        with emulators.serving(callers.setup.run, emulator) as serving:
            values = _measure_one(callers, emulator, serving)
        if emulator.key == "runtime":
            command = callers.setup.clients["runtime"].command
            values["direct"] = callers.setup.measure(command, Load(invokes=INVOKES, warmup=WARMUP)).p50_us / 1e3
        for key, value in values.items():
            figures[key].add(emulator.key, value)
    except NotMeasured as error:
        for figure in figures.values():
            figure.fail(emulator.key, str(error))


def _measure_one(callers: _Callers, emulator: MeasuredEmulator, serving: Serving) -> dict[str, float]:
    served = callers.call(serving, 1, INVOKES)
    new, kept = (callers.call_from_python(serving, kind) for kind in ("new", "kept"))
    many = callers.call(serving, emulator.callers, INVOKES // emulator.callers)
    is_ours = emulator.key == "runtime"
    time.sleep(SETTLE_S if is_ours else PEER_SETTLE_S)
    values = {
        "served": served["p50_us"] / 1e3,
        "new_p50": new["p50_us"] / 1e3,
        "new_p99": new["p99_us"] / 1e3,
        "kept_p50": kept["p50_us"] / 1e3,
        "kept_p99": kept["p99_us"] / 1e3,
        "rate": many["invokes"] / many["wall_s"],
        "resident": emulators.resident_kb(serving.process) / 1024,
    }
    if is_ours:
        before = emulators.processor_ns(serving.process)
        time.sleep(IDLE_S)
        values["idle"] = (emulators.processor_ns(serving.process) - before) / 1e6
    return values


def judge(figures: Mapping[str, Figure]) -> list[FigureTarget]:
    """The targets with what was measured."""
    direct, served, rate, idle, resident = (
        figures[key].median("runtime") for key in ("direct", "served", "rate", "idle", "resident")
    )
    reason = next((text for figure in figures.values() for text in figure.missing.values()), "")
    added = None if direct is None or served is None else served - direct
    per_second = f"invokes per second, {CONCURRENCY} callers"
    return [
        FigureTarget(
            what="latency that the emulator adds, p50", measured=added, most=ADDED_MS, unit=" ms", reason=reason
        ),
        FigureTarget(what=per_second, measured=rate, least=PER_SECOND, reason=reason),
        FigureTarget(what="processor time while idle", measured=idle, most=0, unit=" ms", reason=reason),
        FigureTarget(what="resident memory while idle", measured=resident, most=RESIDENT_MB, unit=" MB", reason=reason),
        *_compare_latencies(figures),
        compare(figures["rate"], RIE, f"{per_second} / RIE with one", least=RIE_RATE),
        compare(figures["rate"], CARGO, f"{per_second} / cargo lambda watch", above=1.0),
    ]


def _compare_latencies(figures: Mapping[str, Figure]) -> list[FigureTarget]:
    found: list[FigureTarget] = []
    for kind, connections in (("new", "new connections"), ("kept", "one connection")):
        p50, p99 = figures[f"{kind}_p50"], figures[f"{kind}_p99"]
        found += [
            compare(p50, RIE, f"latency p50, {connections} / RIE", below=1.0),
            compare(p50, CARGO, f"latency p50, {connections} / cargo lambda watch", most=CARGO_P50),
            compare(p99, RIE, f"latency p99, {connections} / RIE", below=1.0),
            compare(p99, CARGO, f"latency p99, {connections} / cargo lambda watch", below=1.0),
        ]
    return found
