"""The paths in CONTRIBUTING.md exist."""

from __future__ import annotations

import re

import pytest

from tests.support import ROOT

PAGE = "CONTRIBUTING.md"
FOLDERS = ("ci", "docs", "noxfile.py", "recipes", "runtime", "specs", "tests")
RUNTIME_TABLE = "### The runtime\n"


def paths(text: str) -> list[str]:
    """The paths in the text, between backquotes."""
    quoted = re.findall(r"`([\w./{}-]+)`", text)
    return [path for path in quoted if path.endswith(("/", ".py", ".txt", ".h", ".rs")) and "*" not in path]


@pytest.fixture(scope="module")
def text() -> str:
    return (ROOT / PAGE).read_text()


def test_the_paths_exist(text: str) -> None:
    found = [path for path in paths(text) if path.split("/")[0] in FOLDERS]
    assert len(found) > 20
    assert [path for path in found if not (ROOT / path).exists()] == []


def test_the_modules_of_the_runtime_exist(text: str) -> None:
    table = text.partition(RUNTIME_TABLE)[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    found = [path for row in rows for path in paths(row) if path.endswith(("/", ".py"))]
    package = ROOT / "runtime" / "faas_runtime"
    assert len(found) > 15
    assert [path for path in found if not (package / path).exists()] == []
