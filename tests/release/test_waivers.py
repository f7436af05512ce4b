"""Waivers end: what the sessions say of one that is over, and of one that soon is."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ci.manifest.reader import load
from tests.support import copy_checkout, run_ci

pytestmark = pytest.mark.mutant

UNTIL = 'until: "2027-11-30"'


def change(checkout: Path, old: str, new: str) -> int:
    """Replace the first occurrence in the manifest; returns its line."""
    manifest = checkout / "release.yaml"
    before, found, after = manifest.read_text().partition(old)
    assert found
    manifest.write_text(before + new + after)
    return before.count("\n") + 1


@pytest.mark.parametrize("command", ["check", "snapshot"])
def test_a_waiver_that_is_over_is_told_with_its_line(tmp_path: Path, command: str) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    line = change(checkout, UNTIL, 'until: "2026-11-22"')
    done = run_ci(checkout, command)
    assert done.returncode == 10
    assert f"release.yaml:{line}:12: waivers[0].until: the waiver ended on 2026-11-22, before this" in done.stderr
    assert "remove the waiver, or set a later day" in done.stderr
    assert not (checkout / "dist" / "sdist").exists()


def test_a_waiver_without_an_end_is_told(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    change(checkout, f"    {UNTIL}\n", "")
    done = run_ci(checkout, "check")
    assert done.returncode == 10
    assert "waivers[0].until: is missing" in done.stderr


def test_check_warns_of_a_waiver_that_is_soon_over(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    change(checkout, UNTIL, 'until: "2026-12-01"')
    (due,) = load(checkout / "release.yaml").waivers_due
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # the linters are in the environment
    done = run_ci(checkout, "check", env={"PATH": programs})
    assert done.returncode == 0, done.stderr
    warning = f"warning: the waiver for {due} ends on 2026-12-01; look whether its reason still holds"
    assert warning in done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("warning: the waiver") == 1
