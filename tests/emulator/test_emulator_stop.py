"""How `faas-runtime serve` stops: running invocations end first, and no process is left."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.emulator.support import INVOKE, Emulator, FunctionGate, lives, read_all, refuses
from tests.waiting import TIMEOUT_S, wait_until

Serve = Callable[..., Emulator]
HEALTH = "/_faas/health"


def test_ctrl_c_lets_running_invocations_end(serve: Serve, gate: FunctionGate) -> None:
    """A terminal sends the signal to all processes of the group."""
    emulator = serve("gate")
    with ThreadPoolExecutor() as executor:
        response = executor.submit(emulator.invoke, gate.event)
        wait_until(lambda: "START" in emulator.out, "it was not started")
        os.killpg(emulator.process.pid, signal.SIGINT)
        (pid,) = emulator.children
        assert os.getpgid(pid) == pid, "the function gets the signal, too"
        wait_until(lambda: refuses(emulator.port), "it is listening")
        gate.open()
        assert response.result().status == 200
        assert emulator.process.wait(TIMEOUT_S) == 0
    assert "ended between invocations" not in emulator.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_emulator_and_all_processes(serve: Serve, number: int) -> None:
    emulator = serve("nap", "--concurrency", "2")
    with ThreadPoolExecutor(2) as executor:
        pids = [response.json for response in executor.map(emulator.invoke, [b"100"] * 2)]
    assert emulator.end(number) == 0
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert "Traceback" not in emulator.err


def test_nohup_keeps_the_emulator_when_the_terminal_is_closed(emulated: Path) -> None:
    with Emulator(f"{emulated}.echo", before=("nohup",)) as emulator:
        emulator.process.send_signal(signal.SIGHUP)
        assert emulator.invoke(b"1").status == 200
        assert emulator.end() == 0


def test_a_client_that_does_not_read_does_not_delay_the_end(serve: Serve) -> None:
    emulator = serve("large")
    with emulator.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\n6000000" % INVOKE.encode())
        wait_until(lambda: "REPORT" in emulator.out, "it was not run")
        assert emulator.end() == 0


@pytest.mark.parametrize(("init", "options"), [("hangs", ()), ("", ("--watch",))])
def test_it_ends_while_nothing_has_started(tmp_path: Path, emulated: Path, init: str, options: tuple[str, ...]) -> None:
    function = f"{emulated}.echo" if init else f"{tmp_path}/libmissing.so"
    with Emulator(function, *options, environment={"INIT": init}) as emulator:
        assert emulator.request("GET", HEALTH).json["status"] == "starting"
        assert emulator.end() == 0
        assert not emulator.err.count("Traceback")


def test_a_running_invocation_may_end(serve: Serve, gate: FunctionGate) -> None:
    emulator = serve("gate")
    with ThreadPoolExecutor() as executor:
        response = executor.submit(emulator.invoke, gate.event)
        wait_until(lambda: "START" in emulator.out, "it was not started")
        emulator.process.send_signal(signal.SIGTERM)
        wait_until(lambda: refuses(emulator.port), "it is listening")
        gate.open()
        assert emulator.process.wait(TIMEOUT_S) == 0
        assert response.result().status == 200
    assert "waiting for the end of an invocation; a second Ctrl-C or signal ends everything at once" in emulator.err


def test_a_second_signal_ends_everything_at_once(serve: Serve) -> None:
    emulator = serve("nap")
    with emulator.connect() as connection:
        connection.sendall(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n60000" % INVOKE.encode())
        wait_until(lambda: "START" in emulator.out, "it was not started")
        (pid,) = emulator.children
        emulator.process.send_signal(signal.SIGTERM)
        wait_until(lambda: refuses(emulator.port), "it is listening")
        assert emulator.end() == 128 + signal.SIGTERM
        wait_until(lambda: not lives(pid), "the function is running")
        read_all(connection)


def test_a_process_that_does_not_end_is_killed(serve: Serve) -> None:
    emulator = serve("nap", SHUTDOWN="hangs")
    pid = emulator.invoke(b"0").json
    assert emulator.end() == 0
    assert not lives(pid)


def test_a_response_that_is_being_sent_arrives(serve: Serve) -> None:
    emulator = serve("large")
    with emulator.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\n6000000" % INVOKE.encode())
        wait_until(lambda: "REPORT" in emulator.out, "it was not run")
        emulator.process.send_signal(signal.SIGTERM)
        wait_until(lambda: refuses(emulator.port), "it is listening")
        assert len(read_all(connection).partition(b"\r\n\r\n")[2]) == 6_000_000
    assert emulator.process.wait(TIMEOUT_S) == 0
