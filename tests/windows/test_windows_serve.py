"""`serve` on a Windows Python under wine, which stands in for Windows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.emulator.support import Emulator
from tests.windows.support import ACCESS_VIOLATION, FUNCTIONS, compile_dll

pytestmark = pytest.mark.long


def test_a_crash_is_reported_and_another_process_answers(serve: Callable[..., Emulator], functions: Path) -> None:
    emulator = serve(functions / "libshown.dll", "fall")
    first = emulator.invoke(b"0")
    assert first.status == 200, first
    crashed = emulator.invoke(b"1")
    assert (crashed.headers["x-amz-function-error"], crashed.json["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert f"exit status {ACCESS_VIOLATION:#x}" in crashed.json["errorMessage"]
    second = emulator.invoke(b"0")
    assert second.status == 200, second
    assert second.json != first.json
    assert "shut down" not in emulator.err


def test_a_library_that_is_built_again_answers(serve: Callable[..., Emulator], functions: Path, tmp_path: Path) -> None:
    builds = {number: tmp_path / f"{number}.dll" for number in (1, 2)}
    for number, path in builds.items():
        compile_dll(FUNCTIONS / "shown.c", path, f'-DBUILD="{number}"')
    library = Path(shutil.copyfile(builds[1], tmp_path / "libmine.dll"))
    emulator = serve(library, "build", "--watch")
    assert emulator.invoke().json == "1"
    for number in (2, 1):
        shutil.copyfile(builds[number], library)
        assert emulator.invoke().json == str(number)
