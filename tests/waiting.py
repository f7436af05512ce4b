"""Waiting for a state, with a deadline; and the pace of what a test simulates."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

TIMEOUT_S = 60  # ends a test that hangs; no test expects something within a shorter time
_POLL_S = 0.01


def wait_until(
    condition: Callable[[], object], otherwise: str = "the condition is still false", seconds: float = TIMEOUT_S
) -> None:
    """Wait until a condition is true. `otherwise` says what is wrong if it is not within the seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"after {seconds:g} s: {otherwise}")
        time.sleep(_POLL_S)


def wait_until_steady(value: Callable[[], object], seconds: float, otherwise: str) -> None:
    """Wait until the value has not changed for so long."""
    deadline = time.monotonic() + TIMEOUT_S
    last, since = value(), time.monotonic()
    while time.monotonic() - since < seconds:
        if time.monotonic() > deadline:
            pytest.fail(otherwise)
        time.sleep(seconds / 10)
        if (current := value()) != last:
            last, since = current, time.monotonic()


def pause(seconds: float) -> None:
    """The pace of what a test simulates, such as a slow compiler. To wait for something, use `wait_until`."""
    time.sleep(seconds)
