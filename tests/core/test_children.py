"""Numbers of processes, as files and names of an earlier run have them."""

from __future__ import annotations

import os
import subprocess

import pytest

from ci.core.children import is_running


def test_this_process_and_its_parent_run() -> None:
    assert is_running(os.getpid())
    assert is_running(1)


def test_a_process_that_has_ended_does_not_run() -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    assert not is_running(ended.pid)


@pytest.mark.parametrize("number", [0, -1, 10**30])
def test_what_is_no_number_of_a_process_does_not_run(number: int) -> None:
    assert not is_running(number)
