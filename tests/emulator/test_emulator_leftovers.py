"""Processes that a function leaves behind, and the memory that ended processes have used."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.emulator.support import Emulator, lives, refuses
from tests.runtime.support import LAUNCHER, PYTHON
from tests.waiting import TIMEOUT_S, wait_until

Serve = Callable[..., Emulator]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="subreapers and /proc are of Linux")
DAEMON = re.compile(r"daemon ([0-9]+)\.")


def reported_mb(text: str) -> int:
    return int(re.findall(r"Max Memory Used: ([0-9]+) MB", text)[-1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_daemons_do_not_outlive_serve(serve: Serve, number: int) -> None:
    emulator = serve("daemonise", "--concurrency", "2")
    daemons = [emulator.invoke(b"0").json for _ in range(3)]
    assert all(map(lives, daemons))
    assert emulator.end(number) == 0
    assert not any(map(lives, daemons))


def test_daemons_do_not_outlive_a_second_signal(serve: Serve) -> None:
    emulator = serve("daemonise", SHUTDOWN="hangs")
    daemon = emulator.invoke(b"0").json
    emulator.process.send_signal(signal.SIGTERM)
    wait_until(lambda: refuses(emulator.port), "it listens")
    assert emulator.end() == 128 + signal.SIGTERM
    wait_until(lambda: not lives(daemon), "the daemon lives")


def test_daemons_of_a_process_that_crashed_do_not_outlive_serve(serve: Serve) -> None:
    emulator = serve("daemonise")
    assert emulator.invoke(b"1").headers["x-amz-function-error"] == "Unhandled"
    daemon = int(DAEMON.findall(emulator.err)[0])
    assert emulator.end() == 0
    assert not lives(daemon)


def test_daemons_do_not_outlive_invoke(emulated: Path) -> None:
    command = [*PYTHON, str(LAUNCHER), "invoke", f"{emulated}.daemonise"]
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0
    assert not lives(int(done.stdout))


SIDECARS = """
sleep 600 > /dev/null 2>&1 & echo $! > child
setsid sleep 600 > /dev/null 2>&1 & echo $! > session
(sleep 600 > /dev/null 2>&1 & echo $! > orphan; until [ -e over ]; do sleep 0.01; done) > /dev/null & echo $! > parent
exec "$@"
"""


@pytest.fixture
def sidecars(tmp_path: Path) -> Iterator[Path]:
    """A folder for the ids of processes that a shell starts before it becomes the emulator."""
    yield tmp_path
    (tmp_path / "over").touch()
    for name in ("child", "session", "orphan"):
        if (tmp_path / name).exists():
            with suppress(ProcessLookupError):
                os.kill(read_pid(tmp_path / name), signal.SIGKILL)


def read_pid(file: Path) -> int:
    return int(file.read_text())


def test_what_serve_has_inherited_outlives_it(emulated: Path, sidecars: Path) -> None:
    """Such as a database that the entry point of a container starts, or `tee` for the log."""
    before = ("/bin/sh", "-c", SIDECARS, "sh")
    with Emulator(f"{emulated}.daemonise", before=before, cwd=sidecars) as emulator:
        daemon = emulator.invoke(b"0").json
        (sidecars / "over").touch()
        orphan, parent = read_pid(sidecars / "orphan"), read_pid(sidecars / "parent")
        wait_until(lambda: not lives(parent) and orphan in emulator.children, "there is no orphan of a sidecar")
        assert emulator.end() == 0
        assert [lives(read_pid(sidecars / name)) for name in ("child", "session", "orphan")] == [True] * 3
        assert not lives(daemon)


def test_what_invoke_has_inherited_outlives_it(emulated: Path, sidecars: Path) -> None:
    command = ["/bin/sh", "-c", SIDECARS, "sh", *PYTHON, str(LAUNCHER), "invoke", f"{emulated}.daemonise"]
    done = subprocess.run(
        command, cwd=sidecars, env={"PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert [lives(read_pid(sidecars / name)) for name in ("child", "session", "orphan")] == [True] * 3


@pytest.mark.parametrize(("size", "limits"), [(-300, (280, 400)), (-100, (90, 200))])
def test_the_memory_of_a_process_that_has_exited(serve: Serve, size: int, limits: tuple[int, int]) -> None:
    emulator = serve("hoard")
    for _ in range(2):
        emulator.invoke(str(size).encode())
    wait_until(lambda: emulator.out.count("REPORT") == 2, "no REPORT")
    found = [int(each) for each in re.findall(r"Max Memory Used: ([0-9]+) MB", emulator.out)]
    assert all(limits[0] <= each <= limits[1] for each in found), found


def test_the_memory_is_not_that_of_what_has_started_the_emulator(emulated: Path) -> None:
    large = "import os, sys; x = b'x' * 300_000_000; os.execvp(sys.argv[1], sys.argv[1:])"
    with Emulator(f"{emulated}.hoard", before=(sys.executable, "-c", large)) as emulator:
        emulator.invoke(b"-100")
        wait_until(lambda: "REPORT" in emulator.out, "no REPORT")
        assert 90 <= reported_mb(emulator.out) <= 200


def test_the_memory_is_that_of_each_process(serve: Serve) -> None:
    """A small process after a large one."""
    emulator = serve("hoard")
    emulator.invoke(b"-300")
    emulator.invoke(b"-80")
    wait_until(lambda: emulator.out.count("REPORT") == 2, "no REPORT")
    assert 80 <= reported_mb(emulator.out) <= 150


def test_the_memory_after_a_time_out(serve: Serve) -> None:
    emulator = serve("hoard", "--timeout", "3")
    emulator.invoke(b"200")
    assert 190 <= reported_mb(emulator.out) <= 300


def test_the_memory_that_invoke_reports(emulated: Path) -> None:
    command = [*PYTHON, str(LAUNCHER), "invoke", f"{emulated}.hoard", "--event", "-"]
    done = subprocess.run(
        command,
        input="-300",
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 7
    assert 280 <= reported_mb(done.stderr) <= 400


EMPTY = [
    ("invoke", "--event"),
    ("invoke", "--sample"),
    ("invoke", "--env-file"),
    ("invoke", "--timeout"),
    ("invoke", "--repeat"),
    ("serve", "--host"),
    ("serve", "--port"),
    ("serve", "--env-file"),
    ("serve", "--timeout"),
    ("serve", "--concurrency"),
    ("serve", "--cors"),
]


@pytest.mark.parametrize(("command", "option"), EMPTY)
def test_an_option_without_a_value_is_refused(emulated: Path, command: str, option: str) -> None:
    """Such as an unset variable of a shell: `--event "$EVENT"`."""
    done = subprocess.run(
        [*PYTHON, str(LAUNCHER), command, f"{emulated}.echo", option, ""],
        env={"PATH": os.environ["PATH"]}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert option.lstrip("-") in done.stderr
    assert "START" not in done.stderr
