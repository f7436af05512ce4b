"""The runner: what an interrupt ends, what programs inherit, what the log says; and archives that lead out."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ci.core import run as run_module
from ci.core.children import Children
from ci.core.errors import CommandFailed, ToolError
from ci.core.files import unpack
from ci.core.program_environment import pasteable
from ci.core.run import Program, Runner, ask
from ci.core.tools import Tool, Toolbox
from tests.fixtures import run
from tests.waiting import wait_until

__all__ = ["run"]

# Notes its own process number once it ignores what would end it.
STUBBORN = "trap '' TERM; echo $$ > \"$1\"; while :; do sleep 0.1; done"
PARENT = 'sh -c "$1" x "$2" & wait'


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def noted(path: Path) -> int:
    wait_until(lambda: path.exists() and path.read_text().strip(), "the program has not noted its number")
    return int(path.read_text())


def in_thread(work: Callable[[], object]) -> threading.Thread:
    def ends() -> None:
        with pytest.raises(CommandFailed):
            work()

    thread = threading.Thread(target=ends)
    thread.start()
    return thread


def test_a_program_that_starts_after_the_end_is_ended(run: Runner) -> None:
    run.children.end_all()
    begun = time.monotonic()
    with pytest.raises(CommandFailed, match="was ended by SIGKILL"):
        run("sh", "-c", "trap '' TERM; sleep 30")
    assert time.monotonic() - begun < 10
    assert run.children.ended


def test_a_grandchild_that_ignores_the_request_is_killed(run: Runner, tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    thread = in_thread(lambda: run("sh", "-c", PARENT, "x", STUBBORN, note))
    grandchild = noted(note)
    run.children.end_all(grace=0.3)
    thread.join(10)
    wait_until(lambda: not is_running(grandchild), "the grandchild has not ended")


def test_what_ends_when_asked_is_not_waited_for(run: Runner, tmp_path: Path) -> None:
    thread = in_thread(lambda: run("sh", "-c", f"echo $$ > {tmp_path}/note; exec sleep 30"))
    noted(tmp_path / "note")
    begun = time.monotonic()
    run.children.end_all(grace=20)
    thread.join(10)
    assert time.monotonic() - begun < 10


def test_a_program_that_has_been_reaped_is_not_signalled(monkeypatch: pytest.MonkeyPatch) -> None:
    children = Children()
    child = subprocess.Popen(["true"], start_new_session=True)
    children.add(child)
    child.wait()
    signalled: list[int] = []
    real = os.killpg

    def killpg(group: int, number: int) -> None:
        signalled.append(number)
        real(group, number)

    monkeypatch.setattr(os, "killpg", killpg)
    children.end_all(grace=1)
    assert set(signalled) <= {0}  # looked at, in case it has left something behind


def test_an_interrupt_in_the_main_thread_ends_the_program(run: Runner, tmp_path: Path) -> None:
    def interrupt() -> None:
        noted(tmp_path / "note")
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run("sh", "-c", f"echo $$ > {tmp_path}/note; sleep 30; true")
    assert not is_running(noted(tmp_path / "note"))
    assert re.search(r"^# ended after [0-9.]+ s$", run.log.read_text(), re.MULTILINE)


def test_an_interrupt_while_a_program_is_started_ends_it(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes when the program runs already, but before anybody was told so."""

    class Interrupted(Program):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            noted(tmp_path / "note")
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    monkeypatch.setattr(run_module, "Program", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("sh", "-c", f"echo $$ > {tmp_path}/note; sleep 60; true")
    program = noted(tmp_path / "note")
    wait_until(lambda: not is_running(program), "the program has not ended")


def test_programs_inherit_the_lock(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        run = Runner(log=tmp_path / "log", keep_open=(lock.fileno(),))
        words = ("readlink", f"/proc/self/fd/{lock.fileno()}")
        assert run.output(*words).strip() == str(tmp_path / "lock")
        with run.start(*words, log=tmp_path / "other") as child:
            child.wait()
    assert (tmp_path / "other").read_text().splitlines()[1] == str(tmp_path / "lock")


def test_a_started_program_works_while_the_block_does(run: Runner, tmp_path: Path) -> None:
    note = tmp_path / "note"
    with run.start("sh", "-c", f"pwd; {PARENT}", "x", STUBBORN, note, env={"A": "b c"}):
        grandchild = noted(note)
        assert is_running(grandchild)
    wait_until(lambda: not is_running(grandchild), "the grandchild has not ended")
    command, printed, ended, *_ = run.log.read_text().splitlines()
    assert command.startswith("$ cd / && A='b c' LC_ALL=C.UTF-8 TZ=UTC sh -c ")
    assert printed == "/"
    assert re.fullmatch(r"# ended after [0-9.]+ s", ended)


def test_a_started_program_that_ended_by_itself_has_its_exit_code_logged(run: Runner) -> None:
    with run.start("sh", "-c", "exit 3") as child:
        child.wait()
    assert re.search(r"^# exit 3 after [0-9.]+ s$", run.log.read_text(), re.MULTILINE)


def test_a_started_program_is_ended_with_all_others(run: Runner) -> None:
    with run.start("sleep", "30") as child:
        run.children.end_all()
        assert child.wait(5) == -signal.SIGTERM


def test_a_program_that_is_not_there_leaves_no_log(run: Runner) -> None:
    with pytest.raises(ToolError, match="not found on PATH"), run.start("no-such-program"):
        pass
    assert not run.log.exists()


def test_a_pasted_command_does_the_same(run: Runner, tmp_path: Path) -> None:
    words = ("sh", "-c", 'pwd; echo "$LC_ALL $TZ $A"')
    line = pasteable(words, cwd=tmp_path, env={"A": "it's"})
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Auckland"}
    pasted = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True, check=True)
    assert pasted.stdout == run.output(*words, cwd=tmp_path, env={"A": "it's"})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_ci_and_what_it_runs_end_with_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    script = f"""
import sys
from pathlib import Path
from ci.__main__ import main
from ci.commands import COMMANDS
from ci.core.run import Runner
run = Runner(log=Path({str(tmp_path / "log")!r}))
def check(*_):
    run("sh", "-c", "echo $$ > {tmp_path}/note; sleep 30; true")
COMMANDS["check"] = "__main__:check"
sys.exit(main(["check"]))
"""
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) as ci:
        program = noted(tmp_path / "note")
        ci.send_signal(number)
        _, said = ci.communicate(timeout=60)
    assert ci.returncode == 130, said
    assert "interrupted" in said
    wait_until(lambda: not is_running(program), "the program has not ended")


