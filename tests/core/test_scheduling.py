"""What is expensive to build is built by one of the processes that run the tests."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.scheduling import group_of
from tests.support import ROOT


def asks_for_the_snapshot(path: Path) -> bool:
    tree = ast.parse(path.read_text())
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return any(argument.arg == "snapshot" for function in functions for argument in function.args.args)


def test_every_test_that_needs_the_snapshot_is_in_its_group() -> None:
    """Another process would build one more, which takes minutes of two processors."""
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if asks_for_the_snapshot(path)]
    names = [path.relative_to(ROOT).as_posix() for path in files]
    assert "tests/release/test_snapshot.py" in names
    alone = "tests/hosts/"  # the session debian13, in one process
    assert [name for name in names if group_of(name) != "snapshot" and not name.startswith(alone)] == []
