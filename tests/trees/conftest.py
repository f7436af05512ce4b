"""Keys that all tests of repository trees share, and the release that they make packages of."""

from __future__ import annotations

import pytest

from tests.fixtures import release, run
from tests.keys import SigningKeys, keys
from tests.trees.packages import Key, key

__all__ = ["key", "keys", "release", "run"]


@pytest.fixture(scope="session")
def stranger(keys: SigningKeys) -> Key:
    return Key(keys=keys, fingerprint=keys.stranger, public=keys.stranger_public)
