"""Overload: thousands of connections, many invalid requests, a full queue."""

from __future__ import annotations

import contextlib
import re
import resource
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.emulator.support import INVOKE, STREAM, Emulator, FunctionGate, read_all, refuses
from tests.waiting import wait_until

Serve = Callable[..., Emulator]
CROWD = 10_000
FLOODS = 200
OWN_DESCRIPTORS = 1000  # for the tests and the emulator themselves
QUEUE_LIMIT = 10_000
TOO_MANY = 100
MESSAGES_PER_SECOND = 10


@pytest.fixture
def descriptors() -> Iterator[int]:
    """How many descriptors a process may have; the tests may use all of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65536 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(most, CROWD + OWN_DESCRIPTORS)), hard))
    yield most
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_thousands_of_connections_do_not_stop_new_ones(serve: Serve, descriptors: int) -> None:
    count = min(CROWD, descriptors - OWN_DESCRIPTORS)
    begun = (b"", b"P", b"POST / HT", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1")
    emulator = serve("echo")
    with contextlib.ExitStack() as stack:
        for number in range(count):
            connection = stack.enter_context(emulator.connect())
            connection.sendall(begun[number % len(begun)])
            if number % 100 == 0:
                assert emulator.invoke(b"%d" % number).body == b"%d" % number
        for number in range(FLOODS):
            connection = stack.enter_context(emulator.connect())
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 12000)
            if number % 10 == 0:
                assert emulator.invoke(b"%d" % number).body == b"%d" % number
    assert emulator.invoke(b"1").body == b"1"
    lines = [line for line in emulator.err.splitlines() if "refused" in line]
    wait_until(
        lambda: re.search(r"faas-runtime: [0-9]+ more requests were refused\n", emulator.err), "nothing counts them"
    )
    assert 0 < len(lines) < FLOODS
    assert "Traceback" not in emulator.err


def test_idle_connections_are_closed_for_new_ones(emulated: Path, descriptors: int) -> None:
    assert descriptors > 2000
    with Emulator(f"{emulated}.echo", before=("sh", "-c", 'ulimit -n 400 && exec "$@"', "sh")) as emulator:
        connections = [emulator.connect() for _ in range(600)]
        for number, connection in enumerate(connections[::2]):
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"POST / HT" if number % 2 else b"")
        assert emulator.invoke(b"1").body == b"1"
        assert emulator.invoke(b"2").body == b"2"
        for connection in connections:
            connection.close()
        assert "Too many open files" not in emulator.err


def test_too_few_descriptors_for_the_concurrency_are_reported(emulated: Path, gate: FunctionGate) -> None:
    low = ("sh", "-c", 'ulimit -n 400 && exec "$@"', "sh")
    with (
        ThreadPoolExecutor(16) as executor,
        Emulator(f"{emulated}.gate", "--concurrency", "50", before=low) as emulator,
    ):
        assert (
            "faas-runtime: only 16 connections at once are possible; for more, raise the limit of open" in emulator.err
        )
        responses = [executor.submit(emulator.invoke, gate.event) for _ in range(16)]
        wait_until(lambda: emulator.out.count("START") == 16, "they do not run at once")
        with pytest.raises(ConnectionError):
            emulator.invoke()
        assert "a request was refused (503): all 16 connections are busy; for more, raise the limit" in emulator.err
        gate.open()
        assert {response.result().status for response in responses} == {200}
        assert emulator.invoke().status == 200
    with Emulator(f"{emulated}.gate", before=low) as emulator:
        assert emulator.invoke().status == 200
        assert "possible" not in emulator.err


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="not run: only Linux can set limits of other processes")
def test_functions_have_the_original_limit_of_descriptors(emulated: Path, descriptors: int) -> None:
    command = ("sh", "-c", 'ulimit -S -n 700 && exec "$@"', "sh")
    with Emulator(f"{emulated}.echo", before=command) as emulator:
        assert emulator.invoke(b"1").body == b"1"
        (child,) = emulator.children
        assert resource.prlimit(child, resource.RLIMIT_NOFILE)[0] == 700
        assert resource.prlimit(emulator.process.pid, resource.RLIMIT_NOFILE)[0] > 700


def test_the_queue_of_invocations_has_a_limit(serve: Serve) -> None:
    emulator = serve("nap", "--concurrency", "1")
    wait_until(lambda: emulator.request("GET", "/_faas/health").status == 200, "it does not start")
    event = b"600000"
    head = f"POST {INVOKE} HTTP/1.1\r\nHost: localhost\r\nX-Amz-Invocation-Type: Event\r\nContent-Length: 6\r\n"
    request = head.encode() + b"\r\n" + event
    requests = request * (1 + QUEUE_LIMIT + TOO_MANY - 1) + head.encode() + b"Connection: close\r\n\r\n" + event
    with emulator.connect() as connection:
        sending = threading.Thread(target=connection.sendall, args=(requests,))
        sending.start()
        received = read_all(connection)
        sending.join()
    statuses = Counter(re.findall(rb"HTTP/1\.1 ([0-9]+) ", received))
    assert statuses == {b"202": 1 + QUEUE_LIMIT, b"429": TOO_MANY}
    for path in (INVOKE, STREAM):
        response = emulator.invoke(event, path)
        assert (response.status, response.headers["x-amzn-errortype"]) == (429, "TooManyRequestsException")
        assert response.json["Type"] == "User"
    assert emulator.request("GET", "/").status == 503
    assert emulator.request("GET", "/_faas/health").status == 200
    wait_until(lambda: "more requests were refused\n" in emulator.err, "nothing counts them")
    seconds = emulator.err.count(" more requests were refused\n") + 1
    assert emulator.err.count("a request was refused (429): too many") <= MESSAGES_PER_SECOND * seconds
    emulator.process.send_signal(signal.SIGTERM)
    wait_until(lambda: refuses(emulator.port), "it is listening")
    assert emulator.end() == 128 + signal.SIGTERM
    assert emulator.err.count(" was not run, because the emulator is being stopped\n") == MESSAGES_PER_SECOND
