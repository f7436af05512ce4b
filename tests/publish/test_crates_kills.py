"""A publication to a registry of cargo is killed at a request and run again: the registry then has the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ci.publish.rehearse.crates_server import CratesServer
from ci.publish.rehearse.server import Reply, Request, Server
from tests.leaks import Processes, masks_of
from tests.publish.crates_fixtures import NAME, TOKEN, VERSION, ServedRegistry, built_crate
from tests.support import ROOT

__all__ = ["built_crate"]
REQUESTS = 3  # of a publication as of a yank


class CratesRun:
    """A process that publishes to a registry, or yanks. It is killed at a request, before or after that is done."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._process: subprocess.Popen[str] | None = None

    def start(self, action: str, folder: Path, watch: Processes | None = None) -> tuple[int, str]:
        """Run it to its end: its exit code, and all that it printed."""
        words = (sys.executable, "-m", "tests.publish.crates_program", action, str(folder), self._server.origin)
        options: dict[str, Any] = {
            "cwd": ROOT,
            "env": {**os.environ, "CRATES_TOKEN": TOKEN},
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
        }
        self._process = watch.start(*words, **options) if watch else subprocess.Popen(words, text=True, **options)
        output, _ = self._process.communicate()
        return self._process.returncode, output

    def kill(self, at: int, when: str) -> None:
        """Kill it at a request: "before" anything is carried out, or "after" that, without an answer."""

        def before(number: int, request: Request) -> Reply | None:
            return self._killed() if number == at else None

        def after(number: int, request: Request) -> None:
            if number == at:
                self._killed()

        if when == "before":
            self._server.before = before
        else:
            self._server.after = after

    def _killed(self) -> Reply:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        return Reply(status=200, cut=-1)


@contextmanager
def running() -> Iterator[ServedRegistry]:
    crates = CratesServer(token=TOKEN)
    with Server(crates.answer) as server:
        crates.origin = server.origin
        yield ServedRegistry(crates=crates, server=server)


@pytest.fixture(scope="module")
def undisturbed(built_crate: Path) -> ServedRegistry:
    with running() as found, Processes(masks_of({"CRATES_TOKEN": TOKEN})) as watch:
        code, output = CratesRun(found.server).start("publish", built_crate, watch)
    assert code == 0, output
    assert len(found.server.seen) == REQUESTS
    assert not masks_of({"CRATES_TOKEN": TOKEN}).found_in(output)
    assert watch.found == set()
    return found


def killed_and_run_again(action: str, folder: Path, at: int, when: str) -> ServedRegistry:
    with running() as found:
        run = CratesRun(found.server)
        if action == "yank":
            found.target(folder).publish()
        begun = len(found.server.seen)
        run.kill(begun + at, when)
        code, output = run.start(action, folder)
        assert code == -signal.SIGKILL, output
        assert len(found.server.seen) == begun + at
        found.server.before = found.server.after = None
        code, output = run.start(action, folder)
        assert code == 0, output
        return found


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(1, REQUESTS + 1))
def test_killed_at_every_request(undisturbed: ServedRegistry, built_crate: Path, at: int, when: str) -> None:
    found = killed_and_run_again("publish", built_crate, at, when)
    assert found.has == undisturbed.has
    assert found.crates.changes == undisturbed.crates.changes == 1


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(1, REQUESTS + 1))
def test_a_yank_that_is_killed_at_every_request(built_crate: Path, at: int, when: str) -> None:
    found = killed_and_run_again("yank", built_crate, at, when)
    assert found.crates.crates[NAME, VERSION].entry["yanked"] is True
    assert found.crates.changes == 2
