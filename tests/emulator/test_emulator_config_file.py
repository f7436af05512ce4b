"""`faas-runtime serve --config FILE`: what the file says, and what is wrong with it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from faas_runtime.emulator import config_file
from faas_runtime.emulator.cli import read_serve
from faas_runtime.emulator.env_file import EnvFiles
from faas_runtime.emulator.options import Executable
from faas_runtime.errors import UsageError
from faas_runtime.library import Handler

from tests.emulator.executables import make_bootstrap
from tests.emulator.support import Emulator
from tests.runtime.support import LAUNCHER, PYTHON, SUFFIX
from tests.waiting import TIMEOUT_S


def write(folder: Path, content: Any) -> Path:
    path = folder / "faas.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_functions_of_a_file_are_served(emulated: Path, tmp_path: Path) -> None:
    make_bootstrap(tmp_path / "built")
    (tmp_path / "jobs.env").write_text("EXTRA=of the file\nOTHER=1\n")
    functions = {
        "api": {"library": f"{emulated}.context", "environment": {"EXTRA": "grün"}},
        "jobs": {
            "executable": "built/bootstrap", "arguments": ["a", "b c"],
            "environmentFile": "jobs.env", "environment": {"OTHER": "2"}, "timeout": 20, "concurrency": 1,
        },
    }  # fmt: skip
    with Emulator("--config", str(write(tmp_path, {"functions": functions}))) as emulator:
        api = emulator.invoke().json
        assert (api["name"], api["extra"]) == ("api", "grün")
        jobs = emulator.invoke(path="/2015-03-31/functions/jobs/invocations").json
        assert (jobs["name"], jobs["extra"], jobs["arguments"]) == ("jobs", "of the file", ["a", "b c"])
        assert jobs["root"] == str(tmp_path / "built")


def test_paths_are_relative_to_the_file_and_the_command_line_counts_more(tmp_path: Path) -> None:
    entries = {
        "a": {"library": f"target/liba{SUFFIX}", "timeout": 5, "concurrency": 2},
        "b": {"executable": "not/built/yet"},
        "c": {"library": "mine.go"},
    }
    path = write(tmp_path, {"functions": entries})
    a, b, c = read_serve(["--config", str(path), "--timeout", "a=7", "--concurrency", "c=4"], {}).functions
    assert isinstance(a.program, Handler)
    assert a.program.paths == [str(tmp_path / "target" / f"liba{SUFFIX}")]
    assert (a.timeout_s, a.concurrency, a.environment["_HANDLER"]) == (7, 2, "a.handle")
    assert isinstance(b.program, Executable)
    assert (b.program.path, b.timeout_s, b.concurrency) == (str(tmp_path / "not" / "built" / "yet"), 300, 10)
    assert isinstance(c.program, Handler)
    assert c.program.paths[0] == str(tmp_path / f"libmine{SUFFIX}")
    assert (c.program.symbol, c.concurrency, c.environment["LAMBDA_TASK_ROOT"]) == ("go", 4, str(tmp_path))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("[1,", ":1:4: it is not JSON: Expecting value"),
        ('{"functions": {"a": 1, "a": 2}}', ": the key 'a' is there twice in one object"),
        ("[" * 200000 + "]" * 200000, ": it is nested too deeply for the emulator"),
        ([], ": the file: is []; expected an object"),
        ({}, ": functions: is missing; expected an object with a key for each function"),
        ({"functions": {}}, ": functions: is empty"),
        ({"functions": {"a": 3}}, ": functions.a: is 3; expected an object"),
        ({"functions": {"a": {}}}, ": functions.a: needs either library or executable"),
        (
            {"functions": {"a": {"library": "l", "executable": "e"}}},
            ": functions.a: needs either library or executable",
        ),
        ({"functions": {"a b": {"library": "l"}}}, ": functions.a b: 'a b' cannot be the name of a function"),
        ({"functions": {"function": {"library": "l"}}}, ": functions.function: function stands for the first function"),
        ({"functions": {"a": {"library": ""}}}, ': functions.a.library: is ""; expected a text'),
        (
            {"functions": {"a": {"library": "l", "timeout": "soon"}}},
            ': functions.a.timeout: is "soon"; expected',
        ),
        (
            '{"functions": {"a": {"library": "l", "timeout": 1e400}}}',
            ": functions.a.timeout: is Infinity; expected a number of seconds above 0 and up to 86400 (a day)",
        ),
        ({"functions": {"a": {"library": "l", "timeout": 100000}}}, ": functions.a.timeout: is 100000; expected a num"),
        ({"functions": {"a": {"library": "l", "timeout": True}}}, ": functions.a.timeout: is true; expected a number"),
        ({"functions": {"a": {"library": "l", "concurrency": 0}}}, ": functions.a.concurrency: is 0; expected a whole"),
        ({"functions": {"a": {"library": "l", "arguments": []}}}, ": functions.a.arguments: is for an executable only"),
        (
            {"functions": {"a": {"executable": "e", "arguments": [1]}}},
            ": functions.a.arguments: is [1]; exp",
        ),
        (
            {"functions": {"a": {"library": "l", "tmeout": 3}}},
            ": functions.a.tmeout: is not a key; the keys",
        ),
        (
            {"functions": {"a": {"library": "l", "environment": {"N": 3}}}},
            ": functions.a.environment.N: is a number",
        ),
        ({"functions": {"a": {"library": "l", "environment": {"=": ""}}}}, ": functions.a.environment: '=' cannot be"),
        ({"functions": {"a": {"library": "l", "environmentFile": "no"}}}, ": functions.a.environmentFile: "),
        ({"functions": {"a": {"library": "l"}}, "port": 1}, ": port: is not a key; the keys are functions"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_fault_is_reported_with_the_path_of_its_key(tmp_path: Path, content: Any, fault: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(UsageError) as raised:
        config_file.read(str(path), EnvFiles())
    assert str(raised.value).startswith(f"{path}{fault}")


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    entries = {"a": {"timeout": -1}, "A": {"library": "l", "x": 1}}
    with pytest.raises(UsageError) as raised:
        config_file.read(str(write(tmp_path, {"functions": entries})), EnvFiles())
    keys = [line.split(": ")[1] for line in str(raised.value).splitlines()]
    assert keys == ["functions.a", "functions.a", "functions.a.timeout", "functions.A", "functions.A.x"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"environment": {"AWS_LAMBDA_FUNCTION_TIMEOUT": "1e6"}},
            "the timeout is '1e6'; set it to a number of seconds",
        ),
        ({"environment": {"AWS_REGION": "a b"}}, "AWS_REGION is 'a b'; set it to a region"),
    ],
)
def test_a_value_that_lambda_does_not_have_is_reported_with_its_function(
    tmp_path: Path, entry: dict[str, Any], message: str
) -> None:
    path = write(tmp_path, {"functions": {"a": {"library": "mine.handle", **entry}}})
    with pytest.raises(UsageError) as raised:
        read_serve(["--config", str(path)], {})
    assert str(raised.value).startswith(f"{path}: functions.a: {message}")


def test_wrong_usage_is_explained(tmp_path: Path) -> None:
    for arguments, message in (
        (["--config", "/nowhere.json"], "/nowhere.json: the file of functions cannot be read: No such file"),
        (["--config", "/nowhere.json", "mine.handle"], "--config names the functions; leave out 'mine.handle'"),
        (["--config", ""], "--config has an empty value"),
    ):
        command = [*PYTHON, str(LAUNCHER), "serve", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        assert done.returncode == 2
        assert message in done.stderr
