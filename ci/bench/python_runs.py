"""Runs of this Python in a checkout, and how long they take."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ci.bench.figures import FigureTarget
from ci.bench.paths import LOG
from ci.core.run import Runner


def python(checkout: Path, *arguments: str) -> str:
    """What Python prints with some arguments; a failure raises `CommandFailed`."""
    return Runner(log=LOG.with_name("bench-tooling.log")).output(sys.executable, *arguments, cwd=checkout)


def ci(checkout: Path, *arguments: str) -> float:
    """The seconds that a command of the tooling takes."""
    return timed(checkout, "-m", "ci", *arguments)


def timed(checkout: Path, *arguments: str) -> float:
    """The seconds that Python takes with some arguments."""
    started = time.monotonic()
    python(checkout, *arguments)
    return time.monotonic() - started


def starts(checkout: Path, rounds: int, action: Callable[[], float]) -> float:
    """The seconds that an action returns, in starts of Python; the median of rounds with one of each."""
    return statistics.median(action() / timed(checkout, "-c", "pass") for _ in range(rounds))


def of_starts(what: str, measured: float, most: float) -> FigureTarget:
    """A target in starts of Python."""
    return FigureTarget(what=f"{what} / python -c pass", measured=measured, most=most)
