"""A publication to PyPI is killed at a request and run again: the index then has what an undisturbed run brings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ci.publish.rehearse.pypi_server import PyPiServer
from ci.publish.rehearse.server import Reply, Request, Server
from tests.leaks import Processes, masks_of
from tests.publish.pypi_fixtures import NOW, TARBALL, TOKEN, WHEEL, Site, built_files
from tests.support import ROOT

__all__ = ["built_files"]
REQUESTS = 6


class KilledProcess:
    """A process that publishes to an index. It is killed at a request, before or after that is carried out."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._process: subprocess.Popen[str] | None = None

    def start(self, folder: Path, watch: Processes | None = None) -> tuple[int, str]:
        """Run it to its end: its exit code, and all that it printed."""
        words = (sys.executable, "-m", "tests.publish.pypi_program", str(folder), self._server.origin)
        options: dict[str, Any] = {
            "cwd": ROOT,
            "env": {**os.environ, "PYPI_TOKEN": TOKEN},
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
        }
        self._process = watch.start(*words, **options) if watch else subprocess.Popen(words, text=True, **options)
        output, _ = self._process.communicate()
        return self._process.returncode, output

    def kill_before(self, at: int) -> None:
        """Kill it when a request has come; nothing is carried out."""

        def before(number: int, request: Request) -> Reply | None:
            return self._killed() if number == at else None

        self._server.before = before

    def kill_after(self, at: int) -> None:
        """Kill it when a request is carried out; there is no answer."""

        def after(number: int, request: Request) -> None:
            if number == at:
                self._killed()

        self._server.after = after

    def _killed(self) -> Reply:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        return Reply(status=200, cut=-1)


def killed_and_run_again(folder: Path, at: int, when: str) -> Site:
    pypi = PyPiServer(token=TOKEN, now=lambda: NOW)
    with Server(pypi.answer) as server:
        run = KilledProcess(server)
        (run.kill_before if when == "before" else run.kill_after)(at)
        code, output = run.start(folder)
        assert code == -signal.SIGKILL, output
        assert len(server.seen) == at
        server.before = server.after = None
        code, output = run.start(folder)
        assert code == 0, output
        return Site(pypi=pypi, server=server)


@pytest.fixture(scope="module")
def undisturbed(built_files: Path) -> Site:
    pypi = PyPiServer(token=TOKEN, now=lambda: NOW)
    with Server(pypi.answer) as server, Processes(masks_of({"PYPI_TOKEN": TOKEN})) as watch:
        code, output = KilledProcess(server).start(built_files, watch)
    assert code == 0, output
    assert len(server.seen) == REQUESTS
    assert not masks_of({"PYPI_TOKEN": TOKEN}).found_in(output)
    assert watch.found == set()
    return Site(pypi=pypi, server=server)


def check(undisturbed: Site, folder: Path, at: int, when: str) -> None:
    found = killed_and_run_again(folder, at, when)
    assert found.has == undisturbed.has
    assert found.pypi.used == undisturbed.pypi.used == {WHEEL, TARBALL}
    assert found.pypi.begun == undisturbed.pypi.begun


@pytest.mark.parametrize(("at", "when"), [(3, "before"), (3, "after"), (5, "before"), (5, "after")])
def test_killed_while_a_file_is_sent(undisturbed: Site, built_files: Path, at: int, when: str) -> None:
    check(undisturbed, built_files, at, when)


@pytest.mark.long
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(1, REQUESTS + 1))
def test_killed_at_every_request(undisturbed: Site, built_files: Path, at: int, when: str) -> None:
    check(undisturbed, built_files, at, when)
