"""Which tests a change can affect: `nox -s tests -- --changed`, or `--changed=REVISION`.

A test file is affected by every module of the repository that it imports, directly or not, by all files of the test
folders that these modules are in, and by what the table below says that its folder reads or runs in other ways. A
changed file that nothing here knows affects all tests.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_PAGES = ("CONTRIBUTING.md", "OPTIMIZATION.md", "README.md")
_RUNTIME = ("runtime/", "recipes/c-function/", "recipes/rust-function/")
_BAKED = ("specs/", "msys2/", "formulae/", "containers/")
_TOOLING = ("ci/", "noxfile.py", "release.yaml", "CHANGELOG.md", "recipes/", "runtime/", *_BAKED)
_SNAPSHOTS = ("tests/snapshots.py", "tests/images/stand_ins.py", "tests/matrix/musl_python.py")

_ANYTHING = None

READ: dict[str, tuple[str, ...] | None] = {
    "bench": _TOOLING,
    "core": ("ci/", "runtime/"),
    "core/test_class_names.py": ("ci/", "runtime/", "tests/"),
    "docs": (*_TOOLING, "docs/", *_PAGES),
    "docs/test_contributing.py": _ANYTHING,  # whether the files are there that a page names
    "emulator": ("runtime/",),
    "glue": _RUNTIME,
    "glue/test_examples.py": (*_RUNTIME, "docs/examples/"),
    "hosts": (*_TOOLING, *_SNAPSHOTS),
    "images": (*_TOOLING, *_SNAPSHOTS),
    "manifest": ("ci/", "release.yaml", "CHANGELOG.md"),
    "matrix": _RUNTIME,
    "packages": _TOOLING,
    "proofs": _TOOLING,
    "prove": _TOOLING,
    "publish": _TOOLING,
    "recipes": _TOOLING,
    "release": (*_TOOLING, *_SNAPSHOTS, "README.md"),
    "releases": (*_TOOLING, *_SNAPSHOTS, "docs/releasing.md"),
    "runtime": _RUNTIME,
    "sboms": _TOOLING,
    "trees": ("ci/", "release.yaml", "CHANGELOG.md"),
    "verify": _TOOLING,
    "windows": _TOOLING,
}
"""What the tests of a folder, or of one file in it, read or run without an import.

A path that ends in a slash stands for all below it. A folder that is not listed here may read any file.
"""

READ_BY_ALL = ("ci/requirements/", "pyproject.toml")
"""What every test may depend on: the libraries in its environment, and the settings of pytest."""

READ_BY_FEW = ("LICENSE", ".gitignore")
"""What only those tests look at that may read any file."""


def changed_files(base: str) -> set[str]:
    """The files that differ from a revision, or that git does not track yet, by their paths in the repository.

    Without a revision: from where the branch left `main`; on `main` itself, from its last commit.
    """
    base = base or _git("merge-base", "HEAD", "main").strip()
    listed = _git("diff", "--name-only", "--no-renames", "-z", base)
    listed += _git("ls-files", "--others", "--exclude-standard", "-z")
    return set(filter(None, listed.split("\0")))


def affected(files: Iterable[str]) -> set[str] | None:
    """The test files, by their paths in the repository, that changed files can affect; None for all."""
    found: set[str] = set()
    for file in files:
        tests = {test for test in _test_files() if is_affected(test, file)}
        if _is_below(file, READ_BY_ALL) or not _is_known(file, tests):
            return None
        found |= tests
    return found


def is_affected(test: str, file: str) -> bool:
    """Whether a changed file can affect a test file."""
    read = _read_by(test)
    if read is _ANYTHING or file in imported(test):
        return True
    folder = _test_folder(file)
    if folder and not file.endswith(".py"):
        return any(_test_folder(module) == folder for module in imported(test))
    return _is_below(file, read)


def _read_by(test: str) -> tuple[str, ...] | None:
    return READ.get(test.removeprefix("tests/"), READ.get(_test_folder(test), _ANYTHING))


def _is_below(file: str, paths: Iterable[str]) -> bool:
    return any(file == path or (path.endswith("/") and file.startswith(path)) for path in paths)


def _test_folder(file: str) -> str:
    """The folder of `tests/` that a file is in, or nothing."""
    top, *folders, _ = Path(file).parts if "/" in file else ("", "")
    return folders[0] if top == "tests" and folders else ""


def _is_known(file: str, tests: set[str]) -> bool:
    """Whether the tables or an import say which tests a file affects."""
    if file in READ_BY_FEW or (_test_folder(file) and file.endswith(".py")):
        return True
    return any(_read_by(test) is not _ANYTHING or file in imported(test) for test in tests)


@cache
def _test_files() -> tuple[str, ...]:
    return tuple(path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("tests/*/test_*.py")))


@cache
def imported(test: str) -> frozenset[str]:
    """The files of all modules that a test file and the fixtures of its folder may import.

    Those that are not there, or no longer, are among them.
    """
    pending = [test, "tests/conftest.py", f"{Path(test).parent.as_posix()}/conftest.py"]
    found: set[str] = set()
    while pending:
        file = pending.pop()
        if file not in found:
            found.add(file)
            pending += _imports(file) if (ROOT / file).is_file() else ()
    return frozenset(found)


@cache
def _imports(file: str) -> tuple[str, ...]:
    """The files that a module of the repository may import, wherever in it the import is."""
    return tuple(path for name in _names(file) for path in _places(name))


def _names(file: str) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / file).read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = Path(file).parts[: -node.level] if node.level else ()
            name = ".".join([*package, *([node.module] if node.module else [])])
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


def _places(name: str) -> Iterator[str]:
    """The files of a module and of the packages that it is in."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        path = "/".join(parts[:end])
        yield f"{path}/__init__.py"
        yield f"{path}.py"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout
