"""What every measurement of the runtime starts from: the compiled server, the interpreter, a core, one log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ci.bench import contenders, machine
from ci.bench.contenders import Contender, Subject
from ci.bench.server import Command, Load, Native, Run, Server, choose_core, compile_native
from ci.errors import CommandFailed
from ci.files import write_atomically
from ci.run import Children, Runner

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "dist" / "bench"
CACHE = ROOT / "dist" / ".cache" / "bench"
LOG = ROOT / "dist" / "logs" / "bench.log"


class NotMeasured(Exception):
    """Why one process could not be measured."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Everything that is needed to measure the contenders."""

    run: Runner
    native: Native
    subject: Subject
    contenders: dict[str, Contender]
    server: Server

    def measure(self, command: Command, load: Load) -> Run:
        """Measure one process; a failure, which the log tells in full, raises `NotMeasured`."""
        try:
            return self.server.measure(command, load)
        except CommandFailed as error:
            raise NotMeasured(_in_short(error)) from error

    def facts(self) -> dict[str, object]:
        """What the figures depend on, for the files that hold them."""
        versions = {contender.title: contender.version for contender in self.contenders.values()}
        return {**machine.facts(self.run, self.subject), "versions": versions}


@contextmanager
def open_workshop(subject: Subject, *, only_own: bool = False) -> Iterator[Workshop]:
    """Prepare all that, or of the contenders only what is ours; whatever still runs at the end is ended."""
    LOG.unlink(missing_ok=True)
    children = Children()
    run = Runner(log=LOG, children=children)
    try:
        native = compile_native(run, CACHE)
        everybody = contenders.prepare(run, native, subject, CACHE, only_own=only_own)
        server = Server(run=run, program=native.server, core=choose_core())
        yield Workshop(run=run, native=native, subject=subject, contenders=everybody, server=server)
    finally:
        children.end_all()


def save(name: str, result: dict[str, object]) -> None:
    """Write a part's result to `dist/bench/NAME.json`."""
    write_atomically(RESULTS / f"{name}.json", json.dumps(result, indent=2).encode() + b"\n")


def _in_short(error: CommandFailed) -> str:
    """What the program printed last, without the command and this machine's paths."""
    lines = [line.removeprefix("  | ") for line in str(error).splitlines() if line.startswith("  | ")]
    return "; ".join(lines[-2:] or str(error).splitlines()[:1]).replace(f"{ROOT}/", "")
