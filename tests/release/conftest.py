"""One real snapshot for all tests that only look at its results."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import copy_checkout, run_ci


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which `nox -s snapshot` has run from clean; tests that change it work on a copy."""
    checkout = copy_checkout(tmp_path_factory.mktemp("first") / "checkout")
    done = run_ci(checkout, "snapshot")
    assert done.returncode == 0, done.stderr + done.stdout
    return checkout
