"""`--changed` of the tests: what a change can affect runs, and whatever nothing is known of lets all run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tests import changed, scheduling
from tests.changed import ROOT, affected
from tests.scheduling import GROUPS, group_of

ANYTHING = "tests/docs/test_contributing.py"
"""A test that any file may affect."""
CLASS_NAMES = "tests/core/test_class_names.py"
"""A test that any module may affect."""


def folders(*files: str) -> set[str]:
    """The test folders that have tests which a change of some files can affect."""
    found = affected(files)
    assert found is not None
    return {Path(file).parts[1] for file in found}


def test_every_folder_that_is_listed_is_there() -> None:
    for name in changed.READ:
        assert list((ROOT / "tests" / name).glob("test_*.py")) or (ROOT / "tests" / name).is_file()


def test_a_folder_that_is_not_listed_may_read_any_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "bench" not in folders("docs/abi.md")
    monkeypatch.delitem(changed.READ, "bench")
    assert "bench" in folders("docs/abi.md")


def test_every_path_that_a_folder_reads_is_there() -> None:
    paths = {path for paths in changed.READ.values() for path in paths or ()}
    for path in (*paths, *changed.READ_BY_ALL, *changed.READ_BY_FEW):
        assert (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file(), path


@pytest.mark.parametrize(
    "file", ["pyproject.toml", "ci/requirements/tests.txt", "unheard-of.txt", "unheard-of/file.py"]
)
def test_what_may_concern_everything_lets_all_run(file: str) -> None:
    assert affected([file]) is None
    assert affected(["docs/abi.md", file]) is None


def test_a_test_file_affects_itself() -> None:
    assert affected(["tests/bench/test_report.py"]) == {"tests/bench/test_report.py", ANYTHING, CLASS_NAMES}


def test_a_page_affects_the_tests_of_pages() -> None:
    assert folders("docs/abi.md") == {"docs"}
    assert folders("CONTRIBUTING.md") == {"docs"}
    assert affected(["LICENSE"]) == {ANYTHING}


def test_a_module_affects_what_imports_it_directly_or_not() -> None:
    assert {"glue", "docs", "images", "matrix", "recipes"} <= folders("tests/glue/support.py")
    assert "manifest" not in folders("tests/glue/support.py")
    beside = affected(["tests/glue/functions/moods.rs"])
    assert beside is not None
    assert affected(["tests/glue/support.py"]) == {*beside, CLASS_NAMES}


def test_a_module_that_is_no_longer_there_affects_what_still_imports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    places = changed._places("ci.gone")
    monkeypatch.setattr(changed, "_imports", lambda file: tuple(places) if file == "tests/bench/test_report.py" else ())
    changed.imported.cache_clear()
    try:
        assert changed.is_affected("tests/bench/test_report.py", "ci/gone.py")
    finally:
        changed.imported.cache_clear()


def test_what_the_runtime_ships_affects_all_that_runs_it() -> None:
    assert {"docs", "emulator", "images", "matrix", "packages", "runtime"} <= folders(
        "runtime/faas_runtime/__init__.py"
    )


def test_files_that_differ_are_found_with_those_that_git_does_not_track(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changed, "ROOT", tmp_path)

    def git(*words: str) -> None:
        name = ("-c", "user.name=tests", "-c", "user.email=tests@localhost", "-c", "init.defaultBranch=main")
        subprocess.run(["git", *name, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    for file in ("kept", "edited", "removed", "moved"):
        (tmp_path / file).write_text(file)
    git("add", ".")
    git("commit", "-m", "first")
    git("checkout", "-b", "branch")
    (tmp_path / "edited").write_text("otherwise")
    git("commit", "-a", "-m", "second")
    git("mv", "moved", "elsewhere")
    (tmp_path / "removed").unlink()
    (tmp_path / "new").touch()
    assert changed.changed_files("") == {"edited", "removed", "moved", "elsewhere", "new"}
    assert changed.changed_files("branch") == {"removed", "moved", "elsewhere", "new"}


def test_pytest_collects_what_is_affected_and_nothing_is_no_failure(tmp_path: Path) -> None:
    def collected(base: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:xdist",
            "--collect-only",
            "-q",
            f"--changed={base}",
            *words,
        ]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    for name in ("pyproject.toml", ".gitignore"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    for folder in ("bench", "docs"):
        (tmp_path / "tests" / folder).mkdir(parents=True)
        (tmp_path / "tests" / folder / "test_it.py").write_text("def test_it() -> None: ...\n")
    (tmp_path / "docs").mkdir()
    for name in ("conftest.py", "changed.py", "scheduling.py"):
        (tmp_path / "tests" / name).write_text((ROOT / "tests" / name).read_text())
    (tmp_path / "tests" / "snapshots.py").touch()
    git = ("git", "-c", "user.name=tests", "-c", "user.email=tests@localhost")
    for command in (("init",), ("add", "."), ("commit", "-m", "all")):
        subprocess.run([*git, *command], cwd=tmp_path, check=True, capture_output=True)
    nothing = collected("HEAD")
    assert (nothing.returncode, "no tests collected" in nothing.stdout) == (0, True), nothing.stdout + nothing.stderr
    (tmp_path / "docs" / "page.md").touch()
    page = collected("HEAD")
    assert (page.returncode, page.stdout.count("::test_it")) == (0, 1)
    assert "tests/docs/test_it.py" in page.stdout
    (tmp_path / "other").touch()
    assert collected("HEAD").stdout.count("::test_it") == 2


def test_groups_come_first_in_their_order() -> None:
    files = ["tests/bench/test_report.py", *(path for members in reversed(GROUPS.values()) for path in members)]
    items = [cast("pytest.Item", SimpleNamespace(nodeid=f"{file}::test_it")) for file in files]
    scheduling.sort(items)
    groups = [group_of(item.nodeid.partition("::")[0]) for item in items]
    assert list(dict.fromkeys(groups)) == [*GROUPS, files[0]]


def test_groups_are_of_folders_and_files_that_are_there() -> None:
    for name, members in GROUPS.items():
        for member in members:
            assert (ROOT / member).exists()
            assert group_of(f"{member}/test_x.py" if (ROOT / member).is_dir() else member) == name
    assert group_of("tests/bench/test_report.py") == "tests/bench/test_report.py"
