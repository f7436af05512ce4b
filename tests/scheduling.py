"""How the tests are shared out between the processes that run them.

Tests of one group run in one process, one after the other: they share what is expensive to build. The groups that take
longest come first, so that no process is left with one of them in the end. Any other file is a group of its own.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

GROUPS: dict[str, tuple[str, ...]] = {
    "reproduce": ("tests/proofs/test_reproduce_mutants.py",),
    "killed": ("tests/proofs/test_killed_gates.py",),
    "snapshot": ("tests/images", "tests/release/test_snapshot.py", "tests/docs/test_tutorial.py"),
    "packages": ("tests/packages", "tests/verify"),
    "docs": ("tests/docs",),
    "matrix": ("tests/matrix",),
}
"""Folders and files that are one group, those first that take longest."""


def group_of(file: str) -> str:
    """The group of a test file."""
    path = PurePosixPath(file)
    for name, members in GROUPS.items():
        if any(path.is_relative_to(member) for member in members):
            return name
    return file


def sort(items: list[pytest.Item]) -> None:
    """Put the tests of the groups first, in the order of the groups."""
    order = {name: number for number, name in enumerate(GROUPS)}
    items.sort(key=lambda item: order.get(group_of(item.nodeid.partition("::")[0]), len(order)))


class GroupScheduling(LoadScopeScheduling):
    """Hands out the groups in the order of the tests, see `sort`."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # it would be by the number of tests

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0])
