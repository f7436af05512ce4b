"""Fixtures of several folders. A module that uses them imports them, and names them in its `__all__`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.core.run import Runner
from ci.manifest.reader import load
from ci.manifest.release import Release
from tests.support import ROOT


@pytest.fixture(scope="session")
def release() -> Release:
    """The release of the repository's own manifest."""
    return load(ROOT / "release.yaml")


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    """A runner with a log of its own."""
    return Runner(log=tmp_path / "log")
