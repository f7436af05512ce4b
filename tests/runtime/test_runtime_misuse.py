"""Parents, platforms and functions that break the rules: no wrong response, and no failure without a message."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ci.core.runtime_api_stub import RuntimeApiStub
from tests.runtime.support import (
    ACCEPTED,
    FUNCTIONS,
    LAUNCHER,
    OVER,
    PYTHON,
    Runtime,
    ScriptedServer,
    compile_library,
    invocation,
    status,
)
from tests.waiting import TIMEOUT_S, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="descriptors and signals of POSIX")
MANAGED = {"AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances"}


@pytest.mark.parametrize("closed", ["1>&-", "0<&- 1>&- 2>&-"])
def test_the_output_of_the_function_never_reaches_the_platform(functions: Path, closed: str) -> None:
    shell = ("sh", "-c", f'exec "$@" {closed}', "sh", *PYTHON, str(LAUNCHER))
    with (
        ScriptedServer([invocation(), ACCEPTED, OVER]) as server,
        Runtime(server.address, "rough.shout", functions, command=shell) as runtime,
    ):
        runtime.end()
    assert server.actions == ["GET next", "POST response", "GET next"]
    assert not any("evil" in request.path for request in server.requests)


def test_a_write_after_the_return_is_refused(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "rough.linger", functions) as runtime:
        assert api.invoke(b"1", timeout=TIMEOUT_S).body == b"?"

        def late_result() -> bytes:
            return api.invoke(b"2", timeout=TIMEOUT_S).body

        wait_until(lambda: late_result() != b"?")
        assert late_result() == b"R"
        assert runtime.is_alive


def test_the_refusal_of_a_stream_is_not_read_as_the_next_event(functions: Path) -> None:
    refused = status(410, b"too late")
    with (
        ScriptedServer([invocation(b"abc"), refused], [invocation(b"x"), ACCEPTED], [OVER]) as server,
        Runtime(server.address, "rough.stream", functions) as runtime,
    ):
        exit_code, errors = runtime.end()
    assert server.actions.count("GET next") == 3
    assert "410" in errors
    assert exit_code == 3


def test_managed_first_next_is_retried(functions: Path) -> None:
    with Runtime("127.0.0.1:1", "probe.echo", functions, environment=MANAGED) as runtime:
        exit_code, errors = runtime.end()
    assert exit_code == 3
    assert errors.count("trying again") == 5


@pytest.mark.parametrize("id_", ["a\nX: 1", "a\rX: 1", "a\nTransfer-Encoding: chunked\n\nGET /evil"])
def test_a_line_feed_in_a_header_is_refused(functions: Path, id_: str) -> None:
    with (
        ScriptedServer([invocation(b"{}", f"Lambda-Runtime-Invocation-Id: {id_}"), ACCEPTED]) as server,
        Runtime(server.address, "probe.echo", functions) as runtime,
    ):
        exit_code, errors = runtime.end()
    assert server.actions == ["GET next"]
    assert exit_code == 3
    assert "line end in the head" in errors


def test_a_deadline_that_is_too_large_is_ignored_each_time(functions: Path) -> None:
    event = invocation(b"{}", f"Lambda-Runtime-Deadline-Ms: {'9' * 25}")
    with (
        ScriptedServer([event, ACCEPTED, event, ACCEPTED, event, ACCEPTED, OVER]) as server,
        Runtime(server.address, "probe.echo", functions) as runtime,
    ):
        exit_code, _ = runtime.end()
    assert server.actions.count("POST response") == 3
    assert exit_code == 3


@pytest.mark.parametrize("replacement", [(b": 5\r\nL", b": 7\r\nL"), (b": 5\r\n\r\n", b": 4\r\n\r\n")])
def test_two_different_lengths_are_always_refused(functions: Path, replacement: tuple[bytes, bytes]) -> None:
    twice = invocation(b"12345", "Content-Length: 5")
    differing = twice.replace(*replacement)
    with (
        ScriptedServer([twice, ACCEPTED, twice, ACCEPTED, differing]) as server,
        Runtime(server.address, "probe.echo", functions) as runtime,
    ):
        exit_code, errors = runtime.end()
    assert [request.body for request in server.requests if request.method == "POST"] == [b"12345", b"12345"]
    assert exit_code == 3
    assert "second Content-Length" in errors


@pytest.mark.skipif(sys.platform != "linux", reason="sigaltstack as Linux has it")
def test_a_stack_overflow_is_reported_on_every_poller(functions: Path) -> None:
    pollers = {"AWS_LAMBDA_MAX_CONCURRENCY": "2"}
    for first in (True, False):  # any thread may take the event
        script = [[invocation()], []] if first else [[], [invocation()]]
        with (
            ScriptedServer(*script, lingering=True) as server,
            Runtime(server.address, "rough.overflow", functions, environment=pollers) as runtime,
        ):
            exit_code, errors = runtime.end()
        assert exit_code == -signal.SIGSEGV
        assert "Segmentation fault" in errors


@pytest.mark.parametrize("descriptor", ["77", "99999999999999999999", "9" * 5000])
def test_an_invalid_telemetry_descriptor_loses_no_message(functions: Path, descriptor: str) -> None:
    variables = {"_LAMBDA_TELEMETRY_LOG_FD": descriptor}
    with (
        ScriptedServer([invocation(), ACCEPTED, OVER]) as server,
        Runtime(server.address, "probe.fail", functions, environment=variables) as runtime,
    ):
        _, errors = runtime.end()
    assert "request r-1 failed" in errors
    assert "Traceback" not in errors


def test_check_reports_a_library_that_exits(tmp_path: Path) -> None:
    library = compile_library(FUNCTIONS / "quits.c", tmp_path)
    done = subprocess.run([*PYTHON, str(LAUNCHER), "check", str(library)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ended the process with exit code 0" in done.stdout
