"""The runtime on a Windows Python under wine, which stands in for Windows, against the stand-in of the Runtime API."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ci.core.runtime_api_stub import TRACE_ID, RuntimeApiStub
from tests.runtime.support import Runtime
from tests.waiting import TIMEOUT_S
from tests.windows.support import ACCESS_VIOLATION, Wine, windows_path

pytestmark = pytest.mark.long

CALLERS = 4


def start(
    wine: Wine, api: RuntimeApiStub, handler: str, root: Path, *, telling: bool = False, **environment: str
) -> Runtime:
    variables = {"LAMBDA_TASK_ROOT": windows_path(root), **environment}
    command = wine.telling if telling else wine.launcher
    return Runtime(api.address, handler, command=command, environment=variables)


def test_answers(wine: Wine, recipe: Path) -> None:
    with RuntimeApiStub() as api, start(wine, api, "simple_handler.handle", recipe):
        for event in (b'{"answer":42}', '{"text":"gr\u00fc\u00df dich"}'.encode()):
            result = api.invoke(event, timeout=TIMEOUT_S)
            assert (result.kind, json.loads(result.body)["event"]) == ("response", json.loads(event))


def test_six_megabytes_and_the_next_event(wine: Wine, functions: Path) -> None:
    large = b'"' + b"x" * (6 << 20) + b'"'
    with RuntimeApiStub() as api, start(wine, api, "probe.echo", functions):
        for event in (b"1", large, b"2"):
            result = api.invoke(event, timeout=TIMEOUT_S)
            assert (result.kind, result.body) == ("response", event)


def test_an_error(wine: Wine, functions: Path) -> None:
    with RuntimeApiStub() as api, start(wine, api, "probe.fail", functions):
        for _ in range(2):
            result = api.invoke(b"1", timeout=TIMEOUT_S)
            assert (result.kind, json.loads(result.body)["errorType"]) == ("error", "Function.Broken")


def test_an_error_of_the_init(wine: Wine, functions: Path) -> None:
    with RuntimeApiStub() as api, start(wine, api, "hooks.handle", functions, INIT_FAILS="1") as runtime:
        result = api.wait(timeout=TIMEOUT_S)
        assert (result.kind, json.loads(result.body)["errorType"]) == ("init-error", "Function.NoDatabase")
        code, _ = runtime.end()
    assert code == 1


def test_the_trace_id_is_in_the_environment_of_the_c_library(wine: Wine, functions: Path) -> None:
    other = TRACE_ID.replace("Sampled=1", "Sampled=0")
    with RuntimeApiStub() as api, start(wine, api, "probe.trace", functions):
        for trace_id, seen in (TRACE_ID, TRACE_ID), (other, other), ("", "unset"), (TRACE_ID, TRACE_ID):
            result = api.invoke(b"1", timeout=TIMEOUT_S, trace_id=trace_id)
            assert result.body.decode() == f"{seen}|{trace_id or 'NULL'}"


def test_four_pollers_at_once(wine: Wine, functions: Path) -> None:
    """No call returns before all of them are in the function."""
    with (
        RuntimeApiStub() as api,
        start(wine, api, "shown.meet", functions, AWS_LAMBDA_MAX_CONCURRENCY=str(CALLERS)),
        ThreadPoolExecutor(CALLERS) as pool,
    ):
        results = list(pool.map(lambda _: api.invoke(b"1", timeout=TIMEOUT_S), range(CALLERS)))
    assert [result.body for result in results] == [b'"met"'] * CALLERS


def test_a_crash_ends_the_process_without_shutdown_hooks(wine: Wine, functions: Path) -> None:
    with RuntimeApiStub() as api, start(wine, api, "shown.fall", functions, telling=True) as runtime:
        assert api.invoke(b"0", timeout=TIMEOUT_S).kind == "response"
        with ThreadPoolExecutor(1) as pool:
            pool.submit(api.invoke, b"1", timeout=TIMEOUT_S)
            _, errors = runtime.end()
            api.close()
    assert f"exit code {ACCESS_VIOLATION:#x}" in errors
    assert "access violation" in errors
    assert "shut down" not in errors
