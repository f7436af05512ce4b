"""What every measurement of the runtime needs: the compiled server, the clients, one core, one log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ci.bench import clients, machine
from ci.bench.clients import MeasuredClient, MeasuredRuntime
from ci.bench.figures import Figure, in_short
from ci.bench.paths import CACHE, LOG, RESULTS
from ci.bench.server import Command, Load, MeasuredRun, MeasuringServer, Native, choose_core, compile_native
from ci.core.children import Children
from ci.core.errors import CommandFailed
from ci.core.files import write_atomically
from ci.core.run import Runner


class NotMeasured(Exception):
    """Why one process could not be measured."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Everything that is needed to measure the clients, which are listed by their keys."""

    run: Runner
    native: Native
    subject: MeasuredRuntime
    clients: dict[str, MeasuredClient]
    server: MeasuringServer

    def measure(self, command: Command, load: Load) -> MeasuredRun:
        """Measure one process; a failure raises `NotMeasured` in short, the log has all of it."""
        try:
            return self.server.measure(command, load)
        except CommandFailed as error:
            raise NotMeasured(in_short(error)) from error

    def measure_all(self, load: Load, figures: Sequence[Figure]) -> dict[str, MeasuredRun]:
        """The same load for all clients, by their keys; a client that fails is left out of it from then on."""
        runs = {}
        for key, client in self.clients.items():
            reason = client.reason or figures[0].missing.get(key, "")
            if not reason:
                try:
                    runs[key] = self.measure(client.command, load)
                    continue
                except NotMeasured as error:
                    reason = str(error)
            for figure in figures:
                figure.fail(key, reason)
        return runs

    def facts(self) -> dict[str, object]:
        """What the figures depend on: the machine, the kernel, the interpreter, the versions."""
        versions = {client.title: client.version for client in self.clients.values()}
        return {**machine.facts(self.run, self.subject), "versions": versions}


@contextmanager
def open_setup(subject: MeasuredRuntime, *, only_own: bool = False) -> Iterator[Setup]:
    """Prepare everything, or with `only_own` our own clients alone; ends what still runs after the block."""
    LOG.unlink(missing_ok=True)
    children = Children()
    run = Runner(log=LOG, children=children)
    try:
        native = compile_native(run, CACHE)
        prepared = clients.prepare(run, native, subject, CACHE, only_own=only_own)
        server = MeasuringServer(run=run, program=native.server, core=choose_core())
        yield Setup(run=run, native=native, subject=subject, clients=prepared, server=server)
    finally:
        children.end_all()


def save(name: str, result: dict[str, object]) -> None:
    """Write a part's result to `dist/bench/NAME.json`."""
    write_atomically(RESULTS / f"{name}.json", json.dumps(result, indent=2).encode() + b"\n")
