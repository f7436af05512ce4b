"""One `serve` with a library, a program in Rust and a script: no invocation is lost or answered by another function."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.cache import kept, key_of
from tests.emulator.executables import make_bootstrap
from tests.emulator.support import Emulator
from tests.support import ROOT, program
from tests.waiting import TIMEOUT_S

CRATE = ROOT / "ci" / "bench" / "native" / "rust-echo"
CALLERS = 16


def rust_echo() -> Path:
    """AWS's runtime for Rust with a function that answers with its event, built once."""
    sources = (CRATE / "Cargo.toml", CRATE / "Cargo.lock", *sorted((CRATE / "src").rglob("*.rs")))

    def build(target: Path) -> None:
        command = (program("cargo"), "build", "--quiet", "--release", "--locked", "--target-dir", str(target))
        variables = {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}
        subprocess.run(command, cwd=CRATE, env=variables, check=True)

    return kept("rust-echo", key_of(*sources), build) / "release" / "rust-echo"


def config(folder: Path, functions: Mapping[str, Any]) -> str:
    path = folder / "faas.json"
    path.write_text(json.dumps({"functions": functions}))
    return str(path)


def ask(port: int, caller: int, names: tuple[str, ...], each: int) -> Counter[str]:
    """Invoke the functions in turn over one connection, and compare each answer; returns how often each answered."""
    answered: Counter[str] = Counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        for count in range(each):
            name = names[(caller + count) % len(names)]
            event = {"to": name, "caller": caller, "count": count, "text": "x" * (count % 50)}
            connection.request("POST", f"/2015-03-31/functions/{name}/invocations", json.dumps(event).encode())
            response = connection.getresponse()
            found = json.loads(response.read())
            assert (response.status, response.headers["X-Amz-Function-Error"]) == (200, None), found
            if name == "script":
                assert (found["event"], found["name"]) == (event, name)
            else:
                assert found == event
            answered[name] += 1
    return answered


def ask_all(emulator: Emulator, names: tuple[str, ...], invocations: int) -> Counter[str]:
    """Invoke from all callers at once."""
    with ThreadPoolExecutor(CALLERS) as executor:
        shares = [invocations // CALLERS] * CALLERS
        asking = [executor.submit(ask, emulator.port, number, names, share) for number, share in enumerate(shares)]
        return sum((each.result() for each in asking), Counter())


def check_all_answered(emulator: Emulator, answered: Counter[str], names: tuple[str, ...], invocations: int) -> None:
    assert answered.total() == invocations
    assert set(answered) == set(names)
    assert emulator.end() == 0
    ended = [line.split("\t")[0] for line in emulator.out.splitlines() if line.startswith("REPORT ")]
    assert len(ended) == len(set(ended)) == invocations, "each invocation is reported once"


def test_hundreds_of_invocations_at_once_reach_their_functions(emulated: Path, tmp_path: Path) -> None:
    names = ("library", "other", "script")
    script = {"executable": str(make_bootstrap(tmp_path)), "concurrency": 2}
    functions = {"library": {"library": f"{emulated}.echo"}, "other": {"library": f"{emulated}.echo"}, "script": script}
    with Emulator("--config", config(tmp_path, functions), "--concurrency", "library=2") as emulator:
        answered = ask_all(emulator, names, 320)
        check_all_answered(emulator, answered, names, 320)


@pytest.mark.long
def test_ten_thousand_invocations_of_a_library_a_rust_program_and_a_script(emulated: Path, tmp_path: Path) -> None:
    names = ("library", "rust", "script")
    functions = {
        "library": {"library": f"{emulated}.echo", "concurrency": 4},
        "rust": {"executable": str(rust_echo()), "concurrency": 4},
        "script": {"executable": str(make_bootstrap(tmp_path)), "concurrency": 4},
    }
    with Emulator("--config", config(tmp_path, functions)) as emulator:
        answered = ask_all(emulator, names, 10_000)
        check_all_answered(emulator, answered, names, 10_000)
