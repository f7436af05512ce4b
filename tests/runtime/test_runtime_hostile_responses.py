"""Answers of the Runtime API that no well-behaved server gives: huge sizes, ids that lead elsewhere, double headers."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sys
from pathlib import Path

import pytest
from faas_runtime.errors import RuntimeApiError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.support import (
    ACCEPTED,
    FUZZ_FACTOR,
    LAUNCHER,
    PYTHON,
    Runtime,
    ScriptedServer,
    invocation,
    status,
)
from tests.runtime.test_runtime_http_reader import reader_of
from tests.support import not_there

SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
HUGE = 2_147_483_000
HUGE_EVENT = invocation(b"").replace(b"Content-Length: 0", b"Content-Length: %d" % HUGE) + b"{"
HUGE_CHUNK = invocation(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked") + b"%x\r\n{" % HUGE
HUGE_RECEIPT = b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n{" % HUGE


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit(1)")
@pytest.mark.parametrize(
    ("script", "handler"),
    [
        ([HUGE_EVENT], "echo"),
        ([invocation(), ACCEPTED, HUGE_EVENT], "echo"),
        ([invocation(), ACCEPTED, invocation(), ACCEPTED, HUGE_EVENT], "echo"),
        ([HUGE_CHUNK], "echo"),
        ([invocation(), ACCEPTED, HUGE_CHUNK], "echo"),
        ([invocation(), ACCEPTED, invocation(), ACCEPTED, HUGE_CHUNK], "echo"),
        ([HUGE_EVENT.replace(b"{}", b"{") + b"x" * 100_000], "echo"),
        ([b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % HUGE], "echo"),
    ],
)
def test_a_size_alone_takes_no_memory(functions: Path, script: list[bytes], handler: str) -> None:
    """The process has 600 MB of addresses. It waits for the rest, and ends when it is asked to."""
    limited = (shutil.which("prlimit") or not_there("prlimit"), "--as=600000000", *PYTHON, str(LAUNCHER))
    with (
        ScriptedServer(script, lingering=True) as server,
        Runtime(server.address, f"probe.{handler}", functions, command=limited) as runtime,
    ):
        server.wait(len(script))
        runtime.signal(signal.SIGTERM)
        exit_code, errors = runtime.end()
    assert (exit_code, errors) == (0, "")


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit(1)")
@pytest.mark.parametrize("handler", ["echo", "fail"])
def test_the_size_of_a_receipt_takes_no_memory(functions: Path, handler: str) -> None:
    limited = (shutil.which("prlimit") or not_there("prlimit"), "--as=600000000", *PYTHON, str(LAUNCHER))
    with (
        ScriptedServer([invocation(), HUGE_RECEIPT], []) as server,
        Runtime(server.address, f"probe.{handler}", functions, command=limited) as runtime,
    ):
        exit_code, errors = runtime.end()
    assert exit_code == 3
    assert "closed the connection in the middle of its response" in errors
    assert "MemoryError" not in errors


def test_an_event_grows_with_what_arrives() -> None:
    body = b"x" * 3_000_000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 30)
    reader, _ = reader_of(head, body)
    with pytest.raises(Exception, match="in the middle of its response"):
        reader.read_response()
    assert len(reader.buffer) < 16 << 20


@pytest.mark.parametrize(
    "request_id",
    [".", "..", "a/b", "a?b", "a#b", "a%2Fb", "a b", "../../2018-06-01/runtime/init/error", "/", "", "ü", "a\tb"],
)
@pytest.mark.parametrize("before", [[], [invocation(), ACCEPTED, invocation(), ACCEPTED]], ids=["first", "third"])
def test_ids_that_lead_elsewhere_are_refused(functions: Path, before: list[bytes], request_id: str) -> None:
    with (
        ScriptedServer([*before, invocation(request_id=request_id), ACCEPTED]) as server,
        Runtime(server.address, "probe.echo", functions) as runtime,
    ):
        exit_code, errors = runtime.end()
    assert server.actions.count("POST response") == len(before) // 2
    assert exit_code == 3
    assert "request id" in errors


TWICE = {
    "request id": ("Lambda-Runtime-Aws-Request-Id: r-1", "Lambda-Runtime-Aws-Request-Id: r-9"),
    "request id in small letters": ("Lambda-Runtime-Aws-Request-Id: r-1", "lambda-runtime-aws-request-id: r-9"),
    "request id and an empty one": ("Lambda-Runtime-Aws-Request-Id: r-1", "Lambda-Runtime-Aws-Request-Id:"),
    "deadline": ("Lambda-Runtime-Deadline-Ms: 4102444800000", "Lambda-Runtime-Deadline-Ms: 4102444800001"),
    "trace id": ("Lambda-Runtime-Trace-Id: a", "Lambda-Runtime-Trace-Id: b"),
    "function's ARN": ("Lambda-Runtime-Invoked-Function-Arn: a", "Lambda-Runtime-Invoked-Function-Arn: b"),
    "invocation id": ("Lambda-Runtime-Invocation-Id: a", "Lambda-Runtime-Invocation-Id: b"),
    "tenant": ("Lambda-Runtime-Aws-Tenant-Id: a", "Lambda-Runtime-Aws-Tenant-Id: b"),
    "client context": ("Lambda-Runtime-Client-Context: {}", "Lambda-Runtime-Client-Context: []"),
    "identity": ("Lambda-Runtime-Cognito-Identity: {}", "Lambda-Runtime-Cognito-Identity: []"),
}


@pytest.mark.parametrize("name", TWICE)
@pytest.mark.parametrize("before", [[], [invocation(), ACCEPTED, invocation(), ACCEPTED]], ids=["first", "third"])
def test_two_values_of_one_header_are_refused(functions: Path, before: list[bytes], name: str) -> None:
    with (
        ScriptedServer([*before, invocation(b"{}", *TWICE[name]), ACCEPTED]) as server,
        Runtime(server.address, "probe.echo", functions) as runtime,
    ):
        exit_code, errors = runtime.end()
    assert server.actions.count("POST response") == len(before) // 2
    assert exit_code == 3
    assert "malformed second Lambda-Runtime-" in errors


def test_a_header_that_is_given_twice_with_one_value_is_taken(functions: Path) -> None:
    twice = invocation(b"{}", "Lambda-Runtime-Aws-Request-Id: r-1", "X-Other: 1", "X-Other: 2")
    with (
        ScriptedServer([twice, ACCEPTED, status(500)]) as server,
        Runtime(server.address, "probe.echo", functions) as runtime,
    ):
        runtime.end()
    assert server.actions == ["GET next", "POST response", "GET next"]


@pytest.mark.parametrize(
    "response", [status(500, b"no"), status(403, b"no"), status(404), b"garbage\r\n\r\n", b""],
    ids=["500", "403", "404", "garbage", "closed"],
)  # fmt: skip
def test_a_restore_that_fails_is_reported(functions: Path, response: bytes) -> None:
    with (
        ScriptedServer([response], [ACCEPTED]) as server,
        Runtime(server.address, "hooks.handle", functions, environment=SNAP_START) as runtime,
    ):
        exit_code, errors = runtime.end()
    assert [request.path.partition("/runtime")[2] for request in server.requests] == ["/restore/next", "/init/error"]
    assert server.requests[1].headers["lambda-runtime-function-error-type"] == "Runtime.BeforeSnapshotError"
    assert json.loads(server.requests[1].body)["errorType"] == "Runtime.BeforeSnapshotError"
    assert exit_code == 64
    assert "Runtime.BeforeSnapshotError" in errors


@settings(max_examples=100 * FUZZ_FACTOR, deadline=None)
@given(st.integers(0, 1 << 40), st.booleans(), st.binary(max_size=200))
def test_fuzzed_sizes_take_no_memory(size: int, is_chunked: bool, body: bytes) -> None:
    head = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size if is_chunked else b"Content-Length: %d\r\n\r\n" % size
    reader, _ = reader_of(b"HTTP/1.1 200 OK\r\n" + head + body)
    with contextlib.suppress(RuntimeApiError):
        reader.read_response()
    assert len(reader.buffer) <= 16 << 20
