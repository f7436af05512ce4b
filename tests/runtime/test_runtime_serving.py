"""`serve` from Python: the README's example, and other clients and handlers."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from faas_runtime import FunctionError, Invocation, Stopped, serve
from faas_runtime.caller import Caller
from faas_runtime.environment import Settings
from faas_runtime.function import Function

from tests.runtime.support import PYTHON, RUNTIME


class Events:
    """A client that gives out a list of events and keeps the outcomes."""

    def __init__(self, *events: Invocation) -> None:
        self._events = list(events)
        self.outcomes: list[object] = []

    def next(self) -> Invocation:
        if not self._events:
            raise Stopped
        return self._events.pop(0)

    def respond(self, invocation: Invocation, data: bytes | memoryview, content_type: bytes | None) -> None:
        self.outcomes.append((invocation.request_id, bytes(data), content_type))

    def fail(self, invocation: Invocation, error: FunctionError) -> None:
        self.outcomes.append((invocation.request_id, str(error)))


class Upper:
    """A handler in Python."""

    def call(self, invocation: Invocation) -> tuple[bytes, bytes | None]:
        if not invocation.payload:
            raise FunctionError("Function.Empty", "nothing to say")
        return invocation.payload.upper(), b"text/plain"

    def release(self) -> None:
        pass


def native(functions: Path, monkeypatch: pytest.MonkeyPatch, handler: str) -> Caller:
    monkeypatch.setattr("faas_runtime.environment.system.environ", {b"AWS_LAMBDA_RUNTIME_API": b"none"})
    return Caller(Function(Settings(str(functions / handler))))


def test_handler_in_python() -> None:
    client = Events(Invocation(b"loud", b"r-1"), Invocation(b"", b"r-2"))
    serve(client, Upper())
    assert client.outcomes == [(b"r-1", b"LOUD", b"text/plain"), (b"r-2", "Function.Empty: nothing to say")]


def test_native_handler_and_another_client(functions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = bytes(range(256)) * 4096
    client = Events(Invocation(b"a\0b", b"r-1"), Invocation(b"", b"r-2"), Invocation(large, b"r-3"))
    serve(client, native(functions, monkeypatch, "probe.echo"))
    assert client.outcomes == [(b"r-1", b"a\0b", None), (b"r-2", b"", None), (b"r-3", large, None)]


def test_texts_reach_a_native_handler(functions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Events(Invocation(b"", b"r-1", deadline_ms=7, tenant_id=b"t", function_arn=b"arn"))
    serve(client, native(functions, monkeypatch, "probe.context"))
    (outcome,) = client.outcomes
    assert isinstance(outcome, tuple)
    lines = outcome[1].decode().splitlines()
    assert lines[:6] == ["r-1", "NULL", "arn", "NULL", "NULL", "t"]
    assert lines[10:] == ["7", "0", "1", "1", "0"]  # the last one: there is no stream


def test_error_of_a_native_handler(functions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Events(Invocation(b"", b"r-1"))
    serve(client, native(functions, monkeypatch, "probe.nowhere"))
    assert client.outcomes == [
        (b"r-1", "Function.InvalidResponse: the function's response has 5 bytes, at the address NULL"),
    ]


def test_invocation_can_be_read() -> None:
    invocation = Invocation(b"{}", b"r-1", deadline_ms=5, trace_id=b"Root=1")
    assert (invocation.payload, invocation.request_id, invocation.deadline_ms) == (b"{}", b"r-1", 5)
    assert (invocation.text("trace_id"), invocation.text("log_group")) == (b"Root=1", None)


def test_example_of_the_readme() -> None:
    readme = (RUNTIME / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    code = f"import sys; sys.path.insert(0, {str(RUNTIME)!r})\n{example}"
    done = subprocess.run([*PYTHON, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("b'HELLO'\n", "")
