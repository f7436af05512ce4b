"""What was varied is what the two builds have seen, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ci.prove import variations
from tests.support import ROOT

PLAIN = {"path": "/a", "clock": 1, "umask": "0022", "user": 0, "host name": "here", "locale": "C aBcD"}


def seen(**changed: object) -> dict[str, variations.VariationOutcome]:
    names = {name.replace("_", " "): value for name, value in changed.items()}
    return {one.variation.name: one for one in variations.judge(PLAIN, {**PLAIN, **names})}


def test_a_value_that_both_have_seen_is_not_varied() -> None:
    assert "had no effect" in seen(path="/a")["path"].why_not
    assert not seen(path="/b")["path"].why_not


def test_the_clock_counts_only_if_it_was_shifted() -> None:
    """Some seconds always pass between two builds."""
    assert seen(clock=9)["clock"].why_not
    shifted = seen(clock=9 + variations.CLOCK_SHIFT)["clock"]
    assert not shifted.why_not or "not found" in shifted.why_not or "root" in shifted.why_not


def test_the_name_of_the_machine_is_not_recorded() -> None:
    """The verdict is part of a release, and the same release on another machine has the same bytes."""
    found = seen(host_name="there")["host name"]
    assert "here" not in found.plain
    assert "here" not in seen(host_name="here")["host name"].why_not


def test_every_variation_is_observed(tmp_path: Path) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "ci.prove.observe", str(tmp_path / "order")],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert set(json.loads(printed)) == {one.name for one in variations.VARIATIONS}
