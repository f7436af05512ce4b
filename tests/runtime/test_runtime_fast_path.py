"""The fast path of a warm process keeps the contract of the Runtime API."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from faas_runtime.client import RuntimeApiClient
from faas_runtime.connection import RuntimeApiConnection
from faas_runtime.environment import Endpoint
from faas_runtime.invocation import Invocation

from ci.core.runtime_api_stub import RuntimeApiStub
from tests.runtime.support import (
    ACCEPTED,
    NO_PIPELINING,
    OVER,
    RequestReader,
    Runtime,
    ScriptedServer,
    accept_runtime,
    invocation,
    status,
)
from tests.waiting import TIMEOUT_S, wait_until

WARM = [invocation(b"warm"), ACCEPTED] * 3  # the first is parsed; the second shows the usual receipt


def play(functions: Path, handler: str, *connections: Sequence[bytes]) -> tuple[ScriptedServer, int, str]:
    with (
        ScriptedServer(*connections, lingering=True) as server,
        Runtime(server.address, handler, functions) as runtime,
    ):
        exit_code, errors = runtime.end()
    return server, exit_code, errors


def test_each_trace_id_is_in_the_environment(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "probe.trace", functions):
        ids = [f"Root={number}" for number in range(10, 20)]
        for number, trace_id in enumerate([*ids, *("Root=" + "1" * size for size in (2000, 1500, 2500)), *ids]):
            result = api.invoke(b"", request_id=f"r-{number:03}", trace_id=trace_id, timeout=TIMEOUT_S)
            assert result.body.decode() == f"{trace_id}|{trace_id}"


def test_nothing_of_the_previous_response_is_left(functions: Path) -> None:
    """For the event `not`, the function does not change the response."""
    with RuntimeApiStub() as api, Runtime(api.address, "probe.say_or_not", functions):
        for payload in (b"say", b"say", b"say", b"not", b"say", b"not", b"say", b"say"):
            expected = b"said" if payload == b"say" else b""
            assert api.invoke(payload, request_id="r-1", timeout=TIMEOUT_S).body == expected
        assert api.invoke(b"how", request_id="r-1", timeout=TIMEOUT_S).body == b"6"  # releases


@pytest.mark.parametrize("code", [400, 403, 410, 413])
def test_a_refusal_is_logged_and_ends_the_invocation_only(functions: Path, code: int) -> None:
    script = [*WARM, invocation(b"5678"), status(code, b"because"), invocation(b"1234"), ACCEPTED, OVER]
    server, exit_code, errors = play(functions, "probe.echo", script)
    assert [request.body for request in server.requests[1::2]] == [b"warm"] * 3 + [b"5678", b"1234"]
    assert errors.count(f"it answered {code} because") == 1
    assert exit_code == 3


def test_a_broken_api_ends_the_process(functions: Path) -> None:
    server, exit_code, errors = play(functions, "probe.echo", [*WARM, invocation(b"5678"), OVER])
    assert server.actions[-1] == "POST response"
    assert exit_code == 3
    assert "the Runtime API failed on /invocation/r-1/response: it answered 500" in errors


def test_a_response_that_may_have_been_accepted_is_not_repeated(functions: Path) -> None:
    with (
        ScriptedServer([*WARM, invocation(b"5678"), b""], [invocation(b"1234"), ACCEPTED, OVER]) as server,
        Runtime(server.address, "probe.echo", functions) as runtime,
    ):
        _, errors = runtime.end()
    assert [request.body for request in server.requests if request.method == "POST"][3:] == [b"5678", b"1234"]
    assert "not sent again" in errors


def test_connection_that_is_closed_during_the_call(functions: Path) -> None:
    with (
        ScriptedServer([*WARM, invocation(b"5678")], [ACCEPTED, OVER]) as server,
        Runtime(server.address, "rough.nap", functions) as runtime,
    ):
        _, errors = runtime.end()
    assert [request.connection for request in server.requests[-3:]] == [0, 1, 1]
    assert server.requests[-2].body == b"5678"
    assert "not sent again" not in errors


@pytest.mark.parametrize("environment", [{}, NO_PIPELINING], ids=["pipelining", "no pipelining"])
def test_a_file_that_gets_the_number_of_the_socket(
    functions: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    data = tmp_path / "data"
    data.touch()
    script = [*WARM, invocation(b"close")]
    with (
        ScriptedServer(script, [ACCEPTED, invocation(b"last"), ACCEPTED, OVER], lingering=True) as server,
        Runtime(
            server.address, "rough.close_and_open", functions, environment={"DATA": str(data)} | environment
        ) as runtime,
    ):
        runtime.end()
    assert data.read_bytes() == b""
    assert [request.body for request in server.requests if request.method == "POST"] == [b"done"] * 5


def test_the_id_may_be_any_text_between_two_invocations() -> None:
    """The head of the next event may lie there, while the watcher reads the id."""
    client = RuntimeApiClient(RuntimeApiConnection(Endpoint.parse("127.0.0.1:9")))
    client.invocation = Invocation()
    client.invocation.set_request_id(memoryview(b"r-\xc3"))
    assert client.current_request == "r-\ufffd"


def test_a_write_after_the_return_is_refused(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "rough.linger_when_warm", functions) as runtime:
        for number in range(4):  # the last one starts a thread that writes after the return
            assert api.invoke(b"%d" % number, request_id="r-1", timeout=TIMEOUT_S).body == b"?"

        def late_result() -> bytes:
            runtime.wait_until_idle()  # no call is running
            return api.invoke(b"4", request_id="r-1", timeout=TIMEOUT_S).body

        wait_until(lambda: late_result() != b"?")
        assert late_result() == b"R"
        assert runtime.is_alive


def test_stop_asks_for_no_further_invocation(functions: Path) -> None:
    """The signal arrives while the receipt for the last response is on its way."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Runtime(f"127.0.0.1:{listener.getsockname()[1]}", "rough.nap", functions, environment=NO_PIPELINING) as runtime,
    ):
        peer = accept_runtime(listener)
        with peer:
            peer.settimeout(TIMEOUT_S)
            reader = RequestReader(peer)
            for response in (*WARM, invocation(b"last")):
                reader.read()
                peer.sendall(response)
            assert reader.read().body == b"last"
            runtime.signal(signal.SIGTERM)
            runtime.wait_for_watcher()
            peer.sendall(ACCEPTED)
            assert peer.recv(4096) == b""
        assert runtime.end() == (0, "shut down\n")


@pytest.mark.parametrize("seconds", [0.1, -1.3])
def test_deadline_that_is_not_acted_on(functions: Path, seconds: float) -> None:
    """If it passes during the call, the platform gets time to act first. If it had passed on arrival, it is ignored."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with Runtime(address, "rough.nap", functions) as runtime:
            peer = accept_runtime(listener)
            peer.settimeout(TIMEOUT_S)
            reader = RequestReader(peer)
            for left in (60, 60, 60, seconds):
                assert reader.read().action == "GET next"
                if left == seconds:
                    runtime.wait_until_idle(1.5)  # the watcher sleeps, and checks when the event arrives
                deadline = int((time.time() + left) * 1000)
                peer.sendall(invocation(b"x", f"Lambda-Runtime-Deadline-Ms: {deadline}"))
                assert reader.read().body == b"x"
                peer.sendall(ACCEPTED)
            assert runtime.is_alive
            peer.close()
