"""Tables of faults that each take a build: `tests` runs the first of them, `nox -s proofs` all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

Case = tuple[Any, ...]


def first_of(cases: Sequence[Case], count: int = 2) -> list[Any]:
    """The cases for `parametrize`; those behind the first ones are marked as long."""
    return [*cases[:count], *(pytest.param(*case, marks=pytest.mark.long) for case in cases[count:])]
