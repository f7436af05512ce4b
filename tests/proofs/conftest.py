"""Faults planted one at a time in copies of artefacts, each of which must turn its gate red: `nox -s proofs`."""

from __future__ import annotations

from tests.packages.fixtures import _tools_of_the_environment, built, release

__all__ = ["_tools_of_the_environment", "built", "release"]
