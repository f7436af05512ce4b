"""`faas-runtime invoke`: its output, its exit codes, and what is refused before anything is started."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from faas_runtime.emulator.event_input import SAMPLES, sample_names

from tests.emulator.support import EMULATOR_FUNCTIONS
from tests.runtime.support import FUNCTIONS, LAUNCHER, PYTHON, SUFFIX, compile_c, compile_library
from tests.waiting import TIMEOUT_S, wait_until

OPTIONS = ("-std=gnu99", "-shared", "-fPIC", "-pthread")
COMMAND = (*PYTHON, str(LAUNCHER), "invoke")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task root with the functions that are invoked here."""
    folder = tmp_path_factory.mktemp("root")
    compile_library(FUNCTIONS / "probe.c", folder)
    compile_c(FUNCTIONS / "rough.c", folder / f"librough{SUFFIX}", *OPTIONS)
    compile_c(EMULATOR_FUNCTIONS / "waits.c", folder / f"libwaits{SUFFIX}", *OPTIONS)
    return folder


def environment(root: Path, **variables: str) -> dict[str, str]:
    return {"LAMBDA_TASK_ROOT": str(root), "PATH": os.environ["PATH"], **variables}


def invoke(root: Path, *arguments: str, stdin: bytes = b"", **variables: str) -> tuple[int, bytes, str]:
    """Exit code, standard output and standard error of one call."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        input=stdin, env=environment(root, **variables), capture_output=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.returncode, done.stdout, done.stderr.decode()


def test_the_response_goes_to_stdout_and_the_log_to_stderr(root: Path, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_bytes(b' {"a" : "gr\xc3\xbcn"}\n')
    code, output, log = invoke(root, "probe.echo", "--event", str(event))
    assert (code, output) == (0, event.read_bytes())
    first, second, third = log.splitlines()
    request_id = re.fullmatch(r"START RequestId: (\S+) Version: \$LATEST", first)
    assert request_id is not None
    assert second == f"END RequestId: {request_id[1]}"
    assert third.startswith(f"REPORT RequestId: {request_id[1]}\tInit Duration: ")


def test_the_output_of_the_function_is_not_in_the_response(root: Path) -> None:
    code, output, log = invoke(root, "rough.talk", "--event", "-", stdin=b'"to stdout"')
    assert code == 5
    assert json.loads(output)["errorType"] != ""
    assert '"to stdout"' in log
    assert "unset" in log


def test_the_event_can_be_given_on_the_command_line(root: Path, tmp_path: Path) -> None:
    assert invoke(root, "probe.echo", "--data", '{"a":"gr\u00fcn"}')[:2] == (0, b'{"a":"gr\xc3\xbcn"}')
    event = tmp_path / "event.json"
    event.write_bytes(b' {"b" : 2}\n')
    assert invoke(root, "probe.echo", "--data", f"@{event}")[:2] == (0, event.read_bytes())
    assert invoke(root, "probe.echo", "--data", "@-", stdin=b"[3]")[:2] == (0, b"[3]")


def test_a_path_works_with_and_without_a_handler(root: Path) -> None:
    assert invoke(root, str(root / f"libprobe{SUFFIX}.echo"))[:2] == (0, b"{}")
    code, output, _ = invoke(root, str(root / f"libwaits{SUFFIX}"))
    assert (code, output) == (0, b"first second")


@pytest.mark.parametrize(
    ("arguments", "code", "error_type"),
    [
        (["probe.fail"], 5, "Function.Broken"),
        (["rough.huge"], 5, "Function.ResponseSizeTooLarge"),
        (["rough.hang", "--timeout", "1"], 6, "Sandbox.Timedout"),
        (["rough.crash"], 7, "Runtime.ExitError"),
        (["rough.leave"], 7, "Runtime.ExitError"),
        (["probe.nowhere_to_be_found"], 1, "Runtime.HandlerNotFound"),
        (["none.handle"], 1, "Runtime.LibraryNotFound"),
    ],
)
def test_the_exit_code_gives_the_outcome(root: Path, arguments: list[str], code: int, error_type: str) -> None:
    found, output, _ = invoke(root, *arguments)
    assert found == code
    assert json.loads(output)["errorType"] == error_type


def test_a_sample_is_sent_unchanged(root: Path) -> None:
    code, output, _ = invoke(root, "probe.echo", "--sample", "sqs")
    assert (code, output) == (0, (Path(SAMPLES) / "sqs.json").read_bytes())
    (record,) = json.loads(output)["Records"]
    assert record["md5OfBody"] == hashlib.md5(record["body"].encode()).hexdigest()


def test_for_an_unknown_sample_all_samples_are_listed(root: Path) -> None:
    code, output, log = invoke(root, "probe.echo", "--sample", "apigwv2")
    assert (code, output) == (2, b"")
    assert "Did you mean apigw-v2?" in log
    for name in sample_names():
        assert name in log
    assert invoke(root, "probe.echo", "--sample", "../samples/sqs")[0] == 2


@pytest.mark.parametrize("from_stdin", [False, True])
def test_broken_events_start_nothing(root: Path, tmp_path: Path, from_stdin: bool) -> None:
    path = tmp_path / "event.json"
    path.write_bytes(b"[1,]")
    name, stdin = ("-", path.read_bytes()) if from_stdin else (str(path), b"")
    code, output, log = invoke(root, "probe.echo", "--event", name, stdin=stdin)
    assert (code, output) == (2, b"")
    assert f"{'standard input' if from_stdin else path}:1:4: the event is not JSON" in log
    assert "START" not in log


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ([], "LIBRARY"),
        (["probe.echo", "--event", '{"a":1}'], "No such file or directory; --event expects a file, or - for standard"),
        (["probe.echo", "--event", "/"], "Is a directory"),
        (["probe.echo", "--event", '{"a":1}'], "and --data the event itself"),
        (["probe.echo", "--data", ""], "--data has an empty value"),
        (["probe.echo", "--data", '{"a":1'], "--data:1:7: the event is not JSON"),
        (["probe.echo", "--data", "{}", "--sample", "sqs"], "not allowed with"),
        (["probe.echo", "--event", "-", "--sample", "sqs"], "not allowed with"),
        (["probe.echo", "--repeat", "0"], "--repeat"),
        (["probe.echo", "--timeout", "soon"], "--timeout"),
        (["probe.echo", "--env-file", "/nowhere.env"], "/nowhere.env"),
    ],
)
def test_wrong_usage_is_explained(root: Path, arguments: list[str], hint: str) -> None:
    code, output, log = invoke(root, *arguments)
    assert (code, output) == (2, b"")
    assert hint in log
    assert "START" not in log


def test_variables_of_a_file_reach_the_function(root: Path, tmp_path: Path) -> None:
    variables = tmp_path / "variables.env"
    variables.write_text("_LAMBDA_TELEMETRY_LOG_FD=\nAWS_LAMBDA_FUNCTION_NAME=from-a-file\n")
    _, output, _ = invoke(root, "probe.context", "--env-file", str(variables))
    lines = output.decode().splitlines()
    assert lines[2] == "arn:aws:lambda:us-east-1:012345678912:function:from-a-file"
    assert lines[6] == "from-a-file"


def figures(log: str) -> dict[str, list[float]]:
    """The table at the end of the log: the numbers of each row, by its label."""
    head, *lines = log.splitlines()[-3:]
    if "count" not in head:
        head, *lines = log.splitlines()[-2:]
    assert re.split(r"\s{2,}", head.strip()) == [
        "count", "failures", "min ms", "p50 ms", "p90 ms", "p99 ms", "max ms"
    ]  # fmt: skip
    cells = [re.split(r"\s{2,}", line) for line in lines]
    return {name: [float(value) for value in values] for name, *values in cells}


def test_repeat_prints_one_response_and_a_table(root: Path) -> None:
    code, output, log = invoke(root, "probe.echo", "--repeat", "25", "--event", "-", stdin=b'"x"')
    assert (code, output) == (0, b'"x"')
    assert log.count("START RequestId") == log.count("REPORT RequestId") == 25
    assert log.count("Init Duration") == 1  # one environment for all
    table = figures(log)
    assert table["first, with init"][:2] == [1, 0]
    count, failures, *times = table["others"]
    assert (count, failures) == (24, 0)
    assert times == sorted(times)
    assert table["first, with init"][2] > times[1]


def test_repeat_counts_what_fails_and_goes_on(root: Path) -> None:
    code, output, log = invoke(root, "probe.fail", "--repeat", "3")
    assert code == 5
    assert json.loads(output)["errorType"] == "Function.Broken"
    assert {name: row[:2] for name, row in figures(log).items()} == {"first, with init": [1, 1], "others": [2, 2]}
    code, output, log = invoke(root, "rough.crash", "--repeat", "3")
    assert code == 7
    assert log.count("Init Duration") == 3
    assert figures(log)["others"][:2] == [2, 2]


def test_repeat_ends_with_the_code_of_the_first_failure(root: Path, tmp_path: Path) -> None:
    code, output, log = invoke(root, "waits.once", "--repeat", "3", FAAS_TEST_GO=str(tmp_path / "go"))
    assert (code, output) == (5, b"")
    assert {name: row[:2] for name, row in figures(log).items()} == {"first, with init": [1, 1], "others": [2, 0]}


def test_repeat_ends_when_the_function_does_not_start(root: Path) -> None:
    code, output, log = invoke(root, "none.handle", "--repeat", "1000")
    assert code == 1
    assert json.loads(output)["errorType"] == "Runtime.LibraryNotFound"
    assert figures(log) == {"first, with init": figures(log)["first, with init"]}


def test_repeat_works_with_streams(root: Path) -> None:
    code, output, log = invoke(root, "waits.handle", "--repeat", "5")
    assert (code, output) == (0, b"first second")
    assert figures(log)["others"][:2] == [4, 0]


class Running:
    """A command that runs while the test looks at it."""

    def __init__(self, root: Path, *arguments: str, **variables: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            env=environment(root, **variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def read(self, count: int) -> bytes:
        assert self.process.stdout is not None
        return self.process.stdout.read(count)

    def log_until(self, text: str) -> str:
        assert self.process.stderr is not None
        log = ""
        while text not in log:
            line = self.process.stderr.readline().decode()
            assert line, log
            log += line
        return log

    def end(self) -> tuple[int, bytes, str]:
        output, log = self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode, output, log.decode()


@pytest.fixture
def running(root: Path) -> Iterator[list[Running]]:
    started: list[Running] = []
    yield started
    for each in started:
        each.process.kill()
        each.process.communicate()


def test_a_stream_is_printed_while_the_function_runs(root: Path, tmp_path: Path, running: list[Running]) -> None:
    go = tmp_path / "go"
    call = Running(root, "waits.handle", FAAS_TEST_GO=str(go))
    running.append(call)
    assert call.read(6) == b"first "
    go.touch()
    code, output, _ = call.end()
    assert (code, output) == (0, b"second")


@pytest.mark.parametrize(
    ("handler", "code", "output", "reason"),
    [("rough.stream_then_fail", 5, b"piece", "half"), ("waits.leave", 7, b"first ", "exit status 9")],
)
def test_a_broken_stream_is_reported(root: Path, handler: str, code: int, output: bytes, reason: str) -> None:
    found, written, log = invoke(root, handler)
    assert (found, written) == (code, output)
    assert "the streamed response is incomplete" in log
    assert reason in log


def test_a_stream_can_time_out(root: Path, tmp_path: Path) -> None:
    code, output, _ = invoke(root, "waits.handle", "--timeout", "1", FAAS_TEST_GO=str(tmp_path / "never"))
    assert (code, output) == (6, b"first ")


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_command_with_its_child(
    root: Path, tmp_path: Path, running: list[Running], number: int
) -> None:
    call = Running(root, "waits.handle", FAAS_TEST_GO=str(tmp_path / "never"))
    running.append(call)
    log = call.log_until("pid ")
    child = re.search(r"pid (\d+)", log)
    assert child is not None
    call.process.send_signal(number)
    code, _, log = call.end()
    assert code == 128 + number
    assert "Traceback" not in log
    wait_until(lambda: not is_running(int(child[1])), "the child is running")


def test_a_reader_that_goes_away_is_not_a_failure(root: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, "rough.stream_large"], stdout=writer, stderr=subprocess.PIPE, env=environment(root), check=False
    )
    os.close(writer)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_reported(root: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "probe.echo"], stdout=full, stderr=subprocess.PIPE, env=environment(root), check=False
        )
    assert done.returncode == 2
    assert b"cannot be written to standard output: No space left" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_closed_standard_input_is_reported(root: Path) -> None:
    command = " ".join([*COMMAND, "probe.echo", "--event", "-", "<&-"])
    done = subprocess.run(command, shell=True, env=environment(root), capture_output=True, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
