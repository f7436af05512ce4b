"""One `serve` with an axum application, a program in Rust and one in Go; boto3, aws, curl and plain HTTP at once."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.emulator.mixed import (
    CUT_OFF,
    ask_all,
    check_all_answered,
    check_each_reported,
    config,
    go_bootstrap,
    rust_echo,
)
from tests.emulator.mixed_events import WEB, Asked, CallerAnswer
from tests.emulator.support import Emulator, FunctionGate, lives
from tests.emulator.test_emulator_aws_clients import clients, run_client
from tests.rust_examples import library, library_without_stream
from tests.support import program
from tests.waiting import TIMEOUT_S, wait_until

pytestmark = pytest.mark.long
__all__ = ["clients"]  # a fixture
NAMES = ("go", "rust", WEB)
RAW, BOTO3, CURL, AWS = 8, 4, 3, 1
"""How many callers of each kind there are; 16 in all."""


def serve_all(folder: Path, *options: str) -> Emulator:
    """Serve the three functions. The application is not the default one, so its host name counts."""
    has_stream = "alb" not in options
    web = library(f"{WEB}app") if has_stream else library_without_stream(f"{WEB}app", folder / "crate")
    functions = {
        "go": {"executable": str(go_bootstrap()), "concurrency": 4},
        "rust": {"executable": str(rust_echo()), "concurrency": 4},
        WEB: {"library": f"{web}.app", "concurrency": 4},
    }
    return Emulator("--config", config(folder, functions), *options)


def ask_with_boto3(clients: Path, port: int, each: int, http_format: str) -> list[CallerAnswer]:
    numbers = (str(BOTO3), str(each))
    command = ("-m", "tests.emulator.boto3_callers", f"http://127.0.0.1:{port}", *numbers, http_format, *NAMES)
    return [CallerAnswer(*each) for each in json.loads(run_client(clients, *command))]


def ask_with_curl(port: int, caller: str, each: int) -> list[CallerAnswer]:
    """Ask the application over HTTP, by its host name."""
    curl = (program("curl"), "--silent", "--show-error", "--fail", "--noproxy", "*")
    for count in range(each):
        asked = Asked(WEB, caller, count)
        command = (*curl, "--user-agent", asked.agent, f"http://{WEB}.localhost:{port}{asked.target}")
        asked.check_body(subprocess.run(command, capture_output=True, check=True, timeout=TIMEOUT_S).stdout)
    return [CallerAnswer(WEB, "", None)] * each


def ask_with_aws(clients: Path, folder: Path, port: int, each: int, http_format: str) -> list[CallerAnswer]:
    answers = []
    for count in range(each):
        asked = Asked(NAMES[count % len(NAMES)], "aws", count)
        options = ("--endpoint-url", f"http://127.0.0.1:{port}", "--function-name", asked.to)
        event, file = json.dumps(asked.event(http_format)), folder / "aws.out"
        printed = run_client(clients, "-m", "awscli", "lambda", "invoke", *options, f"--payload={event}", str(file))
        assert "FunctionError" not in json.loads(printed), file.read_text()
        asked.check(file.read_bytes(), http_format)
        answers.append(CallerAnswer(asked.to, "", None))
    return answers


def ask_from_everywhere(
    clients: Path, folder: Path, emulator: Emulator, each: tuple[int, int, int, int], http_format: str = "2.0"
) -> list[CallerAnswer]:
    """Invoke with all clients at once; `each`: how often a caller does, with HTTP, boto3, curl and aws."""
    raw, boto3, curl, aws = each
    port = emulator.port
    with ThreadPoolExecutor(2 + CURL + AWS) as executor:
        asking = [
            executor.submit(ask_all, port, RAW, NAMES, raw, http_format),
            executor.submit(ask_with_boto3, clients, port, boto3, http_format),
            executor.submit(ask_with_aws, clients, folder, port, aws, http_format),
            *(executor.submit(ask_with_curl, port, f"curl{number}", curl) for number in range(CURL)),
        ]
        return [answer for each_one in asking for answer in each_one.result()]


def test_ten_thousand_invocations_by_four_clients_reach_their_functions(clients: Path, tmp_path: Path) -> None:
    each = (957, 500, 108, 20)
    assert RAW * each[0] + BOTO3 * each[1] + CURL * each[2] + AWS * each[3] == 10_000
    with serve_all(tmp_path) as emulator:
        answers = ask_from_everywhere(clients, tmp_path, emulator, each)
        check_all_answered(emulator, answers, NAMES, 10_000)


@pytest.mark.parametrize("http_format", ["1.0", "alb"])
def test_the_application_answers_in_the_other_formats(clients: Path, tmp_path: Path, http_format: str) -> None:
    each = (60, 20, 10, 3)
    with serve_all(tmp_path, "--http", http_format) as emulator:
        answers = ask_from_everywhere(clients, tmp_path, emulator, each, http_format)
        check_all_answered(emulator, answers, NAMES, RAW * 60 + BOTO3 * 20 + CURL * 10 + AWS * 3)


def processes_of(emulator: Emulator, name: str) -> list[int]:
    """The running processes of a function."""
    found = []
    for pid in emulator.children:
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if f"AWS_LAMBDA_FUNCTION_NAME={name}".encode() in variables:
            found.append(pid)
    return found


def kill_one(emulator: Emulator, name: str) -> None:
    """Kill a process of a function, and wait until it is gone."""
    wait_until(lambda: processes_of(emulator, name), f"{name} has no process")
    pid = processes_of(emulator, name)[0]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not lives(pid), f"process {pid} lives")


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_process_fails_the_invocation_that_it_had_and_no_other(tmp_path: Path, name: str) -> None:
    kills, each = 5, 180
    with serve_all(tmp_path) as emulator, ThreadPoolExecutor(1) as executor:
        asking = executor.submit(ask_all, emulator.port, RAW, NAMES, each)
        for number in range(kills):
            wait_until(lambda: emulator.out.count("REPORT ") > 100 * (number + 1))  # noqa: B023, it is called at once
            kill_one(emulator, name)
        answers = asking.result()
        failed = [answer for answer in answers if answer.error]
        assert {answer.to for answer in failed} <= {name}
        assert len(failed) <= kills
        for answer in failed:
            check_killed(answer)
        check_each_reported(emulator, answers, RAW * each)
        ended = "Runtime exited with error: signal: killed\n"
        of_requests = re.findall(f"^faas-runtime: {name}: request [0-9a-f-]+: {ended}", emulator.err, re.MULTILINE)
        assert len(of_requests) == len(failed)
        assert emulator.err.count(ended) == kills, "the others had no invocation"


def test_the_invocation_of_a_killed_process_is_told_of_it_while_others_go_on(tmp_path: Path) -> None:
    gate = FunctionGate(tmp_path)
    event = json.dumps({"waitFor": gate.url_path}).encode()
    path = "/2015-03-31/functions/go/invocations"
    with serve_all(tmp_path) as emulator, ThreadPoolExecutor(2) as executor:
        held = executor.submit(emulator.invoke, event, path)
        wait_until(lambda: "waiting " in emulator.out)
        pid = int(emulator.out.partition("waiting ")[2].split()[0])
        asking = executor.submit(ask_all, emulator.port, RAW, NAMES, 60)
        wait_until(lambda: emulator.out.count("REPORT ") > 100)
        os.kill(pid, signal.SIGKILL)
        response, answers = held.result(), asking.result()
        request_id = response.headers["x-amzn-requestid"]
        check_killed(CallerAnswer("go", request_id, response.json))
        assert [answer for answer in answers if answer.error] == []
        check_each_reported(emulator, [*answers, CallerAnswer("go", request_id, response.json)], RAW * 60 + 1)


def check_killed(answer: CallerAnswer) -> None:
    """Check that a failure says what has happened; over HTTP, the log alone says it."""
    assert answer.error is not None
    if answer.request_id:
        ended = f"RequestId: {answer.request_id} Error: Runtime exited with error: signal: killed"
        assert answer.error == {"errorType": "Runtime.ExitError", "errorMessage": ended}
    else:
        assert answer.error["message"] in ("Internal Server Error", CUT_OFF)
