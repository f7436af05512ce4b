"""One name means one thing: no two classes or types have the same one."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.support import ROOT

FOLDERS = ("ci", "runtime/faas_runtime", "tests")
# The tooling and the runtime never import each other, and mean the same by it.
SHARED = {"UsageError"}
NAME_OF_A_TYPE = re.compile(r"_?[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*")


def types_of(module: ast.Module) -> Iterator[tuple[str, int]]:
    """The classes of a module, wherever they are in it, and the names that its top level gives to types."""
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef):
            yield node.name, node.lineno
    for node in module.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            if isinstance(target, ast.Name) and NAME_OF_A_TYPE.fullmatch(target.id):
                yield target.id, node.lineno


def repeated(root: Path) -> dict[str, list[str]]:
    """The names that more than one type has, each with its places. What a test calls a type is for its file alone."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py")):
        module = ast.parse(path.read_bytes())
        in_tests = path.is_relative_to(root / "tests")
        classes = {node.name for node in ast.walk(module) if isinstance(node, ast.ClassDef)}
        for name, line in types_of(module):
            if not in_tests or name in classes:
                places[name].append(f"{path.relative_to(root)}:{line}")
    return {name: found for name, found in places.items() if len(found) > 1}


def test_no_two_types_have_the_same_name() -> None:
    found = repeated(ROOT)
    assert set(found) == SHARED, {name: places for name, places in found.items() if name not in SHARED}


def test_a_second_type_of_a_name_is_found(tmp_path: Path) -> None:
    for path, text in {
        "ci/one.py": "class Answer: ...\nAnswers = list[Answer]\n",
        "runtime/faas_runtime/two.py": "if True:\n    class Answer: ...\n",
        "tests/three.py": "def test() -> None:\n    class Answer: ...\n",
        "ci/four.py": "Answers = tuple[str, ...]\nLIMIT = 3\n",
        "tests/five.py": "Answers = str\nLIMIT = 4\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert repeated(tmp_path) == {
        "Answer": ["ci/one.py:1", "runtime/faas_runtime/two.py:2", "tests/three.py:2"],
        "Answers": ["ci/four.py:1", "ci/one.py:2"],
    }
