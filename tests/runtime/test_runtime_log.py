"""The runtime's own messages, in the platform's formats. The function's output is not touched."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from faas_runtime import log

from tests.runtime.support import ACCEPTED, LAUNCHER, OVER, PYTHON, SUFFIX, Runtime, ScriptedServer, invocation, status

JSON = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}


def errors_of(functions: Path, handler: str, event: bytes, environment: Mapping[str, str]) -> list[str]:
    with (
        ScriptedServer([event, ACCEPTED, OVER]) as server,
        Runtime(server.address, handler, functions, environment=environment) as runtime,
    ):
        return runtime.end()[1].splitlines()


def test_text(functions: Path) -> None:
    lines = errors_of(functions, "probe.fail_silently", invocation(), {})
    assert lines[0] == "faas-runtime: request r-1 failed: Function.Error: fail_silently returned -3"
    assert lines[-1].startswith("faas-runtime: the Runtime API gave no invocation: it answered 500")


def test_json(functions: Path) -> None:
    event = invocation(b"{}", "Lambda-Runtime-Aws-Tenant-Id: t-1")
    first, *_, last = map(json.loads, errors_of(functions, "probe.fail", event, JSON))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("timestamp"))
    message = 'a "quoted" message\nwith \\ and \x01 and \ufffd'
    assert first == {
        "level": "ERROR",
        "message": f"request r-1 failed: Function.Broken: {message}",
        "requestId": "r-1",
        "tenantId": "t-1",
        "errorType": "Function.Broken",
        "errorMessage": message,
        "stackTrace": ["one.c:1", "two.c:2"],
    }
    assert last.keys() == {"timestamp", "level", "message"}
    assert last["level"] == "FATAL"


def test_json_has_no_field_without_a_value(functions: Path) -> None:
    first, *_ = map(json.loads, errors_of(functions, "probe.fail_silently", invocation(), JSON))
    assert first.keys() == {"timestamp", "level", "message", "requestId", "errorType", "errorMessage"}


def test_name_that_is_not_utf8(functions: Path) -> None:
    with ScriptedServer([ACCEPTED]) as server, Runtime(server.address, "\udcff.handle", functions) as runtime:
        exit_code, errors = runtime.end()
    assert exit_code == 1
    assert "the function's library was not found at " in errors
    assert f"lib\\udcff{SUFFIX}" in errors


def test_message_that_is_written_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bytes] = []

    def write(_: int, data: bytes) -> int:
        taken.append(data[:5])
        return len(taken[-1])

    monkeypatch.setattr(log, "system", SimpleNamespace(write=write))
    monkeypatch.setattr(log, "_output", None)
    log.log("a message")
    assert b"".join(taken) == b"faas-runtime: a message\n"


@pytest.mark.parametrize(
    ("level", "count"), [("TRACE", 2), ("info", 2), ("ERROR", 2), ("FATAL", 1), ("nonsense", 2), ("", 2)]
)
def test_levels(functions: Path, level: str, count: int) -> None:
    environment = {"AWS_LAMBDA_LOG_LEVEL": level}
    assert len(errors_of(functions, "probe.fail_silently", invocation(), environment)) == count


@pytest.mark.parametrize(("log_format", "kind"), [("Text", 0xA55A0017), ("JSON", 0xA55A0016)])
def test_telemetry_frames_and_the_functions_own_output(functions: Path, log_format: str, kind: int) -> None:
    reading, writing = os.pipe()
    environment = {"_LAMBDA_TELEMETRY_LOG_FD": str(writing), "AWS_LAMBDA_LOG_FORMAT": log_format}
    own = b"raw \xff\x00 bytes\n"
    with ScriptedServer([invocation(own), ACCEPTED, status(403)]) as server:
        variables = {"AWS_LAMBDA_RUNTIME_API": server.address, "LAMBDA_TASK_ROOT": str(functions)}
        command = [*PYTHON, str(LAUNCHER), "rough.talk"]
        done = subprocess.run(command, env=variables | environment, pass_fds=[writing], capture_output=True)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    assert done.stdout == own
    assert done.stderr == b"unset\nshut down\n"
    messages = []
    while data:
        size = int.from_bytes(data[4:8], "big")
        messages.append((int.from_bytes(data[:4], "big"), int.from_bytes(data[8:16], "big"), data[16 : 16 + size]))
        data = data[16 + size :]
    assert [message[0] for message in messages] == [kind, kind + 4]
    assert all(1_600_000_000 < at / 1e6 < 10_000_000_000 for _, at, _ in messages)
    assert b"request r-1 failed: Function.Error: talk returned 9" in messages[0][2]


def test_managed_instances_get_json_and_a_socket(functions: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX) as provider:
        provider.bind(path)
        provider.listen()
        environment = {"AWS_LAMBDA_MAX_CONCURRENCY": "2", "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET": path}
        with (
            ScriptedServer([invocation(b"said\n"), ACCEPTED, status(500)], [status(500)]) as server,
            Runtime(server.address, "rough.talk", functions, environment=environment) as runtime,
        ):
            exit_code, errors = runtime.end()
        peer, _ = provider.accept()
        with peer.makefile("rb") as stream:
            data = stream.read().decode()
    assert (exit_code, errors) == (3, "")
    assert "said\nunset\n" in data
    lines = [json.loads(line) for line in data.splitlines() if line.startswith("{")]
    assert lines[0]["message"] == "request r-1 failed: Function.Error: talk returned 9"
