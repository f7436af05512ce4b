"""Plans, records and the order of work, on small jobs of the tests' own."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ci import report
from ci.console import Console
from ci.errors import BusyError, CommandFailed, HostError, ReleaseError, ToolError
from ci.jobs import Job, Output, Project, Workspace
from ci.lock import exclusive
from ci.manifest import load
from ci.plan import TO_BUILD, UNAVAILABLE, UP_TO_DATE, make_plan, require_tools, with_needed
from ci.run import Children, Runner
from ci.scheduler import DONE, FAILED, LEFT_OUT, Outcome, Scheduler
from ci.tools import Tool, Toolbox
from tests.support import ROOT

Build = Callable[[Workspace], "str | None"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "checkout"
    (root / "ci").mkdir(parents=True)
    return Project(
        root=root,
        dist=root / "dist",
        release=load(ROOT / "release.yaml"),
        toolbox=Toolbox(root / "dist" / ".state" / "tools.json"),
    )


def writes(text: str) -> Build:
    def build(work: Workspace) -> None:
        (work.out / f"{work.job}.txt").write_text(text)

    return build


def job(name: str, build: Build | None = None, **fields: object) -> Job:
    outputs = (Output(path=f"made/{name}.txt"),)
    made = Job(id=name, builder="test", outputs=outputs, build=build or writes(name))
    return dataclasses.replace(made, **fields)  # type: ignore[arg-type]


def execute(project: Project, *jobs: Job) -> dict[str, Outcome]:
    with exclusive(project.dist / ".state" / "lock", print) as lock:
        scheduler = Scheduler(project=project, console=Console(), lock=lock)
        return {outcome.step.job.id: outcome for outcome in scheduler.execute(make_plan(project, jobs))}


def states(project: Project, *jobs: Job) -> list[str]:
    return [step.state for step in make_plan(project, jobs)]


def test_a_finished_job_is_up_to_date_until_something_of_it_changes(project: Project) -> None:
    source = project.root / "source.txt"
    source.write_text("one")
    first = job("first", inputs=(source,))
    second = job("second", after=("first",))
    assert states(project, first, second) == [TO_BUILD, TO_BUILD]
    assert {o.state for o in execute(project, first, second).values()} == {DONE}
    assert states(project, first, second) == [UP_TO_DATE, UP_TO_DATE]
    # the same bytes, written again later, are no change
    source.write_text("one")
    (project.dist / "made" / "first.txt").write_text("first")
    assert states(project, first, second) == [UP_TO_DATE, UP_TO_DATE]
    changed: list[tuple[Callable[[], object], list[str]]] = [
        (lambda: source.write_text("two"), [TO_BUILD, TO_BUILD]),
        (lambda: (project.dist / "made" / "second.txt").unlink(), [UP_TO_DATE, TO_BUILD]),
        (lambda: (project.dist / "made" / "first.txt").write_text("tampered"), [TO_BUILD, TO_BUILD]),
        (lambda: (project.root / "ci" / "code.py").write_text("new"), [TO_BUILD, TO_BUILD]),
    ]
    for change, expected in changed:
        change()
        assert states(project, first, second) == expected
        execute(project, first, second)
        assert states(project, first, second) == [UP_TO_DATE, UP_TO_DATE]
    assert states(project, dataclasses.replace(first, values={"epoch": "1"}), second) == [TO_BUILD, TO_BUILD]


def test_a_failed_job_leaves_out_what_needs_it_and_nothing_else(project: Project) -> None:
    def fails(work: Workspace) -> None:
        (work.out / "broken.txt").write_text("half")
        work.run("sh", "-c", "echo the last words; exit 7")

    outcomes = execute(project, job("good"), job("broken", fails), job("later", after=("broken",)))
    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        "good": DONE,
        "broken": FAILED,
        "later": LEFT_OUT,
    }
    error = outcomes["broken"].error
    assert isinstance(error, CommandFailed)
    assert "sh failed with exit code 7" in str(error)
    assert "| the last words" in str(error)
    assert "SOURCE_DATE_EPOCH=" in str(error)  # the command can be pasted
    assert str(project.dist / "logs" / "broken.log") in str(error)
    assert sorted(path.name for path in (project.dist / "made").iterdir()) == ["good.txt"]


def test_a_job_that_breaks_its_promise_fails_and_moves_nothing(project: Project) -> None:
    def wrong(work: Workspace) -> None:
        (work.out / "other.txt").write_text("?")

    outcome = execute(project, job("wrong", wrong))["wrong"]
    assert outcome.state == FAILED
    assert "made ['other.txt'], but promised ['wrong.txt']" in outcome.why
    assert not (project.dist / "made").exists()


def test_what_cannot_be_had_is_told_with_its_reason(project: Project) -> None:
    outcomes = execute(project, job("ubi", unavailable="no base"), job("pushed", after=("ubi",)), job("micro"))
    assert (outcomes["ubi"].state, outcomes["ubi"].why) == (UNAVAILABLE, "no base")
    assert (outcomes["pushed"].state, outcomes["pushed"].why) == (UNAVAILABLE, "needs ubi: no base")
    assert outcomes["micro"].state == DONE


def test_every_missing_or_old_tool_is_told_before_anything_runs(project: Project) -> None:
    tools = (Tool(name="no-such-tool"), Tool(name="sh", version_arguments=("-c", "echo 1.2"), minimum="3.0"))
    steps = make_plan(project, [job("first", tools=tools), job("second", after=("first",))])
    assert [step.state for step in steps] == [UNAVAILABLE, UNAVAILABLE]
    with pytest.raises(ToolError) as caught:
        require_tools(steps)
    assert str(caught.value).splitlines() == [
        "no-such-tool: not found on PATH",
        "sh: version 1.2 is too old, 3.0 is needed",
    ]


def test_independent_jobs_run_at_the_same_time_and_dependent_ones_in_order(project: Project) -> None:
    meeting = threading.Barrier(2, timeout=20)
    order: list[str] = []

    def meets(work: Workspace) -> None:
        meeting.wait()  # breaks, and so fails the job, unless the other one runs too
        order.append(work.job)
        writes("met")(work)

    def last(work: Workspace) -> None:
        order.append("last")
        writes("last")(work)

    jobs = (job("last", last, after=("left", "right")), job("left", meets), job("right", meets))
    outcomes = execute(project, *jobs)
    assert {outcome.state for outcome in outcomes.values()} == {DONE}
    assert order[-1] == "last"


def test_with_needed_takes_the_chain_and_nothing_beside_it() -> None:
    jobs = [job("a"), job("b", after=("a",)), job("c", after=("b",)), job("other")]
    assert [j.id for j in with_needed(jobs, lambda j: j.id == "c")] == ["a", "b", "c"]


def test_a_full_disk_is_the_hosts_fault_and_keeps_what_was_there(project: Project, tmp_path: Path) -> None:
    execute(project, job("small"))

    def floods(work: Workspace) -> None:
        work.run("dd", "if=/dev/zero", "of=/dev/full", "bs=1k", "count=1")

    outcome = execute(project, job("small", floods, values={"changed": "yes"}))["small"]
    assert isinstance(outcome.error, HostError)
    assert outcome.error.exit_code == 15
    assert (project.dist / "made" / "small.txt").read_text() == "small"


def test_a_second_run_says_so_and_stops(project: Project) -> None:
    holder = (
        "import sys, time; from pathlib import Path; from ci.lock import exclusive\n"
        "with exclusive(Path(sys.argv[1]), print): print('held', flush=True); time.sleep(60)"
    )
    path = project.dist / ".state" / "lock"
    with subprocess.Popen([sys.executable, "-c", holder, str(path)], cwd=ROOT, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(BusyError, match=f"process {other.pid}"), exclusive(path, print):
            pass
        other.kill()


def test_a_killed_run_is_waited_for_until_its_programs_have_ended(project: Project) -> None:
    holder = (
        "import os, subprocess, sys; from pathlib import Path; from ci.lock import exclusive\n"
        "with exclusive(Path(sys.argv[1]), print) as fd:\n"
        "    subprocess.Popen(['sleep', '1'], pass_fds=(fd,)); os.kill(os.getpid(), 9)"
    )
    path = project.dist / ".state" / "lock"
    killed = subprocess.run([sys.executable, "-c", holder, str(path)], cwd=ROOT, check=False)
    assert killed.returncode == -9
    said: list[str] = []
    with exclusive(path, said.append):
        assert len(said) == 1
        assert "was killed; waiting for the programs" in said[0]


def test_an_interrupt_ends_the_programs_that_run(project: Project, tmp_path: Path) -> None:
    children = Children()
    run = Runner(log=tmp_path / "log", children=children)
    failure: list[ReleaseError] = []

    def sleeps() -> None:
        try:
            # A grandchild: ending the program alone would leave it behind.
            run("sh", "-c", "sleep 1000 & wait")
        except ReleaseError as error:
            failure.append(error)

    thread = threading.Thread(target=sleeps)
    thread.start()
    while not (tmp_path / "log").exists() or not children._running:
        time.sleep(0.01)
    children.end_all()
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert "was ended by SIGTERM" in str(failure[0])


def test_programs_see_a_fixed_environment(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LANG": "tr_TR.UTF-8", "TZ": "Asia/Tokyo", "CFLAGS": "-g", "SECRET_TOKEN": "x"}.items():
        monkeypatch.setenv(name, value)
    seen = Runner(log=tmp_path / "log").output(shutil.which("env") or "env")
    names = {line.partition("=")[0] for line in seen.splitlines()}
    assert "TZ=UTC" in seen.splitlines()
    assert names.isdisjoint({"CFLAGS", "SECRET_TOKEN", "LANG"})


def test_other_bytes_of_an_earlier_job_run_again_what_needs_it(project: Project) -> None:
    def reads(work: Workspace) -> None:
        (work.out / "second.txt").write_text(work.built("made/first.txt").read_text())

    world = ["one"]
    first = job("first", lambda work: writes(world[0])(work))
    second = job("second", reads, after=("first",))
    execute(project, first, second)
    # What nobody can name as an input has changed, and the first job ran again without the second.
    world[0] = "two"
    (project.dist / "made" / "first.txt").unlink()
    execute(project, first)
    assert states(project, first, second) == [UP_TO_DATE, TO_BUILD]
    execute(project, first, second)
    assert (project.dist / "made" / "second.txt").read_text() == "two"
    assert states(project, first, second) == [UP_TO_DATE, UP_TO_DATE]


def test_files_that_change_during_the_work_leave_no_record(project: Project) -> None:
    source = project.root / "source.txt"
    source.write_text("one")

    def edits(work: Workspace) -> None:
        source.write_text("two")
        (work.out / "made.txt").write_text(source.read_text())

    made = job("made", edits, inputs=(source,))
    outcome = execute(project, made)["made"]
    assert outcome.state == FAILED
    assert "changed while it worked" in outcome.why
    source.write_text("one")
    assert states(project, made) == [TO_BUILD]
    assert not (project.dist / "made").exists()


def test_another_program_of_the_same_version_is_another_input(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    program = programs / "pressmill"
    program.write_text("#!/bin/sh\necho 1.0\n")
    program.chmod(0o755)
    made = job("made", tools=(Tool(name="pressmill"),))
    execute(project, made)
    assert states(project, made) == [UP_TO_DATE]
    program.write_text("#!/bin/sh\n: other\necho 1.0\n")
    project = dataclasses.replace(project, toolbox=Toolbox(project.dist / ".state" / "tools.json"))
    assert states(project, made) == [TO_BUILD]


def test_a_mode_and_an_output_are_inputs(project: Project) -> None:
    source = project.root / "source.sh"
    source.write_text("#!/bin/sh\n")
    made = job("made", inputs=(source,))
    execute(project, made)
    source.chmod(0o755)
    assert states(project, made) == [TO_BUILD]
    execute(project, made)
    renamed = dataclasses.replace(made, outputs=(*made.outputs, Output(path="made/other.txt")))
    assert states(project, renamed) == [TO_BUILD]


def test_a_fault_of_the_tooling_fails_its_job_alone(project: Project) -> None:
    def stumbles(work: Workspace) -> None:
        raise KeyError("no such label")

    outcomes = execute(project, job("broken", stumbles), job("good"))
    assert (outcomes["broken"].state, outcomes["good"].state) == (FAILED, DONE)
    assert "KeyError" in str(outcomes["broken"].error)
    assert "test_scheduler.py" in str(outcomes["broken"].error)  # where it happened


def test_a_run_that_builds_takes_back_what_the_last_one_told(project: Project) -> None:
    for name in ("artifacts.json", "SHA256SUMS"):
        (project.dist / name).parent.mkdir(parents=True, exist_ok=True)
        (project.dist / name).write_text("old")
    report.withdraw(project.dist)
    assert not list(project.dist.glob("*"))


def test_only_what_was_found_sound_has_a_checksum(project: Project) -> None:
    sound = {"kind": "rpm", "tool": "rpmbuild 4", "size": 1, "sha256": "0" * 64}
    artifacts = [
        report.Artifact(name=status, path=f"rpm/{status}", status=status, **sound)  # type: ignore[arg-type]
        for status in (report.VERIFIED, report.NOT_RUN, report.BUILT, FAILED)
    ]
    report.write(project.dist, project.release, artifacts, ())
    sums = (project.dist / "SHA256SUMS").read_text().splitlines()
    assert [line.split("  ")[1] for line in sums] == ["rpm/not run", "rpm/verified"]


def test_an_interrupted_run_ends_its_programs(project: Project) -> None:
    pid = project.root / "pid"

    def sleeps(work: Workspace) -> None:
        work.run("sh", "-c", f"echo $$ > {pid}; exec sleep 1000")

    def interrupts(work: Workspace) -> None:
        while not pid.exists() or not pid.read_text().strip():
            time.sleep(0.01)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(project, job("sleeper", sleeps), job("interrupter", interrupts))
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
