"""Plans, records and the order of work, on small jobs of the tests' own."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.commands.building import require_locked_inputs
from ci.commands.running import needed_bytes, raise_first_error
from ci.core.checkout import SourceState
from ci.core.children import Children
from ci.core.console import Console
from ci.core.errors import BusyError, CommandFailed, HostError, ReleaseError, ToolError, UnavailableError
from ci.core.lock import exclusive
from ci.core.run import Runner
from ci.core.tools import Tool, Toolbox
from ci.manifest.reader import load
from ci.pipeline import report, scheduler
from ci.pipeline.inputs import Inputs
from ci.pipeline.jobs import Job, Options, Output, Project, Verdict, Workspace
from ci.pipeline.plan import StepState, make_plan, require_tools, with_needed
from ci.pipeline.report import Status
from ci.pipeline.scheduler import Outcome, OutcomeState, Scheduler
from tests.support import ROOT
from tests.waiting import wait_until

TO_BUILD, UP_TO_DATE = StepState.TO_BUILD, StepState.UP_TO_DATE
DONE, FAILED, LEFT_OUT = OutcomeState.DONE, OutcomeState.FAILED, OutcomeState.LEFT_OUT

Build = Callable[[Workspace], "str | Verdict | None"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "checkout"
    (root / "ci" / "core").mkdir(parents=True)
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


def states(project: Project, *jobs: Job) -> list[StepState]:
    return [step.state for step in make_plan(project, jobs)]


def test_the_disk_is_asked_for_what_is_kept_and_for_what_is_there_at_the_same_time() -> None:
    few = [job("one", keeps=7), job("two", keeps=5, unpacks=30)]
    many = [job(str(number), unpacks=30) for number in range(50)]
    assert needed_bytes(few) - needed_bytes([]) == 7 + 5 + 30
    assert needed_bytes(many) - needed_bytes([]) == 30 * scheduler.AT_A_TIME


def test_a_finished_job_is_up_to_date_until_something_of_it_changes(project: Project) -> None:
    source = project.root / "source.txt"
    source.write_text("one")
    first = job("first", inputs=(source,))
    second = job("second", after=("first",))
    assert states(project, first, second) == [TO_BUILD, TO_BUILD]
    assert {o.state for o in execute(project, first, second).values()} == {DONE}
    assert states(project, first, second) == [UP_TO_DATE, UP_TO_DATE]
    # Writing the same bytes again is no change.
    source.write_text("one")
    (project.dist / "made" / "first.txt").write_text("first")
    assert states(project, first, second) == [UP_TO_DATE, UP_TO_DATE]
    changed: list[tuple[Callable[[], object], list[str]]] = [
        (lambda: source.write_text("two"), [TO_BUILD, TO_BUILD]),
        (lambda: (project.dist / "made" / "second.txt").unlink(), [UP_TO_DATE, TO_BUILD]),
        (lambda: (project.dist / "made" / "first.txt").write_text("tampered"), [TO_BUILD, TO_BUILD]),
        (lambda: (project.root / "ci" / "core" / "code.py").write_text("new"), [TO_BUILD, TO_BUILD]),
        (lambda: (project.root / "ci" / "kinds.py").write_text("new"), [TO_BUILD, TO_BUILD]),
    ]
    for change, expected in changed:
        change()
        assert states(project, first, second) == expected
        execute(project, first, second)
        assert states(project, first, second) == [UP_TO_DATE, UP_TO_DATE]
    assert states(project, dataclasses.replace(first, values={"epoch": "1"}), second) == [TO_BUILD, TO_BUILD]


def test_a_job_whose_folder_is_not_removed_is_repeated(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a kill at that moment: were it up to date, nobody would ever remove the rest."""

    def stops(_: Path) -> None:
        raise OSError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", stops)
        assert execute(project, job("first"))["first"].state == FAILED
    assert states(project, job("first")) == [TO_BUILD]
    execute(project, job("first"))
    assert not (project.dist / ".state" / "work" / "first").exists()


@pytest.mark.parametrize(
    "name", ["lint/checks.py", "verify/check.py", "bench/figures.py", "publish/pypi.py", "commands/building.py"]
)
def test_code_that_makes_no_artefact_builds_nothing_again(project: Project, name: str) -> None:
    path = project.root / "ci" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("old")
    execute(project, job("first"))
    path.write_text("new")
    assert states(project, job("first")) == [UP_TO_DATE]


