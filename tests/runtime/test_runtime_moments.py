"""What happens at the wrong moment: a signal while an event arrives, a write after its call."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest

from ci.runtime_api import RuntimeApi
from tests.runtime.support import TIMEOUT_S, Runtime, invocation, status

RECEIPT = status(202)


def name(listener: socket.socket) -> str:
    return f"127.0.0.1:{listener.getsockname()[1]}"


def read_request(peer: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = peer.recv(65536)
        assert piece, f"the runtime has closed the connection after {data!r}"
        data += piece
    return data


@pytest.mark.parametrize("before", [0, 3], ids=["first", "later"])
def test_an_event_that_has_begun_to_arrive_is_answered(functions: Path, before: int) -> None:
    event = invocation(b"12345", "Lambda-Runtime-Deadline-Ms: 1900000000000")
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Runtime(name(listener), "probe.echo", functions) as runtime,
    ):
        peer, _ = listener.accept()
        peer.settimeout(TIMEOUT_S)
        for _ in range(before):
            read_request(peer)
            peer.sendall(event)
            read_request(peer)
            peer.sendall(RECEIPT)
        read_request(peer)
        peer.sendall(event[:-2])
        time.sleep(0.1)
        runtime.signal(signal.SIGTERM)
        time.sleep(0.2)  # some rounds of the watcher
        peer.sendall(event[-2:])
        answer = read_request(peer)
        peer.sendall(RECEIPT)
        exit_code, errors = runtime.end()
    assert answer.startswith(b"POST /2018-06-01/runtime/invocation/r-1/response ")
    assert answer.endswith(b"\r\n\r\n12345")
    assert (exit_code, errors) == (0, "")


def test_an_event_that_never_arrives_whole_is_not_waited_for(functions: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Runtime(name(listener), "probe.echo", functions) as runtime,
    ):
        peer, _ = listener.accept()
        read_request(peer)
        peer.sendall(invocation(b"12345")[:-2])
        time.sleep(0.1)
        runtime.signal(signal.SIGTERM)
        exit_code, _ = runtime.end()
    assert exit_code == 0


def test_a_write_to_the_stream_of_an_ended_call_is_refused(functions: Path) -> None:
    with RuntimeApi() as api, Runtime(api.address, "rough.write_to_ended", functions):
        bodies = [api.invoke(b"{}", timeout=TIMEOUT_S).body for _ in range(5)]
    assert bodies == [b"-", b"R", b"R", b"R", b"R"]
