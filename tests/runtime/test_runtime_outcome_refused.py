"""The Runtime API refuses an outcome, or fails on it: who ends, and who warns and goes on."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.runtime.support import ACCEPTED, Runtime, ScriptedServer, invocation, status

MANAGED = {"AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances"}
CONCURRENT = {"AWS_LAMBDA_MAX_CONCURRENCY": "2"}
HANDLERS = {"probe.echo": "POST response", "probe.fail": "POST error"}
ONCE_MORE = [invocation(request_id="r-2"), ACCEPTED]


def end(runtime: Runtime, server: ScriptedServer, requests: int) -> tuple[int, str]:
    """Ask the runtime to end as soon as the server has answered so many requests."""
    server.wait(requests)
    runtime.signal(signal.SIGTERM)
    return runtime.end()


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("code", [500, 502, 503, 599])
def test_managed_instances_warn_and_go_on(functions: Path, handler: str, code: int) -> None:
    script = [invocation(), status(code, b"broken"), *ONCE_MORE]
    with (
        ScriptedServer(script, lingering=True) as server,
        Runtime(server.address, handler, functions, environment=MANAGED) as runtime,
    ):
        exit_code, errors = end(runtime, server, 4)
    assert server.actions == ["GET next", HANDLERS[handler]] * 2
    assert exit_code == 0
    (warning,) = [line for line in errors.splitlines() if '"WARN"' in line]
    assert f"{code} broken" in warning
    assert "r-1" in warning


@pytest.mark.parametrize("environment", [MANAGED, CONCURRENT], ids=["one poller", "two pollers"])
def test_no_poller_is_lost(functions: Path, environment: dict[str, str]) -> None:
    """Each poller gets a 500 for each of its outcomes, and asks for the next event all the same."""
    script = [invocation(), status(500)] * 6
    pollers = [script] if environment is MANAGED else [script, script]
    with (
        ScriptedServer(*pollers, lingering=True) as server,
        Runtime(server.address, "probe.echo", functions, environment=environment) as runtime,
    ):
        exit_code, errors = end(runtime, server, 12 * len(pollers))
    assert exit_code == 0
    assert errors.count('"WARN"') == 6 * len(pollers)
    assert "has ended" not in errors


def test_managed_instances_warn_when_a_stream_gets_a_500(functions: Path) -> None:
    with (
        ScriptedServer([invocation(b"abc"), status(500)], ONCE_MORE, [], lingering=True) as server,
        Runtime(server.address, "rough.stream", functions, environment=MANAGED) as runtime,
    ):
        exit_code, errors = end(runtime, server, 4)
    assert exit_code == 0
    assert errors.count('"WARN"') == 1


@pytest.mark.parametrize("receipt", [b"garbage\r\n\r\n", b"HTTP/1.1 202 Accepted\r\nContent-Length: x\r\n\r\n"])
def test_managed_instances_warn_when_the_receipt_is_no_http(functions: Path, receipt: bytes) -> None:
    with (
        ScriptedServer([invocation(), receipt], ONCE_MORE, lingering=True) as server,
        Runtime(server.address, "probe.echo", functions, environment=MANAGED) as runtime,
    ):
        exit_code, errors = end(runtime, server, 4)
    assert exit_code == 0
    assert errors.count('"WARN"') == 1


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("code", [500, 503])
def test_on_demand_ends_promptly(functions: Path, handler: str, code: int) -> None:
    with (
        ScriptedServer([invocation(), status(code, b"broken"), *ONCE_MORE], lingering=True) as server,
        Runtime(server.address, handler, functions) as runtime,
    ):
        exit_code, errors = runtime.end()
    assert server.actions == ["GET next", HANDLERS[handler]]
    assert exit_code == 3
    assert f"it answered {code} broken" in errors


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("environment", [{}, MANAGED], ids=["on demand", "managed"])
def test_a_403_is_a_warning_everywhere(functions: Path, handler: str, environment: dict[str, str]) -> None:
    with (
        ScriptedServer([invocation(), status(403, b"no"), *ONCE_MORE], lingering=True) as server,
        Runtime(server.address, handler, functions, environment=environment) as runtime,
    ):
        exit_code, errors = end(runtime, server, 4)
    assert exit_code == 0
    assert "it answered 403 no" in errors
