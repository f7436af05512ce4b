"""What a caller waits for at a cold start: from the start of a process until its first answers.

Twice, in processes of their own: with the event there at once, as when a caller causes the start, and with a pause
between the request for each event and the event, as in a process that was started in advance.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.bench.clients import MeasuredRuntime
from ci.bench.figures import Figure, FigureTarget, compare, in_short
from ci.bench.paths import CACHE
from ci.bench.server import COMPILE, SOURCES, Command
from ci.bench.setup import Setup
from ci.core.console import Console
from ci.core.errors import CommandFailed
from ci.core.run import Runner

ROUNDS = 20
PAUSE_MS = 50
EVENTS = 8  # of which the last ones are for a warm process
COLD_EVENTS = 3
BARE = "python"


@dataclass(frozen=True, kw_only=True)
class Start:
    """What was measured of one process."""

    answer_ms: float
    """From the start until the first answer."""
    first_us: float
    """From the first event until its answer."""
    warm_us: float
    """The same for the last events: their median; 0 if there was one event only."""


def figures() -> Iterable[Figure]:
    """The figures of this part."""
    yield Figure(key="answer", what="start to the first answer, with the event at once", unit="ms")
    yield Figure(key="answer first", what=f"first invocation, {PAUSE_MS} ms after /next", unit="ms")
    yield Figure(key="answer warm", what=f"warm invocation, {PAUSE_MS} ms after /next", unit="ms")
    yield Figure(key="answer more", what="first invocation over a warm one", unit="ms")


def compile_program(run: Runner, folder: Path) -> Path:
    """Compile the program that starts a client and hands it events; returns its path."""
    program = folder / "starts"
    run("gcc", *COMPILE, "-o", program, *(SOURCES / name for name in ("starts.c", "http.c", "process.c")))
    return program


def measure(setup: Setup, found: Mapping[str, Figure], console: Console) -> None:
    """Measure all clients, one after the other in each round."""
    console.say(f"{ROUNDS} first answers of each")
    program = compile_program(setup.run, CACHE)
    for number in range(-1, ROUNDS):  # the first one fills the page cache, and does not count
        values: dict[str, dict[str, float]] = {}
        values[BARE] = {"answer": _bare(setup, setup.subject)}
        for key, client in setup.clients.items():
            reason = client.reason or found["answer"].missing.get(key, "")
            if not reason:
                try:
                    values[key] = _values(setup, program, client.command)
                    continue
                except CommandFailed as error:
                    reason = in_short(error)
            for figure in figures():
                found[figure.key].fail(key, reason)
        for key, measured in values.items() if number >= 0 else ():
            for name, value in measured.items():
                found[name].add(key, value)


def targets(found: Mapping[str, Figure]) -> list[FigureTarget]:
    """What is promised."""
    answer, more = found["answer"], found["answer more"]
    return [
        compare(answer, BARE, "start to the first answer / python3 -I -S -c pass", most=1.12),
        FigureTarget(
            what=f"first invocation over a warm one, {PAUSE_MS} ms after /next",
            measured=more.median("runtime"),
            most=0.5,
            unit=" ms",
            reason=more.missing.get("runtime", ""),
        ),
    ]


def start(run: Runner, program: Path, core: int, command: Command, *, events: int = 1, pause_ms: int = 0) -> Start:
    """Start a process and give it events. A wrong answer, an error or an early end raises `CommandFailed`."""
    options = (f"--core={core}", f"--events={events}", f"--pause={pause_ms}")
    seen = json.loads(run.output(program, *options, "--", *command.argv, env=command.env))
    latencies = seen["latencies_us"]
    warm = latencies[COLD_EVENTS:]
    return Start(answer_ms=seen["answer_ms"], first_us=latencies[0], warm_us=statistics.median(warm) if warm else 0.0)


def _bare(setup: Setup, subject: MeasuredRuntime) -> float:
    return setup.server.start_and_end(subject.bare).start_wall_ms


def _values(setup: Setup, program: Path, command: Command) -> dict[str, float]:
    core = setup.server.core
    at_once = start(setup.run, program, core, command)
    later = start(setup.run, program, core, command, events=EVENTS, pause_ms=PAUSE_MS)
    return {
        "answer": at_once.answer_ms,
        "answer first": later.first_us / 1e3,
        "answer warm": later.warm_us / 1e3,
        "answer more": (later.first_us - later.warm_us) / 1e3,
    }
