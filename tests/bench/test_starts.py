"""The first answers of a process: what is measured of them, and that a wrong one fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ci.bench import starts
from ci.bench.server import Command, Native
from ci.core.errors import CommandFailed
from ci.core.run import Runner
from tests.bench.conftest import CommandOf
from tests.fixtures import run

__all__ = ["run"]

CORE = max(os.sched_getaffinity(0))


@pytest.fixture(scope="session")
def program(native: Native, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("starts")
    return starts.compile_program(Runner(log=folder / "log"), folder)


def test_measures_the_first_and_the_warm_answers(run: Runner, program: Path, command: CommandOf) -> None:
    at_once = starts.start(run, program, CORE, command("handle"))
    assert at_once.answer_ms * 1e3 > at_once.first_us > 0
    assert at_once.warm_us == 0
    later = starts.start(run, program, CORE, command("handle"), events=5, pause_ms=30)
    assert later.answer_ms > 30
    assert 0 < later.warm_us < 30_000


def test_the_time_before_an_event_is_no_part_of_an_invocation(run: Runner, program: Path, command: CommandOf) -> None:
    plain, slow = (starts.start(run, program, CORE, command(name), events=5) for name in ("handle", "nap"))
    assert slow.warm_us > 50_000 > plain.warm_us


@pytest.mark.parametrize("symbol", ["flip", "shorten"])
def test_a_wrong_answer_fails(run: Runner, program: Path, command: CommandOf, symbol: str) -> None:
    with pytest.raises(CommandFailed, match=r"exit code 1(.|\n)*a wrong answer"):
        starts.start(run, program, CORE, command(symbol), events=2)


def test_an_early_end_fails(run: Runner, program: Path, command: CommandOf) -> None:
    for ending in (command("crash"), Command(argv=("false",))):
        with pytest.raises(CommandFailed, match=r"exit code [13](.|\n)*(ended too early|closed its connection)"):
            starts.start(run, program, CORE, ending)


def test_a_client_that_hangs_fails(run: Runner, program: Path) -> None:
    with pytest.raises(CommandFailed, match=r"exit code 4(.|\n)*timed out"):
        run.output(program, "--timeout=1", "--", "sleep", "60")
