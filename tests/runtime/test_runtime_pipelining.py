"""The request for the next event is sent together with a response, where nothing can be lost by it."""

from __future__ import annotations

import select
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from faas_runtime.watcher import DEADLINE_GRACE_S

from ci.core.runtime_api_stub import RuntimeApiStub
from tests.runtime.support import (
    ACCEPTED,
    NO_PIPELINING,
    OVER,
    RecordedRequest,
    RequestReader,
    Runtime,
    ScriptedServer,
    accept_runtime,
    invocation,
    status,
)
from tests.waiting import TIMEOUT_S, wait_until

MANAGED = {"AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances"}
SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
WARM_UP = 4  # the first event is taken without the fast path; it learns from the second, and is used from the third on


class Peer:
    """The server's end of the connection of a runtime that has answered some events."""

    def __init__(self, accepted: socket.socket) -> None:
        accepted.settimeout(TIMEOUT_S)
        self.socket = accepted
        self._reader = RequestReader(accepted)

    def read(self) -> RecordedRequest:
        return self._reader.read()

    def answer(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.socket.sendall(piece)

    def take(self, event: bytes) -> RecordedRequest:
        """Answer the request for an event; returns the outcome, which has no receipt yet."""
        assert self.read().action == "GET next"
        self.answer(event)
        return self.read()

    @property
    def is_asked(self) -> bool:
        """Whether the last outcome came together with the request for the next event."""
        return self._reader.has_more

    def is_asked_by(self, runtime: Runtime) -> bool:
        """The same, for an outcome that is too long to come at once."""
        runtime.wait_until_idle()
        return self.is_asked or bool(select.select([self.socket], [], [], 0)[0])

    def accept_and_give(self, receipt: bytes, event: bytes, *, bytewise: bool) -> None:
        """Send the receipt for an outcome and the next event: together, if both requests have come."""
        is_asked = self.is_asked
        for response in [receipt + event] if is_asked else [receipt, event]:
            if response is event or is_asked:
                assert self.read().action == "GET next"
            self.answer(*(bytes([byte]) for byte in response) if bytewise else [response])


@contextmanager
def warm(
    functions: Path, handler: str, environment: Mapping[str, str] = {}
) -> Iterator[tuple[socket.socket, Peer, Runtime]]:
    """A runtime that sends requests together from now on: the listening socket, the peer, and the runtime."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Runtime(f"127.0.0.1:{listener.getsockname()[1]}", handler, functions, environment=environment) as runtime,
    ):
        listener.settimeout(TIMEOUT_S)
        peer = Peer(accept_runtime(listener))
        for _ in range(WARM_UP):
            peer.take(invocation(b"warm"))
            peer.answer(ACCEPTED)
        yield listener, peer, runtime
        peer.socket.close()


def late_event(payload: bytes, seconds: float) -> bytes:
    return invocation(payload, f"Lambda-Runtime-Deadline-Ms: {int((time.time() + seconds) * 1000)}")


def play(functions: Path, *connections: list[bytes], handler: str = "echo", **environment: str) -> ScriptedServer:
    with (
        ScriptedServer(*connections, lingering=True) as server,
        Runtime(server.address, f"rough.{handler}", functions, environment=environment) as runtime,
    ):
        runtime.end()
    return server


SOME = [part for number in range(6) for part in (invocation(b"%d" % number, request_id=f"r-{number}"), ACCEPTED)]


def test_the_next_request_comes_with_the_response_once_the_connection_has_stayed_open(functions: Path) -> None:
    server = play(functions, [*SOME, OVER], handler="as_asked")
    assert server.actions == ["GET next", "POST response"] * 6 + ["GET next"]
    assert [request.is_pipelined for request in server.requests[::2]] == [False] * 3 + [True] * 4
    assert not any(request.is_pipelined for request in server.requests[1::2])


def test_a_variable_switches_it_off(functions: Path) -> None:
    server = play(functions, [*SOME, OVER], handler="as_asked", **NO_PIPELINING)
    assert server.actions == ["GET next", "POST response"] * 6 + ["GET next"]
    assert not any(request.is_pipelined for request in server.requests)


def test_the_variable_has_two_values(functions: Path) -> None:
    with Runtime("127.0.0.1:9", "rough.nap", functions, environment={"FAAS_RUNTIME_PIPELINING": "no"}) as runtime:
        exit_code, errors = runtime.end()
    assert exit_code == 2
    assert "FAAS_RUNTIME_PIPELINING is 'no'. Set it to on or off" in errors


@pytest.mark.parametrize("payload", [b"fail", b"type", b"x" * 70_000])
def test_unusual_outcomes_are_sent_alone(functions: Path, payload: bytes) -> None:
    with warm(functions, "rough.as_asked") as (_, peer, runtime):
        peer.take(invocation(payload))
        assert not peer.is_asked_by(runtime)
        peer.answer(ACCEPTED)
        peer.take(invocation(b"usual"))
        assert peer.is_asked_by(runtime)


def test_a_stream_is_sent_alone(functions: Path) -> None:
    with warm(functions, "rough.break_if_asked") as (_, peer, runtime):
        assert peer.take(invocation(b"s")).headers["connection"] == "close"
        assert not peer.is_asked_by(runtime)


def test_a_long_call_does_not_prevent_it(functions: Path) -> None:
    with warm(functions, "rough.nap") as (_, peer, runtime):
        peer.take(invocation(b"x"))
        assert peer.is_asked_by(runtime)


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("receipt", [ACCEPTED, status(202, b""), status(200), status(403, b"no"), status(413, b"no")])
def test_the_event_may_come_with_the_receipt(functions: Path, receipt: bytes, bytewise: bool) -> None:
    with warm(functions, "rough.as_asked") as (_, peer, runtime):
        peer.take(invocation(b"usual"))
        asked = 0
        for number in range(6):
            asked += peer.is_asked
            peer.accept_and_give(ACCEPTED if number % 3 else receipt, invocation(b"%d" % number), bytewise=bytewise)
            assert peer.read().body == b"%d" % number
        assert asked >= (1 if bytewise else 2)
        peer.answer(ACCEPTED)
        assert peer.read().action == "GET next"
        runtime.wait_until_idle()
        runtime.signal(signal.SIGTERM)
        exit_code, errors = runtime.end()
    assert exit_code == 0
    assert errors.count("refused /invocation/r-1/response") == 2 * receipt.startswith(b"HTTP/1.1 4")


def test_receipt_in_chunks_with_an_event_behind_it(functions: Path) -> None:
    chunked = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    with warm(functions, "rough.as_asked") as (_, peer, _):
        peer.take(invocation(b"1"))
        for payload in (b"2", b"3", b"4"):
            assert peer.is_asked
            peer.accept_and_give(chunked, invocation(payload), bytewise=False)
            assert peer.read().body == payload
            peer.answer(ACCEPTED)
            peer.take(invocation(b"usual"))


def test_a_date_changes_nothing(functions: Path) -> None:
    """Only the Date of the heads changes: the runtime still reads no further than the receipt."""

    def dated(answer: bytes, second: int) -> bytes:
        return answer.replace(b"\r\n", b"\r\nDate: Thu, 01 Jan 2026 00:00:%02d GMT\r\n" % second, 1)

    script = [
        dated(part, second)
        for second in range(8)
        for part in (invocation(b"%d" % second, request_id=f"r-{second}"), ACCEPTED)
    ]
    server = play(functions, [*script, OVER], handler="as_asked")
    assert [request.body for request in server.requests[1::2]] == [b"%d" % second for second in range(8)]
    assert [request.is_pipelined for request in server.requests[::2]] == [False] * 3 + [True] * 6


@pytest.mark.parametrize("receipt", [
    ACCEPTED.replace(b"\r\n", b"\r\nConnection: close\r\n", 1),
    status(413, b"no").replace(b"\r\n", b"\r\nConnection: close\r\n", 1),
    ACCEPTED,
    b"",
], ids=["accepted and closed", "refused and closed", "closed without a word", "closed without a receipt"])  # fmt: skip
@pytest.mark.parametrize("before", [0, 1], ids=["first", "later"])
@pytest.mark.parametrize("environment", [{}, MANAGED], ids=["on demand", "managed"])
def test_a_server_that_closes_costs_one_repeated_request(
    functions: Path, receipt: bytes, before: int, environment: dict[str, str]
) -> None:
    with warm(functions, "rough.as_asked", environment) as (listener, peer, runtime):
        for _ in range(before):
            peer.take(invocation(b"usual"))
            peer.answer(ACCEPTED)
        peer.take(invocation(b"last"))
        assert peer.read().action == "GET next"  # it is lost
        peer.answer(receipt)
        peer.socket.close()
        second = Peer(accept_runtime(listener))
        for number in range(4):
            assert second.take(invocation(b"%d" % number)).body == b"%d" % number
            assert not second.is_asked_by(runtime)
            second.answer(ACCEPTED)
        second.socket.close()


@pytest.mark.parametrize("says_so", [False, True])
def test_a_server_that_closes_after_each_response(functions: Path, says_so: bool) -> None:
    script = list(SOME)
    if says_so:
        script = [part.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) for part in SOME]
    with (
        ScriptedServer(*([part] for part in script)) as server,
        Runtime(server.address, "rough.as_asked", functions) as runtime,
    ):
        runtime.end()
    assert server.actions == ["GET next", "POST response"] * 6
    assert [request.body for request in server.requests[1::2]] == [b"%d" % number for number in range(6)]


def test_a_server_that_sends_single_bytes(functions: Path) -> None:
    with (
        ScriptedServer([*SOME, OVER], bytewise=True) as server,
        Runtime(server.address, "rough.as_asked", functions) as runtime,
    ):
        runtime.end()
    assert server.actions == ["GET next", "POST response"] * 6 + ["GET next"]
    assert [request.body for request in server.requests[1::2]] == [b"%d" % number for number in range(6)]


def test_the_server_of_the_standard_library(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "rough.as_asked", functions) as runtime:
        for number in range(200):
            assert api.invoke(b"%d" % number, request_id=f"r-{number:03}", timeout=TIMEOUT_S).body == b"%d" % number
        runtime.wait_until_idle()
        runtime.signal(signal.SIGTERM)
        assert runtime.end() == (0, "shut down\n")


def test_a_failure_of_the_api_ends_the_process_promptly(functions: Path) -> None:
    """Although the request for the next event has left."""
    with warm(functions, "rough.as_asked") as (_, peer, runtime):
        peer.take(invocation(b"x"))
        assert peer.read().action == "GET next"
        peer.answer(status(500, b"broken"))
        exit_code, errors = runtime.end()
    assert exit_code == 3
    assert "the Runtime API failed on /invocation/r-1/response: it answered 500 broken" in errors


def test_managed_instances_go_on_after_a_failure(functions: Path) -> None:
    with warm(functions, "rough.as_asked", MANAGED) as (_, peer, runtime):
        peer.take(invocation(b"x"))
        assert peer.read().action == "GET next"
        peer.answer(status(500, b"broken") + invocation(b"y"))
        assert peer.read().body == b"y"
        peer.answer(ACCEPTED)
        peer.read()
        runtime.wait_until_idle()
        runtime.signal(signal.SIGTERM)
        exit_code, errors = runtime.end()
    assert (exit_code, errors.count('"WARN"')) == (0, 1)


def test_managed_instances_go_on_after_a_receipt_that_is_no_http(functions: Path) -> None:
    with warm(functions, "rough.as_asked", MANAGED) as (listener, peer, runtime):
        peer.take(invocation(b"x"))
        peer.read()
        peer.answer(b"garbage\r\n\r\n")
        second = Peer(accept_runtime(listener))
        assert second.take(invocation(b"y")).body == b"y"
        assert not second.is_asked_by(runtime)


def test_memory_is_released_before_the_response_leaves(functions: Path) -> None:
    """The platform may freeze the process as soon as it has the response and the request."""
    with warm(functions, "rough.echo_aloud") as (_, peer, runtime):
        peer.take(invocation(b"x"))
        seen = runtime.read_errors()
        assert seen.count("released\n") == WARM_UP + 1


def test_each_response_is_released_once(functions: Path) -> None:
    """Also when its receipt is unusual, or the connection is gone before it can be sent."""
    with warm(functions, "rough.echo_aloud") as (listener, peer, runtime):
        peer.take(invocation(b"x"))
        peer.answer(status(403))
        peer.take(invocation(b"y"))
        peer.answer(b"")
        peer.socket.close()
        second = Peer(accept_runtime(listener))
        second.take(invocation(b"z"))
        second.answer(ACCEPTED)
        second.read()
        runtime.wait_until_idle()
        runtime.signal(signal.SIGTERM)
        exit_code, errors = runtime.end()
    assert exit_code == 0
    assert errors.count("released\n") == WARM_UP + 3


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
class TestSignals:
    """A signal that asks the process to end."""

    def test_during_the_call_no_event_is_asked_for(self, functions: Path) -> None:
        with warm(functions, "rough.nap") as (_, peer, runtime):
            assert peer.read().action == "GET next"
            peer.answer(invocation(b"last"))
            runtime.wait_until_idle()
            runtime.signal(signal.SIGTERM)
            assert peer.read().body == b"last"
            assert not peer.is_asked
            peer.answer(ACCEPTED)
            assert runtime.end() == (0, "shut down\n")

    def test_after_the_requests_the_receipt_is_waited_for_and_no_event(self, functions: Path) -> None:
        with warm(functions, "rough.nap") as (_, peer, runtime):
            peer.take(invocation(b"last"))
            assert peer.read().action == "GET next"
            runtime.wait_until_idle()
            runtime.signal(signal.SIGTERM)
            runtime.wait_for_watcher()
            assert runtime.is_alive
            peer.answer(ACCEPTED)
            assert runtime.end() == (0, "shut down\n")

    @pytest.mark.parametrize("received", [1, 40, 10**6], ids=["one byte", "some bytes", "all"])
    @pytest.mark.parametrize("receipt", [ACCEPTED, status(200)], ids=["usual", "unusual"])
    def test_an_event_that_came_behind_the_receipt_is_answered(
        self, functions: Path, receipt: bytes, received: int
    ) -> None:
        with warm(functions, "rough.nap") as (_, peer, runtime):
            peer.take(invocation(b"one"))
            assert peer.read().action == "GET next"
            runtime.wait_until_idle()
            runtime.signal(signal.SIGTERM)
            runtime.wait_for_watcher()
            event = invocation(b"two")
            peer.answer(receipt + event[:received])
            runtime.wait_for_watcher()
            peer.answer(event[received:])
            assert peer.read().body == b"two"
            assert not peer.is_asked
            peer.answer(ACCEPTED)
            assert runtime.end() == (0, "shut down\n")


def test_a_receipt_that_does_not_come_ends_the_process_after_the_deadline(functions: Path) -> None:
    with warm(functions, "rough.as_asked") as (_, peer, runtime):
        peer.take(late_event(b"x", 0.5))
        assert peer.read().action == "GET next"
        exit_code, errors = runtime.end()
    assert exit_code == 4
    assert errors.endswith("hangs: its deadline has passed, and the Runtime API has not accepted the response\n")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_process_that_was_frozen_before_its_receipt_goes_on(functions: Path) -> None:
    """SIGSTOP stands in for the platform, which freezes a process that has answered and waits for an event."""
    with warm(functions, "rough.as_asked") as (_, peer, runtime):
        over = time.time() + 0.3 + DEADLINE_GRACE_S
        peer.take(late_event(b"x", 0.3))
        assert peer.read().action == "GET next"
        runtime.wait_until_idle()
        runtime.signal(signal.SIGSTOP)
        peer.answer(ACCEPTED)
        wait_until(lambda: time.time() > over)
        peer.answer(invocation(b"y"))
        runtime.signal(signal.SIGCONT)
        assert peer.read().body == b"y"


def test_the_last_words_name_the_request(functions: Path) -> None:
    with warm(functions, "rough.as_asked") as (_, peer, runtime):
        peer.take(invocation(b"x"))
        peer.answer(ACCEPTED)
        assert peer.read().action == "GET next"
        peer.answer(invocation(b"exit", request_id="r-9"))
        exit_code, errors = runtime.end()
    assert exit_code == 0
    assert errors.endswith("the function ended the process with exit() during request r-9\n")


def test_after_a_restore(functions: Path) -> None:
    server = play(functions, [status(200)], [*SOME, OVER], handler="as_asked", **SNAP_START)
    assert server.actions == ["GET next"] + ["GET next", "POST response"] * 6 + ["GET next"]
    assert [request.is_pipelined for request in server.requests[1::2]] == [False] * 3 + [True] * 4
