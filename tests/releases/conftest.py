"""Whole releases: cut and signed, rehearsed, replaced by the mirror of a distribution, installed in roots."""

from __future__ import annotations

from tests.packages.fixtures import _tools_of_the_environment, built, release

__all__ = ["_tools_of_the_environment", "built", "release"]
