"""Few open files are allowed: the emulator answers what it can, says why, and ends when it is asked to."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from faas_runtime.emulator.router import descriptor_budget, share_out

from tests.emulator.support import Emulator
from tests.support import not_there
from tests.waiting import wait_until

Serve = Callable[..., Emulator]
END_S = 15.0
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prlimit(1)")


def limited(emulated: Path, files: int, handler: str = "nap", *options: str) -> Emulator:
    """An emulator with this limit of open files."""
    prlimit = shutil.which("prlimit") or not_there("prlimit")
    return Emulator(f"{emulated}.{handler}", *options, before=(prlimit, f"--nofile={files}:{files}"))


def call(emulator: Emulator) -> int:
    """The status of a call, 0 if the connection broke."""
    try:
        return emulator.invoke(b"300").status
    except OSError:
        return 0


@pytest.mark.parametrize("files", [24, 28, 32, 36, 40, 44, 50, 64])
def test_it_answers_and_ends(emulated: Path, files: int) -> None:
    with limited(emulated, files) as emulator:
        with ThreadPoolExecutor(10) as executor:
            statuses = list(executor.map(lambda _: call(emulator), range(10)))
        assert set(statuses) <= ({200} if files >= 40 else {0, 200, 503})
        assert "Traceback" not in emulator.err
        assert "internal error of the emulator" not in emulator.err
        started = time.monotonic()
        assert emulator.end() == 0
        assert time.monotonic() - started < END_S


def test_it_serves_again_when_there_are_descriptors(emulated: Path) -> None:
    with limited(emulated, 40) as emulator:
        with ThreadPoolExecutor(10) as executor:
            list(executor.map(lambda _: call(emulator), range(10)))
        wait_until(lambda: call(emulator) == 200, "it does not serve any more")
        assert emulator.end() == 0


def test_what_is_possible_is_reported(emulated: Path) -> None:
    with limited(emulated, 40) as emulator:
        assert emulator.invoke(b"0").status == 200
        assert "of 10 invocations, and 15 connections, at once are possible; for more, raise the limit" in emulator.err
        assert emulator.end() == 0
    with limited(emulated, 1000) as emulator:
        assert "possible" not in emulator.err


def test_copies_of_the_library_need_descriptors_too(emulated: Path) -> None:
    with limited(emulated, 32, "nap", "--watch") as emulator:
        with ThreadPoolExecutor(10) as executor:
            statuses = list(executor.map(lambda _: call(emulator), range(10)))
        assert set(statuses) <= {0, 200, 503}
        assert "Traceback" not in emulator.err
        assert emulator.end() == 0


@pytest.mark.parametrize(
    ("limit", "wanted", "budget"),
    [
        (65536, 10, (10, 0)),
        (1024, 10, (10, 0)),
        (400, 50, (50, 0)),
        (1024, 1000, (198, 19)),
        (100, 10, (10, 0)),
        (64, 10, (6, 19)),
        (40, 10, (2, 15)),
        (24, 10, (1, 4)),
        (8, 10, (1, 2)),
    ],
)
def test_how_the_open_files_are_divided(limit: int, wanted: int, budget: tuple[int, int]) -> None:
    assert descriptor_budget(limit, wanted) == budget


@pytest.mark.parametrize(
    ("allowed", "wanted", "shares"),
    [(10, [4, 4], [4, 4]), (4, [6, 2], [3, 1]), (3, [4, 4], [1, 1]), (1, [5, 5], [1, 1]), (7, [20], [7])],
)
def test_functions_share_what_is_allowed(allowed: int, wanted: list[int], shares: list[int]) -> None:
    assert share_out(allowed, wanted) == shares
