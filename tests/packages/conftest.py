"""Packages that were really built, and a root to install them into."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.core.run import Runner
from tests import debian
from tests.packages.fixtures import _tools_of_the_environment, built, c_function, older, release, run

__all__ = ["_tools_of_the_environment", "built", "c_function", "older", "release", "run"]


@pytest.fixture(scope="session")
def stand_in_tarball() -> Path:
    """A stand-in for the distributions: a small Debian root with Python."""
    return debian.root("distribution", "bookworm", ("python3",), variant="essential")


@pytest.fixture
def stand_in_root(stand_in_tarball: Path, tmp_path: Path, run: Runner) -> Path:
    """A root of the test's own, without the name python3: packages bring that, see the tests."""
    root = tmp_path / "root"
    root.mkdir()
    run("tar", "-xf", stand_in_tarball, "-C", root, "--exclude=./usr/share/doc")
    (root / "usr" / "bin" / "python3").unlink()
    (root / "dev").mkdir()  # the packages' scripts write to /dev/null
    return root
