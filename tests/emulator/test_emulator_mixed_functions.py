"""One `serve` with a library, a program in Rust and a script: no invocation is lost or answered by another function."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.emulator.executables import make_bootstrap
from tests.emulator.mixed import ask_all, check_all_answered, config, rust_echo
from tests.emulator.support import Emulator

CALLERS = 16


def test_hundreds_of_invocations_at_once_reach_their_functions(emulated: Path, tmp_path: Path) -> None:
    names = ("library", "other", "script")
    script = {"executable": str(make_bootstrap(tmp_path)), "concurrency": 2}
    functions = {"library": {"library": f"{emulated}.echo"}, "other": {"library": f"{emulated}.echo"}, "script": script}
    with Emulator("--config", config(tmp_path, functions), "--concurrency", "library=2") as emulator:
        answers = ask_all(emulator.port, CALLERS, names, 320 // CALLERS)
        check_all_answered(emulator, answers, names, 320)


@pytest.mark.long
def test_ten_thousand_invocations_of_a_library_a_rust_program_and_a_script(emulated: Path, tmp_path: Path) -> None:
    names = ("library", "rust", "script")
    functions = {
        "library": {"library": f"{emulated}.echo", "concurrency": 4},
        "rust": {"executable": str(rust_echo()), "concurrency": 4},
        "script": {"executable": str(make_bootstrap(tmp_path)), "concurrency": 4},
    }
    with Emulator("--config", config(tmp_path, functions)) as emulator:
        answers = ask_all(emulator.port, CALLERS, names, 10_000 // CALLERS)
        check_all_answered(emulator, answers, names, 10_000)
