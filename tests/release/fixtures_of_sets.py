"""A release that is verified as its users do it, and the keys: made once for all tests of a run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.pipeline.jobs import Project
from tests.cache import once_per_run
from tests.keys import SigningKeys, signing_keys
from tests.packages.fixtures import _tools_of_the_environment, built, release
from tests.release import sets
from tests.release.sets import OwnerKeys

__all__ = ["_tools_of_the_environment", "built", "release"]


@pytest.fixture(scope="session")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigningKeys]:
    """A folder of GnuPG with throw-away keys."""
    with signing_keys(tmp_path_factory.mktemp("keys") / "k") as found:
        yield found


@pytest.fixture(scope="session")
def keys(signing: SigningKeys) -> OwnerKeys:
    """The keys of the release."""
    return sets.keys_of(signing)


@pytest.fixture(scope="session")
def stranger(signing: SigningKeys) -> OwnerKeys:
    """Keys of somebody else."""
    return sets.keys_of_the_stranger(signing)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, built: Project, keys: OwnerKeys) -> Path:
    """A finished set, for all tests to read."""
    return once_per_run(tmp_path_factory, "set", lambda folder: sets.make_set(folder, built, keys))


@pytest.fixture
def release_set(finished: Path, tmp_path: Path) -> Path:
    """A copy of the set, for a test to change."""
    return Path(shutil.copytree(finished, tmp_path / "release"))
