"""The folders at a constant path: private, locked, and clear about what stands in the way."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.core import build_dir
from ci.core.errors import BusyError, HostError
from ci.core.lock import wait_for_lock
from ci.core.run import Runner


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A base of the test's own."""
    monkeypatch.setattr(build_dir, "BASE", tmp_path / "base")
    return tmp_path / "base"


def test_it_is_empty_constant_and_gone_afterwards(base: Path, run: Runner) -> None:
    for _ in range(2):
        with build_dir.build_dir("job", run) as (folder, _):
            assert folder == base / "job"
            assert list(folder.iterdir()) == []
            (folder / "file").touch()
        assert not folder.exists()


def test_after_a_failure_it_is_left_to_look_into(base: Path, run: Runner) -> None:
    def fail() -> None:
        with build_dir.build_dir("job", run) as (folder, _):
            (folder / "file").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (base / "job" / "file").exists()


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once a build has found that another one holds the lock."""
    event = threading.Event()

    def noting(descriptor: int, seconds: float, check: Callable[[bool], None]) -> None:
        def note(is_late: bool) -> None:
            event.set()
            check(is_late)

        wait_for_lock(descriptor, seconds, note)

    monkeypatch.setattr(build_dir, "wait_for_lock", noting)
    return event


def test_a_second_build_waits_for_the_first(run: Runner, waiting: threading.Event) -> None:
    order: list[str] = []

    def second() -> None:
        with build_dir.build_dir("job", run):
            order.append("second")

    with build_dir.build_dir("job", run):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_an_interrupt_ends_the_wait(run: Runner, waiting: threading.Event) -> None:
    said: list[str] = []

    def second() -> None:
        with pytest.raises(BusyError, match="interrupted") as raised, build_dir.build_dir("job", run):
            pass
        said.append(str(raised.value))

    with build_dir.build_dir("job", run):
        thread = threading.Thread(target=second, daemon=True)
        thread.start()
        assert waiting.wait(10)
        run.children.end_all()
        thread.join(5)
        assert said


def test_programs_of_a_killed_run_hold_the_lock(base: Path, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_dir, "_WAIT_SECONDS", 0.2)
    with build_dir.build_dir("job", run) as (_, inside):
        (descriptor,) = inside.keep_open
        left_over = subprocess.Popen(["sleep", "60"], pass_fds=[descriptor])
    try:
        with pytest.raises(BusyError, match="another build of job"), build_dir.build_dir("job", run):
            pass
    finally:
        left_over.kill()
        left_over.wait()
    with build_dir.build_dir("job", run):
        pass


def test_a_folder_of_someone_else_is_refused(base: Path, run: Runner) -> None:
    base.mkdir()
    os.chown(base, 12345, 12345)
    with pytest.raises(HostError, match="belongs to user 12345"), build_dir.build_dir("job", run):
        pass


def test_a_folder_that_others_may_write_to_is_refused(base: Path, run: Runner) -> None:
    base.mkdir()
    base.chmod(0o777)
    with pytest.raises(HostError, match="can be written by others"), build_dir.build_dir("job", run):
        pass


def test_a_link_is_not_followed(base: Path, run: Runner, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    base.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HostError, match="is not a folder"), build_dir.build_dir("job", run):
        pass
