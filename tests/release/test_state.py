"""What the tooling left in `dist/` or in TMPDIR, or somebody put there, does no harm to the next run."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.core.errors import BusyError, HostError
from ci.core.lock import exclusive
from ci.core.temporary import folder_for_temporary_files
from ci.core.tools import Tool, Toolbox
from ci.images.bases import _read as read_bases
from ci.pipeline.jobs import Job, Output, Workspace
from ci.pipeline.ledger import JobRecord, Ledger
from tests.support import copy_checkout, run_ci


def nothing(_: Workspace) -> None:
    """A job that is never run."""


JOB = Job(id="one", builder="one", outputs=(Output(path="one/file"),), build=nothing)


def write_record(dist: Path) -> Path:
    """A good record of the job; returns its file."""
    (dist / "one").mkdir(parents=True)
    (dist / "one" / "file").write_text("made\n")
    ledger = Ledger(dist)
    record = JobRecord(input_hash="hash", outputs={"one/file": ledger.describe("one/file")}, needs={"two": "x"})
    ledger.write(JOB, record)
    assert ledger.look_up(JOB, "hash") == (record, "")
    return dist / ".state" / "jobs" / "one.json"


def change(**fields: object) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))

    return write


def drop(name: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        data = json.loads(path.read_text())
        del data[name]
        path.write_text(json.dumps(data))

    return write


def write(data: bytes) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.write_bytes(data)

    return replace


def make(how: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink(missing_ok=True)
        how(path)

    return replace


DAMAGES: dict[str, Callable[[Path], None]] = {
    "empty": write(b""),
    "cut off": write(b'{"input_hash": "ha'),
    "nested": write(b"[" * 100_000),
    "not UTF-8": write(b'{"\xff": 1}'),
    "zeros": write(bytes(4096)),
    "a list": write(b"[]"),
    "a text": write(b'"x"'),
    "null": write(b"null"),
    "a FIFO": make(os.mkfifo),
    "a folder": make(Path.mkdir),
    "a link to itself": make(lambda path: path.symlink_to(path.name)),
    "a device": make(lambda path: path.symlink_to("/dev/zero")),
}
RECORDS: dict[str, Callable[[Path], None]] = {
    **DAMAGES,
    "no outputs": change(outputs={}),
    "outputs of another job": change(outputs={"two/file": {"sha256": "x", "size": 1, "stamp": "x"}}),
    "outputs in a list": change(outputs=[]),
    "an output in a text": change(outputs={"one/file": "x"}),
    "a size in a text": change(outputs={"one/file": {"sha256": "x", "size": "1", "stamp": "x"}}),
    "a hash in a number": change(outputs={"one/file": {"sha256": 1, "size": 1, "stamp": "x"}}),
    "needs in a list": change(needs=["x"]),
    "a need in a list": change(needs={"two": ["x"]}),
    "tools in a number": change(tools=1),
    "a tool in a list": change(tools=[["x"]]),
    "a note in a mapping": change(note={}),
    "seconds in a list": change(seconds=[]),
    "seconds in a text": change(seconds="soon"),
    "seconds without end": change(seconds=10**400),
    "a verdict in a text": change(verdict="x"),
    "a verdict without notes": change(verdict={"not_run": ""}),
    "no needs": drop("needs"),
    "no hash": drop("input_hash"),
}


@pytest.mark.parametrize("damage", RECORDS)
def test_a_job_with_a_damaged_record_runs_again(tmp_path: Path, damage: str) -> None:
    path = write_record(tmp_path)
    RECORDS[damage](path)
    record, why = Ledger(tmp_path).look_up(JOB, "hash")
    assert record is None
    assert why in {"not built yet", "its record is damaged"}


@pytest.mark.parametrize("damage", [*DAMAGES, "wrong types", "other texts"])
def test_a_damaged_list_of_tools_is_made_again(tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "tools.json"
    tool = Tool(name="git")
    expected = Toolbox(cache).find(tool)
    (key,) = json.loads(cache.read_bytes())
    wrong = {"wrong types": write(json.dumps({key: 1}).encode()), "other texts": write(json.dumps({key: "x"}).encode())}
    {**DAMAGES, **wrong}[damage](cache)
    assert Toolbox(cache).find(tool) == expected


@pytest.mark.parametrize("damage", [*DAMAGES, "wrong types", "a late time"])
def test_a_damaged_list_of_base_images_counts_as_empty(tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "bases.json"
    wrong = {"wrong types": write(b'{"x": {"time": "now", "digest": 1}, "y": 1}')}
    wrong["a late time"] = write(b'{"x": {"time": 1' + b"0" * 400 + b', "digest": "y"}}')
    {**DAMAGES, **wrong}[damage](cache)
    assert read_bases(cache) == {}


@pytest.mark.parametrize("name", ["file", "nothing"])
def test_the_lock_does_not_follow_a_link(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("precious\n")
    lock = tmp_path / "state" / "lock"
    lock.parent.mkdir()
    lock.symlink_to(tmp_path / name)
    with pytest.raises(HostError, match="cannot be locked") as raised, exclusive(lock, print):
        pass
    assert raised.value.hint == "remove it"
    assert (tmp_path / "file").read_text() == "precious\n"
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("how", [os.mkfifo, Path.mkdir])
def test_a_lock_that_is_no_file_is_reported(tmp_path: Path, how: Callable[[Path], object]) -> None:
    how(tmp_path / "lock")
    with (
        pytest.raises(HostError, match="cannot be locked: "),
        exclusive(tmp_path / "lock", print),
    ):
        pass


def test_a_lock_without_a_number_is_waited_for_without_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its holder has locked the file just now, and is about to write its number."""
    lock, said = tmp_path / "lock", list[str]()
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        def writes_its_number(_: float) -> None:
            lock.write_text(f"{os.getpid()}\n")

        monkeypatch.setattr("time.sleep", writes_its_number)
        with pytest.raises(BusyError, match=f"process {os.getpid()}"), exclusive(lock, said.append):
            pass
    assert said == []


