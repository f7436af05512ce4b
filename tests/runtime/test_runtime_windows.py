"""What is different on Windows, as far as it can be tested on other systems."""

from __future__ import annotations

import _ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
from faas_runtime import command_line, library
from faas_runtime.binary import inspection
from faas_runtime.commands import check

from tests.runtime.support import FUNCTIONS, PYTHON, RUNTIME, SUFFIX, compile_library
from tests.waiting import TIMEOUT_S

ACCESS_VIOLATION = 0xC0000005


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a piece of Python that finds the runtime."""
    start = f"import sys; sys.path.insert(0, {str(RUNTIME)!r})\n"
    return subprocess.run(
        [*PYTHON, "-c", start + code, *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def test_a_crash_that_python_raises_ends_the_process() -> None:
    """A `_ctypes` built by Microsoft's compiler raises an OSError. No clean-up code may run after it."""
    done = run(
        "import atexit; from faas_runtime.function import _ending_on_crash\n"
        "def crash(*arguments): raise OSError('exception: access violation reading 0x0')\n"
        "try: _ending_on_crash(crash)(1, 2)\n"
        "finally: print('tidied up')\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (ACCESS_VIOLATION & 0xFF, "", "")


def test_dependencies_are_searched_in_path_too(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def load(path: str, flags: int) -> int:
        calls.append((path, flags))
        if flags & 0x1000:  # LOAD_LIBRARY_SEARCH_DEFAULT_DIRS
            raise FileNotFoundError(f"Could not find module '{path}' (or one of its dependencies).")
        return 7

    monkeypatch.setattr(_ctypes, "LoadLibrary", load, raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    assert library._open("C:/task/libx.dll") == 7
    assert calls == [("C:\\task\\libx.dll", 0x1100), ("C:\\task\\libx.dll", 0x8)]


def test_the_processor_is_that_of_the_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows on ARM runs interpreters for other processors, and `platform` would name its own."""
    program = tmp_path / "python.exe"
    program.write_bytes(b"MZ".ljust(0x3C, b"\0") + b"\x40\0\0\0" + b"PE\0\0" + b"\x64\xaa" + bytes(18))
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "executable", str(program))
    assert inspection.this_machine().description == "PE, aarch64"


def test_a_crash_on_loading_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(check, "_load", lambda *_: ACCESS_VIOLATION)
    assert check.check("libx.dll") == 1
    assert capsys.readouterr().out.startswith("WRONG: loading it crashed: exception 0xc0000005\n")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (127, "a symbol that is defined nowhere"),
        (998, "Code that runs on loading it failed"),
        (1114, "Code that runs on loading it failed"),
    ],
)
def test_errors_of_the_loader_are_recognised_by_their_number(tmp_path: Path, error: int, told: str) -> None:
    path = compile_library(FUNCTIONS / "probe.c", tmp_path)
    assert told in inspection.why_not_loadable(str(path), f"[WinError {error}] localised")


@pytest.mark.parametrize(("separator", "other"), [("\\", "/"), ("/", "\\")])
def test_either_slash_separates_folders(monkeypatch: pytest.MonkeyPatch, separator: str, other: str) -> None:
    """In MSYS2's shells, MSYS2's Python uses the other slash as its separator."""
    monkeypatch.setattr(os, "sep", separator)
    monkeypatch.setattr(os, "altsep", other)
    names = (".\\mine.dll", "./mine.dll", "mine.handle")
    assert [command_line.has_folder(name) for name in names] == [True, True, False]


def test_names_that_the_output_cannot_encode(tmp_path: Path) -> None:
    """Windows' code pages lack most characters; `check` still has to print its result."""
    folder = tmp_path / "日本"
    folder.mkdir()
    path = compile_library(FUNCTIONS / "probe.c", folder)
    done = run(
        "import io; sys.stdout = io.TextIOWrapper(open(1, 'wb', closefd=False), 'cp1252')\n"
        "from faas_runtime.commands.check import inspect; inspect(*sys.argv[1:])\n",
        f"{path}.echo",
        str(folder),
    )
    assert done.returncode == check.RUNS, done.stderr
    assert done.stdout.splitlines()[0] == f"library: {tmp_path}/\\u65e5\\u672c/libprobe{SUFFIX}"