def test_a_failure_shows_what_was_printed_and_not_the_command(run: Runner) -> None:
    with pytest.raises(CommandFailed) as caught:
        run("sh", "-c", "exit 3\n# a comment\n# and another one")
    assert "\n  | (it printed nothing)\n" in str(caught.value)
    with pytest.raises(CommandFailed) as caught:
        run("sh", "-c", "\n\necho one\necho two\nexit 3")
    assert "exit code 3\n  | one\n  | two\n  command: " in str(caught.value)


def test_a_folder_on_the_search_path_may_be_relative(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "answer").write_text("#!/bin/sh\necho version 1.2\n")
    (tmp_path / "bin" / "answer").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"bin:{os.environ['PATH']}")
    assert run.output("answer") == "version 1.2\n"
    assert Toolbox(tmp_path / "tools.json").find(Tool(name="answer")).version == "1.2"


def test_a_question_to_a_program_is_answered_in_time_or_not_at_all() -> None:
    assert ask(["sh", "-c", "pwd; echo $LC_ALL >&2; exit 3"], 60) == (3, "/\nC.UTF-8\n")
    with pytest.raises(TimeoutError, match=r"it has not ended within 0\.1 s"):
        ask(["sleep", "60"], 0.1)


def archive(path: Path, *members: tuple[str, bytes, str]) -> Path:
    with tarfile.open(path, "w") as opened:
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, link, 0
            opened.addfile(member, io.BytesIO())
    return path


OUT_OF_BOUNDS: dict[str, list[tuple[str, bytes, str]]] = {
    "absolute": [("/tmp/out", tarfile.REGTYPE, "")],
    "parent": [("a/../../out", tarfile.REGTYPE, "")],
    "device": [("null", tarfile.CHRTYPE, "")],
    "fifo": [("pipe", tarfile.FIFOTYPE, "")],
    "link": [("a/link", tarfile.SYMTYPE, "../../out")],
    "absolute link": [("link", tarfile.SYMTYPE, "/etc")],
    "hard link": [("link", tarfile.LNKTYPE, "../out")],
    "through links": [("a", tarfile.SYMTYPE, "."), ("c", tarfile.SYMTYPE, "a/..")],
}


@pytest.mark.parametrize("filters", [True, False])
@pytest.mark.parametrize("case", sorted(OUT_OF_BOUNDS))
def test_an_archive_that_leads_out_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, filters: bool
) -> None:
    if not filters:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    elif not hasattr(tarfile, "data_filter") or case in ("absolute", "parent", "through links"):
        pytest.skip("this Python has no filters, or they repair such names")
    with pytest.raises(tarfile.TarError):
        unpack(archive(tmp_path / "archive.tar", *OUT_OF_BOUNDS[case]), tmp_path / "folder")


def test_links_that_lead_out_together_are_refused_or_repaired(tmp_path: Path) -> None:
    """By the filter of Python 3.11 or 3.13."""
    folder = tmp_path / "folder"
    try:
        unpack(archive(tmp_path / "archive.tar", *OUT_OF_BOUNDS["through links"]), folder)
    except tarfile.TarError:
        return
    assert (folder / "c").resolve().is_relative_to(folder.resolve())


def test_without_filters_the_rest_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    members = [("a", tarfile.DIRTYPE, ""), ("a/file", tarfile.REGTYPE, ""), ("a/link", tarfile.SYMTYPE, "../b")]
    unpack(archive(tmp_path / "archive.tar", *members, ("b", tarfile.LNKTYPE, "a/file")), tmp_path / "folder")
    assert (tmp_path / "folder" / "a" / "link").samefile(tmp_path / "folder" / "b")
