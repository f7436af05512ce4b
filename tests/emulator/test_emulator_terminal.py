"""`faas-runtime invoke` on a terminal, where answers, log and prompt meet."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
from pathlib import Path

import pytest

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


def read_terminal(primary: int) -> str:
    """What was written to a terminal whose other end is closed."""
    written = b""
    with contextlib.suppress(OSError):
        while data := os.read(primary, 65536):
            written += data
    os.close(primary)
    return written.decode()
