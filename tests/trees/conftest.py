"""Keys that all tests of repository trees share, and the release that they make packages of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.core.run import Runner
from ci.manifest.reader import load
from ci.manifest.release import Release
from tests.keys import SigningKeys, signing_keys
from tests.support import ROOT
from tests.trees.packages import Key


@pytest.fixture(scope="session")
def release() -> Release:
    return load(ROOT / "release.yaml")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigningKeys]:
    with signing_keys(tmp_path_factory.mktemp("keys") / "keys") as found:
        yield found


@pytest.fixture(scope="session")
def key(keys: SigningKeys) -> Key:
    return Key(keys=keys, fingerprint=keys.fingerprint, public=keys.public)


@pytest.fixture(scope="session")
def stranger(keys: SigningKeys) -> Key:
    return Key(keys=keys, fingerprint=keys.stranger, public=keys.stranger_public)


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    return Runner(log=tmp_path / "log")
