"""What happens at the wrong moment: a signal while an event arrives, a write after its call."""

from __future__ import annotations

import re
import signal
import socket
import time
from pathlib import Path

import pytest
from faas_runtime.client import ARRIVAL_S
from faas_runtime.client import RuntimeApi as Client
from faas_runtime.connection import Connection
from faas_runtime.environment import Place

from ci.runtime_api import RuntimeApi
from tests.runtime.support import TIMEOUT_S, Runtime, invocation, status

RECEIPT = status(202)


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


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
        listening() as listener,
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
        listening() as listener,
        Runtime(name(listener), "probe.echo", functions) as runtime,
    ):
        peer, _ = listener.accept()
        read_request(peer)
        peer.sendall(invocation(b"12345")[:-2])
        time.sleep(0.1)
        runtime.signal(signal.SIGTERM)
        exit_code, _ = runtime.end()
    assert exit_code == 0


@pytest.mark.parametrize("before", [1, 3], ids=["first", "later"])
def test_what_has_come_before_is_not_taken_for_an_event(functions: Path, before: int) -> None:
    """A process that has answered and waits ends at once: nothing is arriving that it could wait for."""

    def seconds_to_end() -> float:
        with RuntimeApi() as api, Runtime(api.address, "probe.echo", functions) as runtime:
            for _ in range(before):
                assert api.invoke(b"{}", timeout=TIMEOUT_S).body == b"{}"
            time.sleep(0.1)
            started = time.monotonic()
            runtime.signal(signal.SIGTERM)
            assert runtime.end() == (0, "")
            return time.monotonic() - started

    assert min(seconds_to_end() for _ in range(3)) < ARRIVAL_S


def test_a_stream_that_breaks_in_a_warm_process_ends_nothing_else(functions: Path) -> None:
    with RuntimeApi() as api, Runtime(api.address, "rough.break_if_asked", functions) as runtime:
        for size in (1, 100, 1000, 10, 1):  # heads that are alike, and heads that are the first of their kind
            assert api.invoke(b"00", timeout=TIMEOUT_S).body == b"00"
            answer = api.invoke(b"s" * size, timeout=TIMEOUT_S)
            assert (answer.kind, answer.body) == ("response", b"piece")
        assert runtime.is_alive


def test_the_watcher_makes_no_buffer_for_a_poller() -> None:
    """Two threads that made one at once would have two, of which the function would be handed the empty one."""
    connection = Connection(Place.parse("127.0.0.1:9"))
    client = Client(connection)
    client.interrupt()
    assert connection._reader is None


def test_the_wait_for_a_restore_is_ended_without_hooks(functions: Path) -> None:
    environment = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
    with (
        listening() as listener,
        Runtime(name(listener), "probe.echo", functions, environment=environment) as runtime,
    ):
        peer, _ = listener.accept()
        peer.settimeout(TIMEOUT_S)
        assert b"/restore/next" in read_request(peer)
        runtime.signal(signal.SIGTERM)
        assert runtime.end() == (0, "")


def test_a_write_to_the_stream_of_an_ended_call_is_refused(functions: Path) -> None:
    with RuntimeApi() as api, Runtime(api.address, "rough.write_to_ended", functions):
        bodies = [api.invoke(b"{}", timeout=TIMEOUT_S).body for _ in range(5)]
    assert bodies == [b"-", b"R", b"R", b"R", b"R"]


def naps(pid: int) -> int:
    """How often the threads of a process were put to sleep: they woke up as often."""
    tasks = Path(f"/proc/{pid}/task")
    texts = [(task / "status").read_text() for task in tasks.iterdir()]
    return sum(int(count) for text in texts for count in re.findall(r"ctxt_switches:\t([0-9]+)", text))


def wait_until_asleep(pid: int) -> None:
    """Wait until no thread of the process has woken up for a while."""
    over = time.monotonic() + TIMEOUT_S
    before = -1
    while before != (before := naps(pid)):
        assert time.monotonic() < over, "it never sleeps"
        time.sleep(1.5)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="not run: there is no /proc here")
def test_a_process_that_idles_sleeps_and_still_notices_what_hangs(functions: Path) -> None:
    with listening() as listener, Runtime(name(listener), "rough.hang_if_asked", functions) as runtime:
        peer, _ = listener.accept()
        peer.settimeout(TIMEOUT_S)
        for payload in (b"0", b"0", b"1"):  # the last one comes in a head that needs no parsing
            read_request(peer)
            wait_until_asleep(runtime.pid)
            deadline = int(time.time() * 1000) + 500
            peer.sendall(invocation(payload, f"Lambda-Runtime-Deadline-Ms: {deadline}"))
            if payload == b"0":
                read_request(peer)
                peer.sendall(RECEIPT)
        exit_code, errors = runtime.end()
    assert exit_code == 4
    assert errors.endswith("hangs: its deadline has passed, and the function has not returned\n")
