"""SnapStart: hooks, the wait for the restore, a new connection, and the exit codes of failures."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.runtime.support import ACCEPTED, OVER, RecordedRequest, Runtime, ScriptedServer, invocation, status
from tests.waiting import wait_until

SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}


def play(
    functions: Path, *connections: list[bytes], handler: str = "hooks.handle", **environment: str
) -> tuple[list[RecordedRequest], int, str]:
    with (
        ScriptedServer(*connections) as server,
        Runtime(server.address, handler, functions, environment=SNAP_START | environment) as runtime,
    ):
        exit_code, errors = runtime.end()
    return server.requests, exit_code, errors


def test_hooks_and_a_new_connection(functions: Path) -> None:
    requests, _, errors = play(functions, [status(200)], [invocation(), ACCEPTED, OVER])
    assert [request.path.partition("/runtime")[2] for request in requests] == [
        *("/restore/next", "/invocation/next", "/invocation/r-1/response", "/invocation/next"),
    ]
    assert [request.connection for request in requests] == [0, 1, 1, 1]
    assert requests[2].body == b"restored"
    assert errors.startswith("before\nafter\n")


def test_stop_after_a_restore_finishes_the_invocation_in_progress(functions: Path) -> None:
    with (
        ScriptedServer([status(200)], [invocation(b"last"), ACCEPTED, OVER]) as server,
        Runtime(server.address, "rough.nap", functions, environment=SNAP_START) as runtime,
    ):
        wait_until(lambda: len(server.requests) == 2)
        runtime.wait_until_idle()  # the function is slow
        runtime.signal(signal.SIGTERM)
        assert runtime.end() == (0, "shut down\n")
    assert server.actions == ["GET next", "GET next", "POST response"]
    assert server.requests[2].body == b"last"


def test_function_without_hooks(functions: Path) -> None:
    requests, _, _ = play(functions, [status(200)], [invocation(b"x"), ACCEPTED, OVER], handler="probe.echo")
    assert requests[2].body == b"x"


@pytest.mark.parametrize(
    ("failing", "responses", "path", "exit_code"),
    [
        ("before", [[ACCEPTED]], "/init/error", 64),
        ("after", [[status(200)], [ACCEPTED]], "/restore/error", 65),
    ],
)
def test_failing_hook(functions: Path, failing: str, responses: list[list[bytes]], path: str, exit_code: int) -> None:
    requests, code, errors = play(functions, *responses, HOOK_FAILS=failing)
    kind = "Runtime.BeforeSnapshotError" if failing == "before" else "Runtime.AfterRestoreError"
    assert requests[-1].path.endswith(path)
    assert requests[-1].headers["lambda-runtime-function-error-type"] == kind
    assert json.loads(requests[-1].body)["errorMessage"] == "Function.NoNetwork: the network is away"
    assert code == exit_code
    hook = "faas_before_snapshot" if failing == "before" else "faas_after_restore"
    assert f"faas-runtime: {hook} failed: {kind}: Function.NoNetwork: the network is away" in errors


def test_snapshot_hooks_are_called_for_snapstart_only(functions: Path) -> None:
    with (
        ScriptedServer([invocation(), ACCEPTED, OVER]) as server,
        Runtime(server.address, "hooks.handle", functions) as runtime,
    ):
        _, errors = runtime.end()
    assert server.requests[1].body == b"initialised"
    assert "before" not in errors
