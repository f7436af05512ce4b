"""Signals before the first invocation and during hooks, and signals to a child of the function."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ci.core.runtime_api_stub import NoResult, RuntimeApiStub
from tests.runtime.support import LAUNCHER, PYTHON, Runtime, ScriptedServer, accept_runtime, status
from tests.support import not_there
from tests.waiting import TIMEOUT_S, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
STOPS = [signal.SIGTERM, signal.SIGINT]
SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
NOWHERE = "127.0.0.1:9"
ASKED_TOO_EARLY = "faas-runtime: the process was asked to end before its function was initialised\n"


class FirstProcess(Runtime):
    """A runtime that is the first process of a container: signals that it does not handle do not reach it."""

    def __init__(self, address: str, handler: str, task_root: Path, **environment: str) -> None:
        unshare = shutil.which("unshare") or not_there("unshare")
        shell = [unshare, "--pid", "--fork", "--kill-child"]
        if subprocess.run([*shell, "true"], capture_output=True, check=False).returncode:
            not_there("the right to make a namespace of processes", optional=True)
        command = [*shell, *PYTHON, str(LAUNCHER)]
        super().__init__(address, handler, task_root, command=command, environment=environment)

    @property
    def python_pid(self) -> int:
        (child,) = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(child)

    def signal(self, number: int) -> None:
        os.kill(self.python_pid, number)


def plain(address: str, handler: str, task_root: Path, **environment: str) -> Runtime:
    return Runtime(address, handler, task_root, environment=environment)


def wait_for(runtime: Runtime, text: str) -> None:
    seen = ""
    while text not in seen:
        piece = runtime.read_errors()
        assert piece, seen
        seen += piece


@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize("start", [plain, FirstProcess])
def test_a_signal_ends_the_init(early: Path, start: Callable[..., Runtime], number: int) -> None:
    with start(NOWHERE, "early.echo", early, EARLY="init hangs") as runtime:
        wait_for(runtime, "init\n")
        runtime.signal(number)
        assert runtime.end() == (0, ASKED_TOO_EARLY)


def test_first_process_ends_when_it_is_loaded(early: Path) -> None:
    with FirstProcess(NOWHERE, "stuck", early, STUCK="1") as runtime:
        wait_for(runtime, "loading\n")
        runtime.signal(signal.SIGTERM)
        assert runtime.end() == (0, "")


@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize("start", [plain, FirstProcess])
def test_a_signal_ends_the_wait_for_the_restore(early: Path, start: Callable[..., Runtime], number: int) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        start(f"127.0.0.1:{listener.getsockname()[1]}", "early.echo", early, **SNAP_START) as runtime,
    ):
        peer = accept_runtime(listener)
        with peer:
            assert b"/restore/next" in peer.recv(4096)
            runtime.wait_until_idle()
            runtime.signal(number)
            assert runtime.end() == (0, "init\nbefore\nshutdown\n")


def test_hook_before_the_snapshot_is_finished(early: Path) -> None:
    with plain(NOWHERE, "early.echo", early, EARLY="before waits", **SNAP_START) as runtime:
        wait_for(runtime, "before\n")
        runtime.signal(signal.SIGTERM)
        assert runtime.end() == (0, "shutdown\n")


def test_hook_after_the_restore_is_finished(early: Path) -> None:
    with (
        ScriptedServer([status(200)], lingering=True) as server,
        plain(server.address, "early.echo", early, EARLY="after waits", **SNAP_START) as runtime,
    ):
        wait_for(runtime, "after\n")
        runtime.signal(signal.SIGTERM)
        assert runtime.end() == (0, "shutdown\n")


@pytest.mark.parametrize("start", [plain, FirstProcess])
@pytest.mark.parametrize("kind", ["snap-start", "on-demand"])
def test_second_signal_ends_a_shutdown_that_hangs(early: Path, start: Callable[..., Runtime], kind: str) -> None:
    """Before the first invocation, and while the runtime waits for it."""
    variables = {"AWS_LAMBDA_INITIALIZATION_TYPE": kind, "EARLY": "shutdown hangs"}
    with (
        ScriptedServer([b""], lingering=True) as server,
        start(server.address, "early.echo", early, **variables) as runtime,
    ):
        wait_until(lambda: server.requests)
        runtime.wait_until_idle()
        runtime.signal(signal.SIGTERM)
        wait_for(runtime, "shutdown\n")
        runtime.signal(signal.SIGTERM)
        exit_code, errors = runtime.end()
    assert (exit_code, errors) == (143, "faas-runtime: a second signal ends the process at once\n")


def waits_for_a_connection(port: int) -> bool:
    """Whether a connection to the port is not accepted yet: state 2, SYN_SENT (proc_pid_net(5))."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[2].endswith(f":{port:04X}") and line.split()[3] == "02" for line in lines)


