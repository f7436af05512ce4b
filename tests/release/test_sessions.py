"""The sessions of the noxfile: their environments, and what they start."""

from __future__ import annotations

import ast
import logging
import os
import re
import shutil
import sys
import threading
from pathlib import Path

import pytest
from nox.virtualenv import uv_version

import noxfile
from noxfile import alone
from tests.support import ROOT
from tests.waiting import wait_until


class StandInSession:
    """A stand-in for nox's session, which notes what it is asked to run."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.posargs: list[str] = []

    def run(self, *command: str, external: bool) -> None:
        """Make the environment, in which nothing but a Python is looked for."""
        self.made.append(command[-1])
        programs = Path(command[-2], "bin")
        programs.mkdir(parents=True, exist_ok=True)
        (programs / "python").unlink(missing_ok=True)
        (programs / "python").symlink_to(sys.executable)


def test_an_environment_whose_python_is_gone_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noxfile, "ROOT", tmp_path)
    session = StandInSession()
    for rounds in (1, 1, 2):
        if rounds == 2:
            python = tmp_path / ".nox" / "tests" / "bin" / "python"
            python.unlink()
            python.symlink_to("/nowhere/python3")
        noxfile.environment(session, "tests")  # type: ignore[arg-type]
        assert len(session.made) == rounds


def test_lint_starts_no_script_that_names_another_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script of pip begins with the path of its Python, which is another one after the checkout was moved."""
    started: list[str] = []
    monkeypatch.setattr(noxfile, "environment", lambda *_: Path(sys.prefix) / "bin")
    monkeypatch.setattr(
        noxfile, "run", lambda programs, *command, **_: started.append(shutil.which(command[0], path=programs))
    )
    noxfile.lint(StandInSession())
    assert len(started) == 4
    for program in started:
        assert Path(program).read_bytes()[:2] != b"#!", program


def test_fuzz_leaves_nothing_in_the_environment_of_later_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    factors: list[str] = []
    monkeypatch.setattr(noxfile, "environment", lambda *_: Path("bin"))
    monkeypatch.setattr(noxfile, "run", lambda *_, **variables: factors.append(variables["FAAS_FUZZ_FACTOR"]))
    before = dict(os.environ)
    noxfile.fuzz(StandInSession())
    assert set(factors) == {"50"}
    assert dict(os.environ) == before


def waits_for(lock: Path) -> bool:
    """Whether somebody waits for the lock on a file: proc_locks(5)."""
    inode = f":{lock.stat().st_ino}"
    lines = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    return any("->" in words and any(word.endswith(inode) for word in words) for words in lines)


def test_one_session_at_a_time_makes_an_environment(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with alone(tmp_path / ".nox" / "lock"):
            order.append("second")

    with alone(tmp_path / ".nox" / "lock"):
        thread = threading.Thread(target=second)
        thread.start()
        wait_until(lambda: order or waits_for(tmp_path / ".nox" / "lock"), "the second one does not wait")
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def is_long(test_file: Path) -> bool:
    """Whether a file has tests that are marked as long, by itself or by `first_of`."""
    nodes = list(ast.walk(ast.parse(test_file.read_bytes())))
    if any(isinstance(node, ast.Name) and node.id == "first_of" for node in nodes):
        return True
    attributes = (node for node in nodes if isinstance(node, ast.Attribute))
    return any(node.attr == "long" and ast.unparse(node.value).endswith("mark") for node in attributes)


def test_every_long_test_is_run_by_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    places: list[Path] = []

    def note(_: Path, *command: str, **__: str) -> None:
        if "-m" in command[3:] and "-k" not in command:
            assert command[command.index("-m", 3) + 1] in {"long", "long or mutant", "long or not long"}
            places.extend(ROOT / word for word in command if word.startswith("tests/"))

    monkeypatch.setattr(noxfile, "environment", lambda *_: Path("bin"))
    monkeypatch.setattr(noxfile, "run", note)
    for session in (noxfile.fuzz, noxfile.windows, noxfile.debian13, noxfile.proofs, noxfile.slow):
        session(StandInSession())
    long_files = [path for path in (ROOT / "tests").rglob("test_*.py") if is_long(path)]
    assert len(long_files) > 10
    assert [path for path in long_files if not any(path.is_relative_to(place) for place in places)] == []


def test_nox_does_not_say_that_it_looks_for_uv(caplog: pytest.LogCaptureFixture) -> None:
    """No session uses it."""
    with caplog.at_level(logging.DEBUG, logger="nox"):
        uv_version("/nowhere/uv")
        logging.getLogger("nox").info("what else it says")
    assert [record.getMessage() for record in caplog.records] == ["what else it says"]


def test_proofs_runs_every_file_in_which_faults_are_planted() -> None:
    tests = ROOT / "tests"
    mark = re.compile(r"^(?:@|pytestmark = )pytest\.mark\.mutant$", re.MULTILINE)
    marked = [path for path in tests.rglob("test_*.py") if mark.search(path.read_text())]
    assert len(marked) > 15
    compiled = "glue/test_oldest_rust.py"  # run by `slow`, as it compiles the crate for another Rust
    places = [tests / place for place in ("proofs", *noxfile.WITH_PROOFS, compiled)]
    assert [path for path in places if not path.exists()] == []
    assert [path for path in marked if not any(path.is_relative_to(place) for place in places)] == []
