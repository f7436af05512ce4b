"""A publication that is killed at a request, before it was carried out or after, and that is begun again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.core.masking import Masks
from ci.publish.rehearse.server import Reply, Request
from tests.leaks import in_files, masks_of
from tests.publish import github_program
from tests.publish.github_support import TOKEN, Rehearsal, rehearsal, target_of
from tests.support import ROOT

STEPS = ("publish", "promote", "yank")


def prepare(at: Rehearsal, step: str) -> None:
    """What must be there before a step."""
    at.publish_version("0.1.1")
    if step != "publish":
        at.target(prerelease=step == "promote").publish()
    at.server.seen.clear()


def carry_out(at: Rehearsal, step: str) -> None:
    """Carry out a step to its end, as a new run of the program."""
    github_program.carry_out(step, at.target())


def undisturbed(folder: Path, step: str) -> tuple[object, list[str]]:
    """The end state on the server of a step that nobody disturbs, and its requests."""
    with rehearsal(folder) as at:
        prepare(at, step)
        carry_out(at, step)
        return at.end_state(), list(at.server.seen)


class KilledRun:
    """The step in a process of its own, killed at a request: "before" it is carried out, "after", or "within" it.

    Within an upload means that a part of the file has arrived.
    """

    def __init__(self, at: Rehearsal, step: str, number: int, when: str) -> None:
        self._at, self._number, self._when = at, number, when
        self._started = threading.Event()
        at.server.seen.clear()
        at.server.before, at.server.after = self._before, self._after
        argv = [sys.executable, "-m", "tests.publish.github_program", step, at.server.origin, str(at.folder)]
        environment = {**os.environ, "GITHUB_TOKEN": TOKEN}
        self._process = subprocess.Popen(
            argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._started.set()
        self.output = self._process.communicate(timeout=60)[0]
        self.status = self._process.returncode
        at.server.before = at.server.after = None

    def _kill(self) -> None:
        self._started.wait()
        os.kill(self._process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)

    def _before(self, number: int, request: Request) -> Reply | None:
        if number != self._number or self._when == "after":
            return None
        if self._when == "within" and "name" in request.query:
            page = self._at.releases.pages[int(request.path.split("/")[-2])]
            half = request.body[: len(request.body) // 2]
            self._at.releases.upload(page, request.query["name"][0], "", half, whole=False)
        self._kill()
        return Reply(status=500, cut=-1)

    def _after(self, number: int, request: Request) -> None:
        del request
        if number == self._number and self._when == "after":
            self._kill()


def kill_and_begin_again(folder: Path, step: str, number: int, when: str, end: object) -> None:
    with rehearsal(folder) as at:
        prepare(at, step)
        run = KilledRun(at, step, number, when)
        assert run.status == -signal.SIGKILL, run.output
        carry_out(at, step)
        assert at.end_state() == end, f"{step}, killed {when} request {number}"
        require_no_secret(masks_of({"the token": TOKEN}), at, run.output)


def require_no_secret(masks: Masks, at: Rehearsal, *texts: str) -> None:
    assert in_files(masks, at.folder) == []
    assert not any(masks.found_in(text) for text in (*texts, *at.said))


def numbers_of(requests: list[str], wanted: Callable[[str], bool]) -> list[int]:
    return [number for number, request in enumerate(requests, 1) if wanted(request)]


@pytest.mark.parametrize(
    ("method", "which", "when"),
    [("POST", 0, "after"), ("POST", 2, "within"), ("PATCH", 0, "before"), ("PATCH", 0, "after")],
    ids=["an orphan", "a broken-off upload", "just before it is public", "just after it is public"],
)
def test_a_publication_that_is_killed_goes_on(tmp_path: Path, method: str, which: int, when: str) -> None:
    end, requests = undisturbed(tmp_path / "undisturbed", "publish")
    number = numbers_of(requests, lambda request: request.startswith(method))[which]
    kill_and_begin_again(tmp_path / "killed", "publish", number, when, end)


@pytest.mark.long
@pytest.mark.parametrize("when", ["before", "after", "within"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_every_request(tmp_path: Path, step: str, when: str) -> None:
    end, requests = undisturbed(tmp_path / "undisturbed", step)
    numbers = numbers_of(requests, lambda request: when != "within" or request.startswith("POST /uploads"))
    assert numbers or step != "publish"
    for number in numbers:
        kill_and_begin_again(tmp_path / str(number), step, number, when, end)


@pytest.mark.long
@pytest.mark.parametrize("when", ["before", "after", "within"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_again_and_again(tmp_path: Path, step: str, when: str) -> None:
    """On one server: at its first request, then at its second, and so on, until a run comes to its end."""
    end, requests = undisturbed(tmp_path / "undisturbed", step)
    with rehearsal(tmp_path / "killed") as at:
        prepare(at, step)
        for number in range(1, 3 * len(requests)):
            run = KilledRun(at, step, number, when)
            if run.status != -signal.SIGKILL:
                break
        assert run.status == 0, run.output
        assert at.end_state() == end
        require_no_secret(masks_of({"the token": TOKEN}), at, run.output)


def test_the_program_publishes_when_nobody_kills_it(tmp_path: Path) -> None:
    end, requests = undisturbed(tmp_path / "undisturbed", "publish")
    with rehearsal(tmp_path / "program") as at:
        prepare(at, "publish")
        run = KilledRun(at, "publish", 1000, "before")
        assert run.status == 0, run.output
        assert (at.end_state(), at.server.seen) == (end, requests)
        assert "is public" in run.output
        repeated = target_of(at.server.origin, at.folder, at.said.append)
        repeated.publish()
        assert at.end_state() == end
