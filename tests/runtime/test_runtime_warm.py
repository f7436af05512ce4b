"""The usual invocation of a warm process, whose head needs no parsing: nothing of the contract is left out there."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from ci.runtime_api import RuntimeApi
from tests.runtime.support import ACCEPTED, OVER, TIMEOUT_S, Runtime, ScriptedServer, invocation, status

WARM = [invocation(b"warm"), ACCEPTED] * 3  # the first is parsed, the second tells what a receipt looks like


def play(functions: Path, handler: str, *connections: Sequence[bytes]) -> tuple[ScriptedServer, int, str]:
    with (
        ScriptedServer(*connections, lingering=True) as server,
        Runtime(server.address, handler, functions) as runtime,
    ):
        exit_code, errors = runtime.end()
    return server, exit_code, errors


def test_each_trace_id_is_in_the_environment(functions: Path) -> None:
    with RuntimeApi() as api, Runtime(api.address, "probe.trace", functions):
        ids = [f"Root={number}" for number in range(10, 20)]
        for number, trace_id in enumerate([*ids, *("Root=" + "1" * size for size in (2000, 1500, 2500)), *ids]):
            answer = api.invoke(b"", request_id=f"r-{number:03}", trace_id=trace_id, timeout=TIMEOUT_S)
            assert answer.body.decode() == f"{trace_id}|{trace_id}"


def test_nothing_is_left_of_the_answer_before(functions: Path) -> None:
    """The function leaves the response as it is where the event is `not`."""
    with RuntimeApi() as api, Runtime(api.address, "probe.say_or_not", functions):
        for payload in (b"say", b"say", b"say", b"not", b"say", b"not", b"say", b"say"):
            expected = b"said" if payload == b"say" else b""
            assert api.invoke(payload, request_id="r-1", timeout=TIMEOUT_S).body == expected
        assert api.invoke(b"how", request_id="r-1", timeout=TIMEOUT_S).body == b"6"  # releases


@pytest.mark.parametrize("code", [400, 403, 410, 413])
def test_a_refusal_is_told_and_ends_the_invocation_only(functions: Path, code: int) -> None:
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


def test_an_answer_that_may_have_been_taken_is_not_repeated(functions: Path) -> None:
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


def test_a_write_after_the_return_is_refused(functions: Path) -> None:
    with RuntimeApi() as api, Runtime(api.address, "rough.linger_when_warm", functions) as runtime:
        for number in range(4):  # the last one leaves a thread that writes when it has returned
            assert api.invoke(b"%d" % number, request_id="r-1", timeout=TIMEOUT_S).body == b"?"
        over = time.monotonic() + TIMEOUT_S
        answer = b"?"
        while answer == b"?" and time.monotonic() < over:
            time.sleep(0.5)  # nothing is in hand meanwhile
            answer = api.invoke(b"4", request_id="r-1", timeout=TIMEOUT_S).body
        assert answer == b"R"
        assert runtime.is_alive


def test_stop_asks_for_no_further_invocation(functions: Path) -> None:
    """The signal comes while the receipt for the last answer is on its way."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Runtime(f"127.0.0.1:{listener.getsockname()[1]}", "rough.nap", functions) as runtime,
    ):
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(TIMEOUT_S)
            for answer in (*WARM, invocation(b"last")):
                assert peer.recv(4096)
                peer.sendall(answer)
            assert peer.recv(4096).endswith(b"last")
            runtime.signal(signal.SIGTERM)
            time.sleep(0.5)
            peer.sendall(ACCEPTED)
            assert peer.recv(4096) == b""
        assert runtime.end() == (0, "shut down\n")


@pytest.mark.parametrize("seconds", [0.1, -1.3])
def test_deadline_that_is_not_acted_on(functions: Path, seconds: float) -> None:
    """One that passes during the call leaves the platform time to act first; one that was over on arrival is none."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with Runtime(address, "rough.nap", functions) as runtime:
            peer, _ = listener.accept()
            peer.settimeout(TIMEOUT_S)
            for left in (60, 60, 60, seconds):
                assert peer.recv(4096).startswith(b"GET ")
                if left == seconds:
                    time.sleep(3)  # now the watcher sleeps, and looks as soon as the event comes
                deadline = int((time.time() + left) * 1000)
                peer.sendall(invocation(b"x", f"Lambda-Runtime-Deadline-Ms: {deadline}"))
                assert peer.recv(4096).endswith(b"\r\n\r\nx")
                peer.sendall(ACCEPTED)
            assert runtime.is_alive
            peer.close()
