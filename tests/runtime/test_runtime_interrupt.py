"""A poller is interrupted: while an event arrives, while it waits, while it hangs."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest
from faas_runtime.client import ARRIVAL_TIMEOUT_S, RuntimeApiClient
from faas_runtime.connection import RuntimeApiConnection
from faas_runtime.environment import Endpoint

from ci.core.runtime_api_stub import RuntimeApiStub
from tests.runtime.support import RequestReader, Runtime, accept_runtime, invocation, status
from tests.waiting import TIMEOUT_S

RECEIPT = status(202)


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def name(listener: socket.socket) -> str:
    return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("before", [0, 3], ids=["first", "later"])
def test_an_event_that_has_begun_to_arrive_is_answered(functions: Path, before: int) -> None:
    event = invocation(b"12345", "Lambda-Runtime-Deadline-Ms: 1900000000000")
    with (
        listening() as listener,
        Runtime(name(listener), "probe.echo", functions) as runtime,
    ):
        peer = accept_runtime(listener)
        peer.settimeout(TIMEOUT_S)
        reader = RequestReader(peer)
        for _ in range(before):
            reader.read()
            peer.sendall(event)
            reader.read()
            peer.sendall(RECEIPT)
        reader.read()
        peer.sendall(event[:-2])
        runtime.wait_until_idle()
        runtime.signal(signal.SIGTERM)
        runtime.wait_for_watcher()
        peer.sendall(event[-2:])
        request = reader.read()
        peer.sendall(RECEIPT)
        exit_code, errors = runtime.end()
    assert (request.action, request.body) == ("POST response", b"12345")
    assert (exit_code, errors) == (0, "")


def test_an_event_that_stays_incomplete_is_not_waited_for(functions: Path) -> None:
    with (
        listening() as listener,
        Runtime(name(listener), "probe.echo", functions) as runtime,
    ):
        peer = accept_runtime(listener)
        RequestReader(peer).read()
        peer.sendall(invocation(b"12345")[:-2])
        runtime.wait_until_idle()
        runtime.signal(signal.SIGTERM)
        exit_code, _ = runtime.end()
    assert exit_code == 0


@pytest.mark.parametrize("before", [1, 3], ids=["first", "later"])
def test_an_idle_process_does_not_wait_for_an_event(functions: Path, before: int) -> None:
    """A process that has answered and waits ends at once: no event is arriving."""

    def seconds_to_end() -> float:
        with RuntimeApiStub() as api, Runtime(api.address, "probe.echo", functions) as runtime:
            for _ in range(before):
                assert api.invoke(b"{}", timeout=TIMEOUT_S).body == b"{}"
            runtime.wait_until_idle()
            started = time.monotonic()
            runtime.signal(signal.SIGTERM)
            assert runtime.end() == (0, "")
            return time.monotonic() - started

    assert min(seconds_to_end() for _ in range(3)) < ARRIVAL_TIMEOUT_S


def test_the_watcher_makes_no_buffer_for_a_poller() -> None:
    """If two threads made one at the same time, the function could get the empty one."""
    connection = RuntimeApiConnection(Endpoint.parse("127.0.0.1:9"))
    client = RuntimeApiClient(connection)
    client.interrupt()
    assert connection._reader is None


def test_the_wait_for_a_restore_is_ended_without_hooks(functions: Path) -> None:
    environment = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
    with (
        listening() as listener,
        Runtime(name(listener), "probe.echo", functions, environment=environment) as runtime,
    ):
        peer = accept_runtime(listener)
        peer.settimeout(TIMEOUT_S)
        assert RequestReader(peer).read().path.endswith("/restore/next")
        runtime.signal(signal.SIGTERM)
        assert runtime.end() == (0, "")


def test_a_process_that_idles_sleeps_and_still_notices_what_hangs(functions: Path) -> None:
    with listening() as listener, Runtime(name(listener), "rough.hang_if_asked", functions) as runtime:
        peer = accept_runtime(listener)
        peer.settimeout(TIMEOUT_S)
        reader = RequestReader(peer)
        for payload in (b"0", b"0", b"1"):  # the last one comes in a head that needs no parsing
            reader.read()
            runtime.wait_until_idle(1.5)
            deadline = int(time.time() * 1000) + 500
            peer.sendall(invocation(payload, f"Lambda-Runtime-Deadline-Ms: {deadline}"))
            if payload == b"0":
                reader.read()
                peer.sendall(RECEIPT)
        exit_code, errors = runtime.end()
    assert exit_code == 4
    assert errors.endswith("hangs: its deadline has passed, and the function has not returned\n")