@pytest.mark.parametrize(
    ("verdict", "status", "reason"),
    [
        (Verdict(), Status.VERIFIED, "a note of the build"),
        (Verdict(notes=("one", "two")), Status.VERIFIED, "one; two"),
        (Verdict(not_run="no engine", notes=("one",)), Status.NOT_RUN, "no engine; one"),
    ],
)
def test_a_verdict_is_recorded_and_reported(project: Project, verdict: Verdict, status: Status, reason: str) -> None:
    def builds(work: Workspace) -> str:
        (work.out / "made.txt").write_text("made")
        return "a note of the build"

    output = Output(kind="note", path="made/made.txt")
    made = job("made", builds, outputs=(output,))
    verified = job(report.verification_of(output), lambda _: verdict, outputs=(), after=("made",))
    execute(project, made, verified)
    again = execute(project, made, verified)  # from the record
    assert {outcome.state for outcome in again.values()} == {OutcomeState.UP_TO_DATE}
    record = again[verified.id].record
    assert record is not None
    assert record.verdict == verdict
    (artifact,) = report.artifacts_of(list(again.values()))
    assert (artifact.status, artifact.reason) == (status, reason)


def test_a_failed_job_leaves_out_what_needs_it_and_nothing_else(project: Project) -> None:
    def fails(work: Workspace) -> None:
        (work.out / "broken.txt").write_text("half")
        work.run("sh", "-c", "echo it went wrong; exit 7")

    outcomes = execute(project, job("good"), job("broken", fails), job("later", after=("broken",)))
    assert {name: outcome.state for name, outcome in outcomes.items()} == {
        "good": DONE,
        "broken": FAILED,
        "later": LEFT_OUT,
    }
    error = outcomes["broken"].error
    assert isinstance(error, CommandFailed)
    assert "sh failed with exit code 7" in str(error)
    assert "| it went wrong" in str(error)
    assert "SOURCE_DATE_EPOCH=" in str(error)  # the command can be pasted
    assert str(project.dist / "logs" / "broken.log") in str(error)
    assert sorted(path.name for path in (project.dist / "made").iterdir()) == ["good.txt"]


def test_a_job_that_makes_other_files_than_its_outputs_fails_and_moves_nothing(project: Project) -> None:
    def wrong(work: Workspace) -> None:
        (work.out / "other.txt").write_text("?")

    outcome = execute(project, job("wrong", wrong))["wrong"]
    assert outcome.state == FAILED
    assert "made other.txt, expected wrong.txt" in outcome.why
    nothing = execute(project, job("wrong", lambda work: None))["wrong"]
    assert nothing.why == "wrong: made nothing, expected wrong.txt"
    assert nothing.error is not None
    assert nothing.error.hint == "this is an error in the tooling, in the builder test: report it"
    assert not (project.dist / "made").exists()


def test_a_folder_and_a_file_of_one_name_replace_each_other(project: Project) -> None:
    def makes_a_folder(work: Workspace) -> None:
        (work.out / "made.txt").mkdir()
        (work.out / "made.txt" / "inside").write_text("new")

    for number, build in enumerate((writes("file"), makes_a_folder, makes_a_folder, writes("file"))):
        outcome = execute(project, job("made", build, values={"round": str(number)}))["made"]
        assert outcome.state == DONE, outcome.error
        assert (project.dist / "made" / "made.txt").is_dir() == (build is makes_a_folder)