@pytest.mark.parametrize(
    "name", ["dist", "dist/.state", "dist/logs", "dist/sdist", "dist/.state/jobs", "dist/.state/work"]
)
def test_a_file_where_a_folder_must_be_is_named(tmp_path: Path, name: str) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    (checkout / name).parent.mkdir(parents=True, exist_ok=True)
    (checkout / name).write_text("mine\n")
    done = run_ci(checkout, "sdist")
    assert done.returncode == 15, done.stderr
    assert f"{checkout / name}: this must be a folder, and something else is there" in done.stderr
    assert "what to do: remove it or move it away, and run the same command again" in done.stderr
    assert "Errno" not in done.stderr
    assert (checkout / name).read_text() == "mine\n"


@pytest.mark.parametrize("name", ["SHA256SUMS", "logs/sdist.log"])
def test_a_folder_where_a_file_must_be_is_named(tmp_path: Path, name: str) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    (checkout / "dist" / name).mkdir(parents=True)
    done = run_ci(checkout, "sdist")
    assert done.returncode == 15, done.stderr
    assert f"{checkout / 'dist' / name}: Is a directory\nwhat to do: remove it or move it away" in done.stderr


@pytest.mark.parametrize("name", ["release.yaml", "CHANGELOG.md"])
def test_a_huge_text_is_refused_at_once(tmp_path: Path, name: str) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    with (checkout / name).open("a") as file:
        file.write("# " + "x" * 20_000_000 + "\n")
    begun = time.monotonic()
    done = run_ci(checkout, "plan")
    assert done.returncode == 10, done.stderr
    assert f"{name}: cannot be read (it has 20.0 MB, and at most 1 MB are read)" in done.stderr
    assert time.monotonic() - begun < 30


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_run_leaves_nothing_among_the_temporary_files(tmp_path: Path) -> None:
    """Also what a killed run left there goes, when its process is no more."""
    checkout, temporary = copy_checkout(tmp_path / "checkout"), tmp_path / "temporary"
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    stale = temporary / f"faas-runtime-run-{dead.pid}-abc" / "mmdebstrap.123"
    stale.mkdir(parents=True)
    (temporary / "mine").write_text("")
    (temporary / f"faas-runtime-run-{os.getpid()}-abc").mkdir()
    elsewhere = temporary / f"faas-runtime-run-{dead.pid}-def"  # of a run in a container that has this number there
    elsewhere.mkdir()
    descriptor = os.open(elsewhere, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    done = run_ci(checkout, "sdist", env={"TMPDIR": str(temporary)})
    os.close(descriptor)
    assert done.returncode == 0, done.stderr
    assert leftovers(temporary) == sorted([elsewhere.name, f"faas-runtime-run-{os.getpid()}-abc", "mine"])


def test_a_run_holds_the_lock_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with folder_for_temporary_files() as folder:
        descriptor = os.open(folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)
    assert leftovers(tmp_path) == []


def test_an_interrupted_run_leaves_nothing_either(tmp_path: Path) -> None:
    checkout, temporary = copy_checkout(tmp_path / "checkout"), tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "ci", "rpm"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(command, cwd=checkout, env=environment, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        next(line for line in child.stderr if "sdist: started" in line)
        child.send_signal(signal.SIGTERM)
        child.stderr.read()
        assert child.wait(60) == 130
    assert leftovers(temporary) == []
