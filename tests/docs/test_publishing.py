"""docs/publishing.md lists every target in its order, every variable, and exit codes that the tooling has."""

from __future__ import annotations

import re

from ci.core import errors
from ci.manifest.reader import load
from ci.publish import run
from tests.docs.pages import DOCS
from tests.support import ROOT


def rows(name: str) -> list[str]:
    """The first cells of the tables in a section."""
    text = (DOCS / "publishing.md").read_text().partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    found = re.findall(r"(?m)^\| ([^|]+) \|", text)
    return [cell for cell in found if cell not in ("target", "variable", "code")]


def test_the_targets_stand_in_their_order() -> None:
    assert re.findall(r"`(\w+)`", " ".join(rows("What goes where"))) == list(run.ORDER)
    assert set(re.findall(r"`(\w+)`", " ".join(rows("Yank")))) == set(run.ORDER)


def test_the_variables_are_those_of_the_manifest() -> None:
    targets = load(ROOT / "release.yaml").targets
    places = (targets.github, targets.registry, targets.pypi, targets.crates, targets.tap)
    variables = [place.token for place in places if place] + [targets.repositories.folder]
    assert re.findall(r"`(\w+)`", " ".join(rows("Tokens"))) == variables


def test_the_exit_codes_are_those_of_the_tooling() -> None:
    kinds = (
        errors.UsageError,
        errors.VerificationError,
        errors.HostError,
        errors.BusyError,
        errors.UnavailableError,
        errors.PreflightError,
    )
    assert rows("Exit codes") == [str(kind.exit_code) for kind in kinds]
