"""How a process ends: by a signal, or by a function that fails. Each end has its exit code and its last line."""

from __future__ import annotations

import signal
import socket
import sys
import time
from pathlib import Path

import pytest
from faas_runtime.watcher import DEADLINE_GRACE_S

from ci.core.runtime_api_stub import RuntimeApiStub
from tests.runtime.support import ACCEPTED, SUFFIX, Early, Runtime, ScriptedServer, accept_runtime, invocation, status
from tests.waiting import TIMEOUT_S, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
STOPS = [signal.SIGTERM, signal.SIGINT]


def deadline(seconds: float) -> str:
    return f"Lambda-Runtime-Deadline-Ms: {int((time.time() + seconds) * 1000)}"


def play(functions: Path, handler: str, *events: bytes) -> tuple[int, list[str], str]:
    """Serve events to a function that ends the process: exit code, actions, standard error."""
    with (
        ScriptedServer([*events, ACCEPTED], lingering=True) as server,
        Runtime(server.address, f"rough.{handler}", functions) as runtime,
    ):
        exit_code, errors = runtime.end()
        return exit_code, server.actions, errors


@pytest.mark.parametrize("number", STOPS)
def test_stop_while_waiting(functions: Path, number: int) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "hooks.handle", functions) as runtime:
        api.invoke(b"", timeout=TIMEOUT_S)
        runtime.wait_until_idle()
        runtime.signal(number)
        exit_code, errors = runtime.end()
    assert exit_code == 0
    assert errors == "shut down\n"


def test_stop_before_the_first_invocation(functions: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Runtime(f"127.0.0.1:{listener.getsockname()[1]}", "hooks.handle", functions) as runtime,
    ):
        peer = accept_runtime(listener)
        with peer:
            assert peer.recv(4096).startswith(b"GET ")
            runtime.wait_until_idle()  # the watcher starts while the first request waits
            runtime.signal(signal.SIGTERM)
            assert runtime.end() == (0, "shut down\n")


@pytest.mark.parametrize("event", [invocation(), invocation(b"{}", "X: 1", "X: 1")], ids=["usual", "unusual"])
def test_stop_asks_for_no_further_invocation(functions: Path, event: bytes) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Runtime(f"127.0.0.1:{listener.getsockname()[1]}", "hooks.handle", functions) as runtime,
    ):
        peer = accept_runtime(listener)
        with peer:
            for response in (event, ACCEPTED):
                assert peer.recv(4096)
                peer.sendall(response)
            assert peer.recv(4096).startswith(b"GET ")
            runtime.wait_until_idle()
            runtime.signal(signal.SIGTERM)
            assert runtime.end()[0] == 0
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):  # an event in it would be lost
            listener.accept()


@pytest.mark.parametrize("number", STOPS)
def test_stop_finishes_the_invocation_in_progress(functions: Path, number: int) -> None:
    script = [invocation(b"last", deadline(60)), ACCEPTED]
    with (
        ScriptedServer(script, lingering=True) as server,
        Runtime(server.address, "rough.nap", functions) as runtime,
    ):
        wait_until(lambda: server.requests)
        runtime.wait_until_idle()  # the function is slow
        runtime.signal(number)
        exit_code, errors = runtime.end()
    assert server.actions == ["GET next", "POST response"]
    assert server.requests[1].body == b"last"
    assert (exit_code, errors) == (0, "shut down\n")


def wait_for(runtime: Runtime, text: str) -> None:
    seen = ""
    while text not in seen:
        seen += runtime.read_errors()


def test_stop_abandons_the_invocation_at_its_deadline(functions: Path) -> None:
    """The process does not wait longer, because the platform may end it at once."""

    def seconds_late() -> float:
        over = time.time() + 2
        with (
            ScriptedServer([invocation(b"", deadline(2)), ACCEPTED], lingering=True) as server,
            Runtime(server.address, "rough.hang", functions) as runtime,
        ):
            wait_for(runtime, "hanging\n")
            runtime.signal(signal.SIGTERM)
            exit_code, errors = runtime.end()
            ended = time.time()
        assert server.actions == ["GET next"]
        assert exit_code == 0
        assert errors.endswith("request r-1 was abandoned at its deadline, as the process was asked to end\n")
        assert ended > over
        return ended - over

    assert any(seconds_late() < DEADLINE_GRACE_S for _ in range(3))


def test_second_signal_ends_at_once(functions: Path) -> None:
    with (
        ScriptedServer([invocation(), ACCEPTED], lingering=True) as server,
        Runtime(server.address, "rough.hang", functions) as runtime,
    ):
        wait_for(runtime, "hanging\n")
        runtime.signal(signal.SIGTERM)
        runtime.wait_for_watcher()
        assert runtime.is_alive
        runtime.signal(signal.SIGTERM)
        exit_code, errors = runtime.end()
    assert exit_code == 128 + signal.SIGTERM
    assert errors.endswith("a second signal ends the process at once\n")