def test_each_failed_job_is_reported_with_its_advice(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(work: Workspace) -> None:
        raise HostError(f"{work.job} lacks space", hint=f"give {work.job} space")

    outcomes = execute(project, job("one", fails), job("two", fails))
    capsys.readouterr()
    with pytest.raises(HostError, match="one lacks space"):
        raise_first_error(Console(), list(outcomes.values()))
    assert capsys.readouterr().err == "error: two lacks space\nwhat to do: give two space\n"


def test_an_unavailable_job_is_reported_with_its_reason(project: Project) -> None:
    outcomes = execute(project, job("ubi", unavailable="no base"), job("pushed", after=("ubi",)), job("micro"))
    assert (outcomes["ubi"].state, outcomes["ubi"].why) == (OutcomeState.UNAVAILABLE, "no base")
    assert (outcomes["pushed"].state, outcomes["pushed"].why) == (OutcomeState.UNAVAILABLE, "needs ubi: no base")
    assert outcomes["micro"].state == DONE


def test_a_job_after_what_is_available_runs_without_the_rest(project: Project) -> None:
    seen: list[frozenset[str]] = []

    def build(work: Workspace) -> None:
        seen.append(work.needs)
        writes("last")(work)

    last = job("last", build, after=("one",), after_available=("two", "three"))
    others = [job("one"), job("two", unavailable="no engine here"), job("three")]
    outcomes = execute(project, last, *others)
    assert [outcomes[name].state for name in ("one", "two", "three", "last")] == [
        DONE,
        OutcomeState.UNAVAILABLE,
        DONE,
        DONE,
    ]
    assert seen == [{"made/one.txt", "made/three.txt"}]
    again = {step.job.id: step.why for step in make_plan(project, [last, job("one"), job("two"), job("three")])}
    assert again["last"] == "inputs changed"


def test_a_job_after_what_is_available_is_left_out_if_that_fails(project: Project) -> None:
    def fail(_: Workspace) -> None:
        raise CommandFailed("it failed")

    outcomes = execute(project, job("last", after_available=("one",)), job("one", fail))
    assert (outcomes["one"].state, outcomes["last"].state) == (FAILED, LEFT_OUT)


def test_a_job_after_what_is_available_runs_if_that_turns_out_not_to_be(project: Project) -> None:
    def find_out(_: Workspace) -> None:
        raise UnavailableError("no network here")

    outcomes = execute(project, job("last", after_available=("one",)), job("one", find_out))
    assert (outcomes["one"].state, outcomes["last"].state) == (OutcomeState.UNAVAILABLE, DONE)


def test_what_a_job_finds_out_to_be_missing_is_an_error_for_a_locked_build_alone(project: Project) -> None:
    def find_out(_: Workspace) -> None:
        raise UnavailableError("libtwo 2 is missing", hint="put it there")

    jobs = [job("one", find_out), job("last", after=("one",))]
    outcomes = list(execute(project, *jobs).values())
    raise_first_error(Console(), outcomes)
    require_locked_inputs(project, jobs, outcomes)
    nothing = Inputs(name="x", version="1", commit="", modified=False, python="3", zlib="1")
    locked = dataclasses.replace(project, options=Options(locked=nothing))
    with pytest.raises(UnavailableError, match="libtwo 2 is missing") as caught:
        require_locked_inputs(locked, jobs, outcomes)
    assert caught.value.hint == "put it there"
    require_locked_inputs(locked, jobs[1:], outcomes)  # a root of a gate, for instance, is no input


def test_every_missing_or_old_tool_is_reported_before_anything_runs(project: Project) -> None:
    tools = (Tool(name="no-such-tool"), Tool(name="sh", version_arguments=("-c", "echo 1.2"), minimum="3.0"))
    steps = make_plan(project, [job("first", tools=tools), job("second", after=("first",))])
    assert [step.state for step in steps] == [StepState.UNAVAILABLE, StepState.UNAVAILABLE]
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


def test_a_longer_chain_goes_before_jobs_that_could_have_begun_earlier(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "AT_A_TIME", 1)
    order: list[str] = []

    def noted(work: Workspace) -> None:
        order.append(work.job)
        writes(work.job)(work)

    first, second, third = job("first", noted), job("second", noted, after=("first",)), job("third", noted)
    execute(project, job("fourth", noted), third, job("fifth", noted, after=("second",)), first, second)
    assert order[:2] == ["first", "second"]
    assert len(order) == 5


def test_with_needed_returns_the_wanted_jobs_and_those_that_they_need() -> None:
    jobs = [job("a"), job("b", after=("a",)), job("c", after=("b",)), job("other")]
    assert [j.id for j in with_needed(jobs, lambda j: j.id == "c")] == ["a", "b", "c"]


def test_a_full_disk_is_a_fault_of_the_machine_and_the_old_output_stays(project: Project) -> None:
    execute(project, job("small"))

    def fills_the_disk(work: Workspace) -> None:
        work.run("dd", "if=/dev/zero", "of=/dev/full", "bs=1k", "count=1")

    outcome = execute(project, job("small", fills_the_disk, values={"changed": "yes"}))["small"]
    assert isinstance(outcome.error, HostError)
    assert outcome.error.exit_code == 15
    assert (project.dist / "made" / "small.txt").read_text() == "small"


def test_a_second_run_at_the_same_time_is_refused(project: Project) -> None:
    holder = (
        "import signal, sys; from pathlib import Path; from ci.core.lock import exclusive\n"
        "with exclusive(Path(sys.argv[1]), print): print('held', flush=True); signal.pause()"
    )
    path = project.dist / ".state" / "lock"
    with subprocess.Popen([sys.executable, "-c", holder, str(path)], cwd=ROOT, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(BusyError, match=f"process {other.pid}"), exclusive(path, print):
            pass
        other.kill()


def test_a_run_waits_for_the_programs_of_a_killed_run(project: Project) -> None:
    holder = (
        "import os, subprocess, sys; from pathlib import Path; from ci.core.lock import exclusive\n"
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
    wait_until(lambda: (tmp_path / "log").exists() and children._running, "the program does not run")
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


def test_a_job_runs_again_if_what_it_was_made_from_has_other_bytes(project: Project) -> None:
    def reads(work: Workspace) -> None:
        (work.out / "second.txt").write_text(work.built("made/first.txt").read_text())

    world = ["one"]
    first = job("first", lambda work: writes(world[0])(work))
    second = job("second", reads, after=("first",))
    execute(project, first, second)
    # The first job runs again without the second, and makes something else of the same inputs.
    world[0] = "two"
    (project.dist / "made" / "first.txt").unlink()
    execute(project, first)
    assert states(project, first, second) == [UP_TO_DATE, TO_BUILD]
    execute(project, first, second)
    assert (project.dist / "made" / "second.txt").read_text() == "two"
    assert states(project, first, second) == [UP_TO_DATE, UP_TO_DATE]


def test_a_job_whose_inputs_change_while_it_works_fails_and_leaves_no_record(project: Project) -> None:
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


def test_names_of_inputs_need_not_be_utf8(project: Project) -> None:
    folder = project.root / "folder"
    folder.mkdir()
    made = job("made", inputs=(folder,))
    execute(project, made)
    (folder / os.fsdecode(b"caf\xe9")).write_text("")
    (project.root / "ci" / "core" / os.fsdecode(b"caf\xe9.py")).write_text("")
    assert states(project, made) == [TO_BUILD]


def test_a_change_of_a_mode_or_of_the_outputs_builds_again(project: Project) -> None:
    source = project.root / "source.sh"
    source.write_text("#!/bin/sh\n")
    made = job("made", inputs=(source,))
    execute(project, made)
    source.chmod(0o755)
    assert states(project, made) == [TO_BUILD]
    execute(project, made)
    renamed = dataclasses.replace(made, outputs=(*made.outputs, Output(path="made/other.txt")))
    assert states(project, renamed) == [TO_BUILD]


def test_an_error_in_the_tooling_fails_its_job_alone(project: Project) -> None:
    def fails(work: Workspace) -> None:
        raise KeyError("no such label")

    outcomes = execute(project, job("broken", fails), job("good"))
    assert (outcomes["broken"].state, outcomes["good"].state) == (FAILED, DONE)
    assert "KeyError" in str(outcomes["broken"].error)
    assert "test_scheduler.py" in str(outcomes["broken"].error)  # where it happened


def test_the_report_of_the_last_run_can_be_deleted(project: Project) -> None:
    for name in ("artifacts.json", "SHA256SUMS"):
        (project.dist / name).parent.mkdir(parents=True, exist_ok=True)
        (project.dist / name).write_text("old")
    report.delete(project.dist)
    assert not list(project.dist.glob("*"))


def test_only_correct_artefacts_have_a_checksum(project: Project) -> None:
    fields = {"kind": "rpm", "tool": "rpmbuild 4", "size": 1, "sha256": "0" * 64}
    artifacts = [
        report.Artifact(name=status, path=f"rpm/{status}", status=status, **fields)  # type: ignore[arg-type]
        for status in (Status.VERIFIED, Status.NOT_RUN, Status.BUILT, Status.FAILED)
    ]
    source = SourceState(revision="v0.1.0-unreleased")
    report.write(project.dist, project.release, source, artifacts, (), ())
    sums = (project.dist / "SHA256SUMS").read_text().splitlines()
    assert [line.split("  ")[1] for line in sums] == ["rpm/not run", "rpm/verified"]


def test_an_interrupted_run_ends_its_programs(project: Project) -> None:
    pid = project.root / "pid"

    def sleeps(work: Workspace) -> None:
        work.run("sh", "-c", f"echo $$ > {pid}; exec sleep 1000")

    def interrupts(work: Workspace) -> None:
        wait_until(lambda: pid.exists() and pid.read_text().strip(), "the program does not run")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(project, job("sleeper", sleeps), job("interrupter", interrupts))
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
