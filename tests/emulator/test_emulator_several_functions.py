"""`faas-runtime serve NAME=PROGRAM ...`: several functions, each with its own name, variables and limits."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.executables import make_bootstrap
from tests.emulator.support import Emulator
from tests.runtime.support import LAUNCHER, PYTHON
from tests.waiting import TIMEOUT_S, wait_until


def path(name: str) -> str:
    return f"/2015-03-31/functions/{name}/invocations"


@pytest.fixture
def emulator(emulated: Path, tmp_path: Path) -> Iterator[Emulator]:
    (tmp_path / "all.env").write_text("EXTRA=for all\n")
    (tmp_path / "jobs.env").write_text("EXTRA=for jobs\n")
    bootstrap = make_bootstrap(tmp_path)
    with Emulator(
        f"api={emulated}.context", f"jobs={bootstrap}", f"Slow_1={emulated}.nap",
        "--env-file", f"jobs={tmp_path / 'jobs.env'}", "--env-file", str(tmp_path / "all.env"),
        "--timeout", "1", "--timeout", "api=30", "--timeout", "jobs=20",
        "--concurrency", "3", "--concurrency", "jobs=1",
    ) as emulator:  # fmt: skip
        yield emulator


def test_each_function_has_its_name_its_variables_and_its_limits(emulator: Emulator) -> None:
    api = emulator.invoke(path=path("api")).json
    assert (api["name"], api["extra"]) == ("api", "for all")
    assert api["arn"].endswith(":function:api")
    jobs = emulator.invoke(b"[1]", path=path("jobs")).json
    assert (jobs["event"], jobs["name"], jobs["extra"]) == ([1], "jobs", "for jobs")
    timed_out = emulator.invoke(b"60000", path=path("Slow_1"))
    assert timed_out.json["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert "faas-runtime: Slow_1: request " in emulator.err, "the message names the function"


def test_the_first_one_is_the_default(emulator: Emulator) -> None:
    assert emulator.invoke().json["arn"].endswith(":function:api")
    assert emulator.request("GET", "/", Host="localhost").status == 200
    assert emulator.invoke(path=path("arn:aws:lambda:eu-west-1:123456789012:function:jobs:3")).json["name"] == "jobs"


def test_an_unknown_function_is_not_found(emulator: Emulator) -> None:
    response = emulator.invoke(path=path("nope"))
    assert (response.status, response.headers["x-amzn-errortype"]) == (404, "ResourceNotFoundException")
    arn = "arn:aws:lambda:us-east-1:012345678912:function:nope"
    assert response.json["message"] == f"Function not found: {arn} (there are: api, jobs, Slow_1)"


@pytest.mark.parametrize("host", ["jobs.localhost", "JOBS.localhost:80", "jobs.localhost:8080"])
def test_http_requests_go_to_the_function_that_the_host_names(emulator: Emulator, host: str) -> None:
    found = emulator.request("GET", "/p", Host=host).json
    assert found["name"] == "jobs"
    assert found["event"]["requestContext"]["domainPrefix"].lower() == "jobs"


def test_an_address_names_no_function(emulated: Path) -> None:
    with Emulator(f"api={emulated}.context", f"127={emulated}.context", f"0={emulated}.context") as emulator:
        for host in ("127.0.0.1", "127.0.0.1:8080", "[0::127.0.0.1]:8080", "localhost"):
            assert emulator.request("GET", "/", Host=host).json["name"] == "api"
        assert emulator.request("GET", "/", Host="127.localhost").json["name"] == "127"


def test_health_is_that_of_all(emulator: Emulator, emulated: Path) -> None:
    wait_until(lambda: emulator.request("GET", "/_faas/health").status == 200, "not all of them are ready")
    with Emulator(f"api={emulated}.echo", f"none={emulated}.absent") as broken:
        wait_until(lambda: broken.request("GET", "/_faas/health").json["status"] == "failed", "it does not fail")
        assert broken.request("GET", "/_faas/health").json["error"].startswith("none: ")
        assert broken.invoke(b"1", path=path("api")).body == b"1", "the others work"


def test_all_functions_are_stopped(emulator: Emulator) -> None:
    for name in ("api", "jobs"):
        assert emulator.invoke(path=path(name)).status == 200
    assert emulator.end() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{0}.echo", "{0}.fail"], "has no name; with several functions, each is given as NAME=LIBRARY"),
        (["a={0}.echo", "{0}.fail"], "has no name"),
        (["a={0}.echo", "A={0}.fail"], "two functions are named a; capital letters make no other name"),
        (["function={0}.echo"], "function stands for the first function"),
        (["a="], "names no library"),
        (["a={0}.echo", "--timeout", "b=3"], "--timeout b=3: there is no function 'b'"),
        (["a={0}.echo", "--concurrency", "a=0"], "argument --concurrency: '0' is not a number of at least 1"),
        (["a={0}.echo", "--timeout", "a=soon"], "the timeout is 'soon'"),
        (["a={0}.echo", "--env-file", "a=/nowhere"], "/nowhere: the file of environment variables cannot be read"),
    ],
)
def test_wrong_usage_is_explained(emulated: Path, arguments: list[str], message: str) -> None:
    command = [*PYTHON, str(LAUNCHER), "serve", *(each.format(emulated) for each in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
