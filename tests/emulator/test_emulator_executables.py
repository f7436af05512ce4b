"""`faas-runtime serve EXECUTABLE`: a program that speaks the Runtime API by itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.emulator.executables import make_bootstrap
from tests.emulator.support import Emulator
from tests.runtime.support import LAUNCHER, PYTHON, compile_c
from tests.waiting import TIMEOUT_S


@pytest.fixture
def bootstrap(tmp_path: Path) -> Path:
    return make_bootstrap(tmp_path / "built")


def test_an_executable_is_served_as_a_library_is(bootstrap: Path) -> None:
    with Emulator(str(bootstrap), environment={"EXTRA": "e"}) as emulator:
        assert emulator.err.startswith("faas-runtime: serving bootstrap at http://127.0.0.1:")
        found = emulator.invoke(b'{"a":1}').json
        assert (found["event"], found["name"], found["extra"]) == ({"a": 1}, "test_function", "e")
        assert (found["root"], found["handler"], found["arguments"]) == (str(bootstrap.parent), "bootstrap", [])
        response = emulator.invoke(b'{"fail":"on purpose"}')
        assert response.headers["x-amz-function-error"] == "Unhandled"
        assert response.json == {"errorType": "Function.Asked", "errorMessage": "on purpose"}
        assert emulator.invoke(b'{"end":3}').json["errorType"] == "Runtime.ExitError"
        assert emulator.request("GET", "/path").json["event"]["rawPath"] == "/path"
        assert emulator.out.count("REPORT RequestId") == 4
        assert emulator.end() == 0


def test_a_new_build_is_run_from_where_it_is(bootstrap: Path) -> None:
    """It may need what lies beside it, so it is not copied."""
    with Emulator(str(bootstrap), "--watch", environment={"EXTRA": "e"}) as emulator:
        first = emulator.invoke().json
        replacement = bootstrap.with_suffix(".new")
        replacement.write_text(bootstrap.read_text().replace('"extra": ', '"built": 2, "extra": '))
        replacement.chmod(0o755)
        replacement.replace(bootstrap)
        second = emulator.invoke().json
        assert "built" not in first
        assert (second["built"], second["root"]) == (2, str(bootstrap.parent))
        assert second["pid"] != first["pid"]
        assert emulator.end() == 0
    assert bootstrap.exists()


def test_a_program_may_register_an_internal_extension(bootstrap: Path) -> None:
    """AWS's clients for Go and Rust do, to be told of the end."""
    with Emulator(str(bootstrap), environment={"REGISTERS": "1"}) as emulator:
        assert emulator.invoke(b"[1]").json["event"] == [1]
        assert emulator.out.startswith("registered for test_function\n")
        assert emulator.end() == 0
        assert emulator.out.endswith("shut down\n")


def test_invoke_runs_an_executable_too(bootstrap: Path) -> None:
    command = [*PYTHON, str(LAUNCHER), "invoke", str(bootstrap), "--data", "[7]"]
    done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["event"] == [7]


def test_a_program_that_does_not_speak_the_runtime_api_is_reported(tmp_path: Path) -> None:
    (tmp_path / "ends.c").write_text("int main(void) { return 3; }\n")
    with Emulator(str(compile_c(tmp_path / "ends.c", tmp_path / "ends"))) as emulator:
        response = emulator.invoke()
        assert response.headers["x-amz-function-error"] == "Unhandled"
        assert "exit status 3" in response.json["errorMessage"]


def test_a_file_that_is_not_executable_is_explained(bootstrap: Path) -> None:
    bootstrap.chmod(0o644)
    command = [*PYTHON, str(LAUNCHER), "serve", str(bootstrap)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 2
    assert f"{bootstrap} is neither a library, whose name ends in " in done.stderr
    assert "make it executable" in done.stderr