@contextlib.contextmanager
def full() -> Iterator[int]:
    """The port of a server that accepts no connection: its queue is full, so another one waits."""
    with socket.socket() as listener, socket.socket() as first:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        first.connect(("127.0.0.1", port))
        yield port


@pytest.mark.skipif(sys.platform != "linux", reason="the backlog as Linux counts it")
@pytest.mark.parametrize("number", STOPS)
def test_function_without_init_is_shut_down_before_the_first_request(functions: Path, number: int) -> None:
    with full() as port, plain(f"127.0.0.1:{port}", "rough.nap", functions) as runtime:
        wait_until(lambda: waits_for_a_connection(port))
        runtime.signal(number)
        assert runtime.end() == (0, "shut down\n")


@pytest.mark.skipif(sys.platform != "linux", reason="the backlog as Linux counts it")
@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize("start", [plain, FirstProcess])
def test_second_signal_before_the_first_request(functions: Path, start: Callable[..., Runtime], number: int) -> None:
    with full() as port, start(f"127.0.0.1:{port}", "rough.nap", functions, SHUTDOWN_HANGS="1") as runtime:
        wait_until(lambda: waits_for_a_connection(port))
        runtime.signal(number)
        wait_for(runtime, "shut down\n")
        runtime.signal(number)
        assert runtime.end() == (128 + number, "faas-runtime: a second signal ends the process at once\n")


@pytest.mark.skipif(sys.platform != "linux", reason="the backlog as Linux counts it")
def test_a_server_that_accepts_no_connection_is_not_waited_for(functions: Path) -> None:
    with full() as port, plain(f"127.0.0.1:{port}", "rough.nap", functions) as runtime:
        exit_code, errors = runtime.end()
    assert exit_code == 3
    assert f"no connection to the Runtime API at 127.0.0.1:{port}: timed out" in errors


@pytest.mark.parametrize("start", [plain, FirstProcess])
def test_first_process_waits_for_an_invocation(early: Path, start: Callable[..., Runtime]) -> None:
    with RuntimeApiStub() as api, start(api.address, "early.echo", early) as runtime:
        assert api.invoke(b"x", timeout=TIMEOUT_S).body == b"x"
        runtime.signal(signal.SIGTERM)
        assert runtime.end() == (0, "init\nshutdown\n")


@pytest.mark.skipif(sys.platform != "linux", reason="the sender of a message is told on Linux only")
def test_a_signal_to_a_child_does_not_stop_the_runtime(early: Path) -> None:
    with RuntimeApiStub() as api, plain(api.address, "early.signal_child", early) as runtime:
        for payload in (b"1", b"2", b"3"):
            assert api.invoke(payload, timeout=TIMEOUT_S).body == payload
        runtime.signal(signal.SIGTERM)
        assert runtime.end() == (0, "init\nshutdown\n")


def test_a_child_that_exits_reports_nothing(early: Path) -> None:
    with RuntimeApiStub() as api, plain(api.address, "early.leaving_child", early) as runtime:
        assert api.invoke(b"1", timeout=TIMEOUT_S).body == b"1"
        runtime.signal(signal.SIGTERM)
        assert runtime.end() == (0, "init\nshutdown\n")


def test_signals_work_when_the_function_has_closed_the_low_descriptors(early: Path) -> None:
    with RuntimeApiStub() as api, plain(api.address, "early.close_hundred", early) as runtime:
        for payload in (b"1", b"2", b"3"):
            assert api.invoke(payload, timeout=TIMEOUT_S).body == payload
        runtime.wait_until_idle()
        runtime.signal(signal.SIGTERM)
        assert runtime.end() == (0, "init\nshutdown\n")


def test_signals_and_deadlines_work_when_the_function_has_closed_everything(early: Path) -> None:
    for hangs in (False, True):
        with RuntimeApiStub() as api, plain(api.address, "early.close_all", early) as runtime:
            for payload in (b"1", b"2"):
                assert api.invoke(payload, timeout=TIMEOUT_S).body == payload
            if hangs:
                with pytest.raises(NoResult):
                    api.invoke(b"hang", deadline_ms=str(int(time.time() * 1000) + 200), timeout=0.1)
            else:
                runtime.wait_until_idle()
                runtime.signal(signal.SIGTERM)
            exit_code, errors = runtime.end()
        assert exit_code == (4 if hangs else 0)
        assert errors.endswith("the function has not returned\n" if hangs else "shutdown\n")
        assert "thread" not in errors  # the watcher's thread keeps running
