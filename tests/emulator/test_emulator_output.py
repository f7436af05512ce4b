"""Standard output and standard error: a terminal that shows response, log and prompt, and pipes that nobody reads."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest
from faas_runtime.sandbox.output import WAITING_LIMIT, NonBlockingOutput

from tests.emulator.support import Emulator
from tests.runtime.support import LAUNCHER, PYTHON
from tests.waiting import pause

COMMAND = (*PYTHON, str(LAUNCHER), "invoke")


def test_the_prompt_of_a_terminal_is_on_a_line_of_its_own(emulated: Path) -> None:
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
    ("handler", "variables", "response"),
    [
        ("echo", {}, "{}"),
        ("pieces", {}, "one,two,three"),
        ("echo", {"INIT": "fails"}, '{"errorMessage":"the database is away","errorType":"Function.NoDatabase",'),
    ],
)
def test_log_and_response_on_a_terminal_are_on_separate_lines(
    emulated: Path, handler: str, variables: dict[str, str], response: str
) -> None:
    primary, secondary = pty.openpty()
    subprocess.run(
        [*COMMAND, f"{emulated}.{handler}", "--repeat", "3"],
        stdin=subprocess.DEVNULL, stdout=secondary, stderr=secondary, env=os.environ | variables, check=False,
    )  # fmt: skip
    os.close(secondary)
    lines = read_terminal(primary).splitlines()
    assert [line for line in lines if line.startswith(response)]
    words = ("START RequestId: ", "END RequestId: ", "REPORT RequestId: ", "faas-runtime: ", " " * 16 + "     count")
    for line in lines:
        assert all(line.startswith(word) or word not in line for word in words), line
    assert [line for line in lines if "count" in line]


@pytest.mark.parametrize("is_running", [False, True])
def test_a_response_for_a_slow_reader_is_complete_if_its_pipe_does_not_block(emulated: Path, is_running: bool) -> None:
    """Another process that has the pipe, such as one of Node.js, has set it to non-blocking."""
    event = b'"' + b"x" * (1 << 20) + b'"'  # more than any pipe holds
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with Emulator(f"{emulated}.echo") if is_running else contextlib.nullcontext() as emulator:
        function = ["--function", "f", "--address", f"127.0.0.1:{emulator.port}"] if emulator else [f"{emulated}.echo"]
        with subprocess.Popen(
            [*COMMAND, *function, "--event", "-"], stdin=subprocess.PIPE, stdout=writer, stderr=subprocess.DEVNULL
        ) as process, open(reader, "rb") as output:  # fmt: skip  # noqa: PTH123
            os.close(writer)
            assert process.stdin is not None
            process.stdin.write(event)
            process.stdin.close()
            assert output.read(1) == event[:1]
            pause(0.2)  # it finds the pipe full
            assert output.read() == event[1:]
            assert process.wait() == 0


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_a_log_that_nobody_reads_does_not_stop_the_server(emulated: Path, kind: str) -> None:
    primary, secondary = os.pipe() if kind == "pipe" else pty.openpty()
    event = b'"%b"' % (b"x" * 100_000)
    with Emulator(f"{emulated}.talk", stdout=secondary) as emulator:
        os.close(secondary)
        for _ in range(20):
            assert emulator.invoke(event).body == b'"talked"'
        written = b""
        while b" bytes were left out here, because nobody read them" not in written:
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


def test_a_log_that_nobody_reads_does_not_delay_the_end(emulated: Path) -> None:
    primary, secondary = os.pipe()
    with Emulator(f"{emulated}.talk", stdout=secondary) as emulator:
        os.close(secondary)
        assert emulator.invoke(b'"%b"' % (b"x" * 100_000)).status == 200
        assert emulator.end() == 0
    os.close(primary)


def test_nothing_is_written_ahead_of_what_was_dropped() -> None:
    """Nobody reads for a while: data that is small enough to wait is dropped if larger data before it was."""
    reading, writing = os.pipe()
    output = NonBlockingOutput(writing)
    output.write(b"a" * (WAITING_LIMIT - 1))
    output.write(b"b" * 100)
    output.write(b"c")
    received = b""
    while not received.endswith(b"nobody read them\n"):
        received += os.read(reading, 1 << 16)
    message = b"faas-runtime: 101 bytes were left out here, because nobody read them\n"
    assert received == b"a" * (WAITING_LIMIT - 1) + b"\n" + message
    output.write(b"d\n")
    assert os.read(reading, 100) == b"d\n"
    os.close(reading)
    os.close(writing)


def read_terminal(primary: int) -> str:
    """What was written to a terminal; its other end is closed."""
    written = b""
    with contextlib.suppress(OSError):
        while data := os.read(primary, 65536):
            written += data
    os.close(primary)
    return written.decode()