def test_hang_past_the_deadline(functions: Path) -> None:
    exit_code, actions, errors = play(functions, "hang", invocation(b"", deadline(0.5)))
    assert exit_code == 4
    assert actions == ["GET next"]
    assert errors.endswith("request r-1 hangs: its deadline has passed, and the function has not returned\n")


@pytest.mark.parametrize(
    ("handler", "what"),
    [
        ("nap", "the Runtime API has not accepted the response"),
        ("stream_large", "the Runtime API does not accept what the function writes"),
    ],
)
def test_runtime_api_that_hangs_past_the_deadline(functions: Path, handler: str, what: str) -> None:
    """The server reads the head of the POST, and nothing more."""
    script = [invocation(b"", deadline(0.5)), Early()]
    with (
        ScriptedServer(script, lingering=True) as server,
        Runtime(server.address, f"rough.{handler}", functions) as runtime,
    ):
        exit_code, errors = runtime.end()
    assert (exit_code, server.actions) == (4, ["GET next", "POST response"])
    assert errors.endswith(f"request r-1 hangs: its deadline has passed, and {what}\n")


def test_deadline_that_was_over_on_arrival_is_ignored(functions: Path) -> None:
    """The clocks of the two sides differ; that must not end a function that works."""
    with RuntimeApiStub() as api, Runtime(api.address, "rough.nap", functions):
        assert api.invoke(b"x", deadline_ms="1", timeout=TIMEOUT_S).body == b"x"
        assert api.invoke(b"y", deadline_ms="1", timeout=TIMEOUT_S).body == b"y"


@pytest.mark.parametrize(
    ("payload", "number", "name"),
    [(b"1", signal.SIGSEGV, "Segmentation fault"), (b"", signal.SIGABRT, "Aborted")],
)
def test_crash_names_signal_and_place(functions: Path, payload: bytes, number: int, name: str) -> None:
    exit_code, actions, errors = play(functions, "crash", invocation(payload))
    assert exit_code == -number
    assert actions == ["GET next"]
    assert f"Fatal Python error: {name}" in errors
    assert f'File "{functions}/librough{SUFFIX}", line' in errors
    assert " in crash\n" in errors
    assert "bootstrap.py" in errors


def test_stack_overflow(functions: Path) -> None:
    exit_code, _, errors = play(functions, "overflow", invocation())
    assert exit_code == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in errors
    assert " in overflow\n" in errors


def test_exit_in_the_handler(functions: Path) -> None:
    exit_code, actions, errors = play(functions, "leave", invocation())
    assert exit_code == 0
    assert actions == ["GET next"]
    assert errors.endswith("the function ended the process with exit() during request r-1\n")


@pytest.mark.parametrize(
    ("hook", "name"),
    [
        ("init", "faas_init"),
        ("before", "faas_before_snapshot"),
        ("after", "faas_after_restore"),
        ("shutdown", "faas_shutdown"),
    ],
)
def test_exit_in_a_hook(early: Path, hook: str, name: str) -> None:
    kind = "on-demand" if hook == "shutdown" else "snap-start"
    variables = {"AWS_LAMBDA_INITIALIZATION_TYPE": kind, "EARLY": f"{hook} leaves"}
    with (
        ScriptedServer([status(200)], lingering=True) if hook == "after" else RuntimeApiStub() as server,
        Runtime(server.address, "early.echo", early, environment=variables) as runtime,
    ):
        if isinstance(server, RuntimeApiStub) and hook == "shutdown":
            server.invoke(b"", timeout=TIMEOUT_S)
            runtime.signal(signal.SIGTERM)
        exit_code, errors = runtime.end()
    assert exit_code == 0
    assert errors.endswith(f"{hook}\nfaas-runtime: the function ended the process with exit() in {name}\n")


def test_function_that_closes_what_is_not_its_own(functions: Path) -> None:
    """The connection is closed too: another one replaces it, and no response is lost."""
    with RuntimeApiStub() as api, Runtime(api.address, "rough.close_all", functions) as runtime:
        for _ in range(3):
            assert api.invoke(b"", timeout=TIMEOUT_S).kind == "response"
        assert runtime.is_alive


def test_a_huge_response_is_sent_and_its_refusal_ends_the_invocation_only(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "rough.huge", functions):
        for _ in range(2):
            result = api.invoke(b"", timeout=TIMEOUT_S)
            assert result.body == b"h" * (8 << 20)
