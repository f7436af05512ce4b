"""Terminals, where answers, log and prompt of `faas-runtime invoke` meet, and outputs of `serve` that nobody reads."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.emulator.support import Emulator, wait_for
from tests.runtime.support import LAUNCHER, PYTHON

COMMAND = (*PYTHON, str(LAUNCHER), "invoke")


def test_terminal_gets_its_prompt_on_a_line_of_its_own(emulated: Path) -> None:
    for event, expected in ((b'"x"', b'"x"\r\n'), (b'"x"\n', b'"x"\r\n')):
        primary, secondary = pty.openpty()
        done = subprocess.run(
            [*COMMAND, f"{emulated}.echo", "--event", "-"],
            input=event, stdout=secondary, stderr=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        assert done.returncode == 0
        assert os.read(primary, 100) == expected
        os.close(primary)
        os.close(secondary)


@pytest.mark.parametrize(
    ("handler", "variables", "answer"),
    [
        ("echo", {}, "{}"),
        ("pieces", {}, "one,two,three"),
        ("echo", {"INIT": "fails"}, '{"errorMessage":"the database is away","errorType":"Function.NoDatabase",'),
    ],
)
def test_log_and_answer_on_one_terminal_have_lines_of_their_own(
    emulated: Path, handler: str, variables: dict[str, str], answer: str
) -> None:
    primary, secondary = pty.openpty()
    subprocess.run(
        [*COMMAND, f"{emulated}.{handler}", "--repeat", "3"],
        stdin=subprocess.DEVNULL, stdout=secondary, stderr=secondary, env=os.environ | variables, check=False,
    )  # fmt: skip
    os.close(secondary)
    lines = read_terminal(primary).splitlines()
    assert [line for line in lines if line.startswith(answer)]
    words = ("START RequestId: ", "END RequestId: ", "REPORT RequestId: ", "faas-runtime: ", " " * 16 + "     count")
    for line in lines:
        assert all(line.startswith(word) or word not in line for word in words), line
    assert [line for line in lines if "count" in line]


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_whoever_stops_reading_the_log_does_not_stop_the_server(emulated: Path, kind: str) -> None:
    primary, secondary = os.pipe() if kind == "pipe" else pty.openpty()
    event = b'"%b"' % (b"x" * 100_000)
    with Emulator(f"{emulated}.talk", stdout=secondary) as emulator:
        os.close(secondary)
        for _ in range(20):
            assert emulator.invoke(event).body == b'"talked"'
        wait_for(lambda: _is_idle(emulator), "it is not idle")
        written = b""
        while b" bytes were left out here, as nobody read them" not in written:
            written += os.read(primary, 65536)
        found = re.search(rb"faas-runtime: ([0-9]+) bytes were left out", written)
        assert found
        assert 800_000 < int(found[1]) < 1_100_000
        assert b"START RequestId: " in written[:100]
        assert emulator.invoke(b"1").body == b'"talked"'
        while b"out: 1" not in written or not written.rpartition(b"out: 1")[2].count(b"REPORT"):
            written += os.read(primary, 65536)
        os.close(primary)
        assert emulator.invoke(b"1").body == b'"talked"'
        assert emulator.invoke(b"1").body == b'"talked"'


def test_the_end_does_not_wait_for_whoever_reads_the_log(emulated: Path) -> None:
    primary, secondary = os.pipe()
    with Emulator(f"{emulated}.talk", stdout=secondary) as emulator:
        os.close(secondary)
        assert emulator.invoke(b'"%b"' % (b"x" * 100_000)).status == 200
        assert emulator.end() == 0
    os.close(primary)


def _is_idle(emulator: Emulator) -> bool:
    before = _ticks_used(emulator)
    time.sleep(0.5)
    return _ticks_used(emulator) <= before + 1


def _ticks_used(emulator: Emulator) -> int:
    """The processor time that it has used, in hundredths of a second (Linux)."""
    stat = Path(f"/proc/{emulator.process.pid}/stat")
    return sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13])) if stat.exists() else 0


def read_terminal(primary: int) -> str:
    """What was written to a terminal whose other end is closed."""
    written = b""
    with contextlib.suppress(OSError):
        while data := os.read(primary, 65536):
            written += data
    os.close(primary)
    return written.decode()
