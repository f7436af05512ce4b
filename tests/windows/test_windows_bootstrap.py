"""The runtime on a Windows Python under wine, which stands in for Windows, against the stand-in of the Runtime API."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ci.runtime_api import TRACE_ID, RuntimeApi
from tests.runtime.support import TIMEOUT_S, Runtime
from tests.windows.support import ACCESS_VIOLATION, Wine, windows_path

pytestmark = pytest.mark.long

CALLERS = 4


def start(
    wine: Wine, api: RuntimeApi, handler: str, root: Path, *, telling: bool = False, **environment: str
) -> Runtime:
    variables = {"LAMBDA_TASK_ROOT": windows_path(root), **environment}
    command = wine.telling if telling else wine.launcher
    return Runtime(api.address, handler, command=command, environment=variables)


def test_answers(wine: Wine, recipe: Path) -> None:
    with RuntimeApi() as api, start(wine, api, "simple_handler.handle", recipe):
        for event in (b'{"answer":42}', '{"text":"gr\u00fc\u00df dich"}'.encode()):
            answer = api.invoke(event, timeout=TIMEOUT_S)
            assert (answer.kind, json.loads(answer.body)["event"]) == ("response", json.loads(event))


def test_six_megabytes_and_the_next_event(wine: Wine, functions: Path) -> None:
    large = b'"' + b"x" * (6 << 20) + b'"'
    with RuntimeApi() as api, start(wine, api, "probe.echo", functions):
        for event in (b"1", large, b"2"):
            answer = api.invoke(event, timeout=TIMEOUT_S)
            assert (answer.kind, answer.body) == ("response", event)


def test_an_error(wine: Wine, functions: Path) -> None:
    with RuntimeApi() as api, start(wine, api, "probe.fail", functions):
        for _ in range(2):
            answer = api.invoke(b"1", timeout=TIMEOUT_S)
            assert (answer.kind, json.loads(answer.body)["errorType"]) == ("error", "Function.Broken")


def test_an_error_of_the_init(wine: Wine, functions: Path) -> None:
    with RuntimeApi() as api, start(wine, api, "hooks.handle", functions, INIT_FAILS="1") as runtime:
        answer = api.wait(timeout=TIMEOUT_S)
        assert (answer.kind, json.loads(answer.body)["errorType"]) == ("init-error", "Function.NoDatabase")
        code, _ = runtime.end()
    assert code == 1


def test_the_trace_id_is_in_the_environment_of_the_c_library(wine: Wine, functions: Path) -> None:
    other = TRACE_ID.replace("Sampled=1", "Sampled=0")
    with RuntimeApi() as api, start(wine, api, "probe.trace", functions):
        for trace_id, seen in (TRACE_ID, TRACE_ID), (other, other), ("", "unset"), (TRACE_ID, TRACE_ID):
            answer = api.invoke(b"1", timeout=TIMEOUT_S, trace_id=trace_id)
            assert answer.body.decode() == f"{seen}|{trace_id or 'NULL'}"


def test_four_pollers_at_once(wine: Wine, functions: Path) -> None:
    """None of them gets its answer before all of them are in the function."""
    with (
        RuntimeApi() as api,
        start(wine, api, "shown.meet", functions, AWS_LAMBDA_MAX_CONCURRENCY=str(CALLERS)),
        ThreadPoolExecutor(CALLERS) as pool,
    ):
        answers = list(pool.map(lambda _: api.invoke(b"1", timeout=TIMEOUT_S), range(CALLERS)))
    assert [answer.body for answer in answers] == [b'"met"'] * CALLERS


def test_a_crash_ends_the_process_and_nothing_is_tidied_up(wine: Wine, functions: Path) -> None:
    with RuntimeApi() as api, start(wine, api, "shown.fall", functions, telling=True) as runtime:
        assert api.invoke(b"0", timeout=TIMEOUT_S).kind == "response"
        with ThreadPoolExecutor(1) as pool:
            pool.submit(api.invoke, b"1", timeout=TIMEOUT_S)
            _, errors = runtime.end()
            api.close()
    assert f"exit code {ACCESS_VIOLATION:#x}" in errors
    assert "access violation" in errors
    assert "shut down" not in errors
