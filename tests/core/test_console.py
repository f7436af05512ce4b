"""The console: what a table shows in a terminal that is too narrow for it."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest

from ci.core.console import Console
from tests.support import ROOT


class Terminal(io.StringIO):
    """A standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_narrow_terminal_shows_every_character_of_a_table(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two names that differ only at their ends must not look the same."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    names = [f"mingw-w64-clang-{machine}-faas-runtime-0.1.0-1-any.pkg.tar.zst" for machine in ("x86_64", "aarch64")]
    reason = "base registry.example/an-organisation/a-very-long-name-of-an-image:10.2 is not available"
    Console().table("Plan", ["kind", "artifact", ">size", "reason"], [["msys2", name, "9 B", reason] for name in names])
    shown = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
    lines = shown.splitlines()
    assert all(len(line) <= columns for line in lines)
    start = lines[1].index("artifact")
    end = lines[1].index("size")
    in_column = "".join(line[start:end].split(" ")[0] for line in lines[2:])
    assert in_column == "".join(names)


def test_half_a_character_is_shown_as_an_escape() -> None:
    """JSON can hold one, and no encoding can. Standard output takes it, whatever its own settings are."""
    code = "from ci import __main__ as program; program._name_standard_output(); print('\\ud800 \\udcff')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "\\ud800 \\udcff\n"


def test_a_table_without_rows_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    Console().table("Sizes of the images", ["image", ">unpacked"], [])
    assert capsys.readouterr().out == ""


def test_a_remark_of_several_jobs_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.begin(4)
    for job in ("verify-a", "verify-b"):
        console.finished(job, "not run", "1.0 s", remark="no engine runs containers here")
    console.finished("verify-c", "done", "2.0 s")
    console.finished("verify-d", "done", "2.0 s")
    assert capsys.readouterr().err.splitlines() == [
        "[1/4] verify-a: not run (1.0 s; no engine runs containers here)",
        "[2/4] verify-b: not run (1.0 s; see verify-a)",
        "[3/4] verify-c: done (2.0 s)",
        "[4/4] verify-d: done (2.0 s)",
    ]
