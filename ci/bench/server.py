"""The compiled Runtime API server of the bench: built from `native/`, run once for each figure.

The server starts what it measures itself, on the one core that both share, and prints what it saw as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ci.core.errors import HostError
from ci.core.program_environment import Argument
from ci.core.run import Runner

SOURCES = Path(__file__).resolve().parent / "native"
INCLUDE = SOURCES.parents[2] / "runtime" / "include"
COMPILE = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{INCLUDE}")


@dataclass(frozen=True, kw_only=True)
class Native:
    """What was compiled: the server, the bare client, and the folder of the function's library."""

    server: Path
    client: Path
    task_root: Path


@dataclass(frozen=True, kw_only=True)
class Load:
    """The events that a process gets: all of one size, after `warmup` small ones that do not count."""

    invokes: int
    warmup: int = 0
    size: int = 100
    pollers: int = 1
    samples: int = 0
    pause: int = 0
    """Milliseconds between the request for an event and the event."""
    http: int = 0
    """Whether the events are HTTP requests, 1 or 0. Their size is that of the body."""
    timeout: int = 120

    def options(self) -> tuple[str, ...]:
        """The load as the server's options."""
        return tuple(word for name, value in vars(self).items() for word in (f"--{name}", str(value)))


@dataclass(frozen=True, kw_only=True)
class Command:
    """How a process is started. It gets the base environment and these variables, and no others."""

    argv: tuple[Argument, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MeasuredRun:
    """What the server measured of one process. Without invokes, only its start."""

    start_wall_ms: float
    start_processor_ms: float
    processor_us: float = 0.0
    p50_us: float = 0.0
    billed_us: float = 0.0
    """The median of the times from an event until the next one is asked for."""
    invokes_per_s: float = 0.0
    idle_kb: int = 0
    peak_kb: int = 0
    most_in_flight: int = 0
    samples: Sequence[tuple[int, int, int]] = ()
    """For each sample: answers so far, resident memory in KiB, open descriptors."""


def compile_native(run: Runner, folder: Path) -> Native:
    """Compile the server, the client and the function."""
    task_root = folder / "task"
    task_root.mkdir(parents=True, exist_ok=True)
    native = Native(server=folder / "server", client=folder / "client", task_root=task_root)
    server = [SOURCES / name for name in ("server.c", "events.c", "http.c", "process.c")]
    run("gcc", *COMPILE, "-pthread", "-o", native.server, *server)
    run("gcc", *COMPILE, "-o", native.client, SOURCES / "client.c")
    library = task_root / "libecho.so"
    run("gcc", *COMPILE, "-shared", "-fPIC", "-fvisibility=hidden", "-o", library, SOURCES / "echo.c")
    return native


def compile_callers(run: Runner, folder: Path) -> Path:
    """Compile the program that calls an invoke API; returns its path."""
    program = folder / "callers"
    run("gcc", *COMPILE, "-pthread", "-o", program, *(SOURCES / name for name in ("callers.c", "http.c", "process.c")))
    return program


@dataclass(frozen=True, kw_only=True)
class MeasuringServer:
    """Runs the server on one core."""

    run: Runner
    program: Path
    core: int

    def measure(self, command: Command, load: Load) -> MeasuredRun:
        """Start a process and give it the load. A wrong answer, an error or an early end raises `CommandFailed`."""
        return _read(self._output(command, load.options()))

    def start_and_end(self, command: Command) -> MeasuredRun:
        """Measure a program that starts, does nothing and ends."""
        return _read(self._output(command, ("--until-exit",)))

    def _output(self, command: Command, options: Sequence[str]) -> dict[str, Any]:
        argv = (self.program, "--core", str(self.core), *options, "--", *command.argv)
        answer: dict[str, Any] = json.loads(self.run.output(*argv, env=command.env))
        return answer


def _read(answer: Mapping[str, Any]) -> MeasuredRun:
    wall, processor = answer["start_wall_ms"], answer["start_processor_ms"]
    if not answer.get("invokes"):
        return MeasuredRun(start_wall_ms=wall, start_processor_ms=processor)
    return MeasuredRun(
        start_wall_ms=wall,
        start_processor_ms=processor,
        processor_us=answer["processor_us"],
        p50_us=answer["latency_us"]["p50"],
        billed_us=answer["billed_us"]["p50"],
        invokes_per_s=answer["invokes"] / answer["wall_s"],
        idle_kb=answer["resident_kb"]["idle"],
        peak_kb=answer["resident_kb"]["peak"],
        most_in_flight=answer["most_in_flight"],
        samples=[(number, resident, descriptors) for number, resident, descriptors in answer["samples"]],
    )


def choose_core() -> int:
    """The core to measure on. If there is another one, this process no longer runs on the chosen one."""
    if not sys.platform.startswith("linux"):
        raise HostError("the bench reads processor times and memory from Linux", hint="run it on Linux")
    cores = os.sched_getaffinity(0)
    chosen = max(cores)
    if len(cores) > 1:
        os.sched_setaffinity(0, cores - {chosen})
    return chosen
