"""A function with the hook `faas_shutdown` is registered as an internal extension, so that Lambda asks it to end."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import pytest

from tests.runtime.support import (
    ACCEPTED,
    LAUNCHER,
    PYTHON,
    SUFFIX,
    RecordedRequest,
    RequestReader,
    Runtime,
    invocation,
    status,
)
from tests.waiting import TIMEOUT_S, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
REGISTER = "/2020-01-01/extension/register"
NEXT_EVENT = "/2020-01-01/extension/event/next"
NEXT = "/2018-06-01/runtime/invocation/next"
RESTORE = "/2018-06-01/runtime/restore/next"
RESPONSE = "/2018-06-01/runtime/invocation/r-1/response"
REGISTERED = b"HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: id-7\r\nContent-Length: 2\r\n\r\n{}"
NOT_CALLED = "faas-runtime: faas_shutdown may not be called, as the Extensions API "
MANAGED = {
    "AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances",
    "AWS_LAMBDA_MAX_CONCURRENCY": "2",
    "AWS_LAMBDA_LOG_FORMAT": "JSON",
}


class Platform:
    """The Runtime API and the Extensions API, each connection in its own thread.

    It answers by the path of a request, and once each; what has no answer waits until the server is closed. An empty
    answer closes the connection. `hold` makes it answer registrations only after `release`.
    """

    def __init__(self, registered: bytes = REGISTERED, *, hold: bool = False) -> None:
        self.requests: list[RecordedRequest] = []
        self._answers = {
            REGISTER: [registered],
            RESTORE: [status(200)],
            NEXT: [invocation(b"event")],
            RESPONSE: [ACCEPTED],
        }
        self.begin = b""
        """What it sends of the answer to a registration at once, also if it is held."""
        self._may_register = threading.Event()
        self._lock = threading.Lock()
        self._peers: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        if not hold:
            self.release()

    def __enter__(self) -> Platform:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.close()
        for peer in self._peers:
            peer.close()

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def release(self) -> None:
        """Answer registrations from now on."""
        self._may_register.set()

    def wait_for(self, path: str) -> RecordedRequest:
        """Wait for the first request for this path."""
        wait_until(lambda: path in self.paths)
        return next(request for request in self.requests if request.path == path)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                peer, _ = self._listener.accept()
                self._peers.append(peer)
                threading.Thread(target=self._serve, args=(peer, len(self._peers)), daemon=True).start()

    def _serve(self, peer: socket.socket, number: int) -> None:
        reader = RequestReader(peer, number)
        with contextlib.suppress(EOFError, OSError):  # the runtime has ended
            while True:
                request = reader.read()
                with self._lock:
                    self.requests.append(request)
                    answers = self._answers.get(request.path)
                    answer = answers.pop() if answers else None
                if request.path == REGISTER:
                    peer.sendall(self.begin)
                    self._may_register.wait()
                if answer == b"":
                    peer.close()
                elif answer is not None:
                    peer.sendall(answer)


def start(
    platform: Platform, folder: Path, handler: str = "hooks.handle", variables: Mapping[str, str] | None = None
) -> Runtime:
    return Runtime(platform.address, handler, folder, environment=variables)


def end(runtime: Runtime, platform: Platform, path: str = RESPONSE) -> tuple[int, str]:
    """Ask the process to end when it has sent a request, and waits for the next answer."""
    platform.wait_for(path)
    runtime.wait_until_idle()
    runtime.signal(signal.SIGTERM)
    return runtime.end()


def test_it_is_registered_before_the_first_request_and_waits_until_the_end(functions: Path) -> None:
    with Platform() as platform, start(platform, functions) as runtime:
        assert end(runtime, platform) == (0, "shut down\n")
    assert platform.paths[0] == REGISTER
    assert sorted(platform.paths) == sorted([REGISTER, NEXT_EVENT, NEXT, RESPONSE, NEXT])
    registration, waiting = platform.requests[0], platform.wait_for(NEXT_EVENT)
    assert registration.headers["lambda-extension-name"] == "faas-runtime-shutdown"
    assert json.loads(registration.body) == {"events": []}
    assert waiting.headers["lambda-extension-identifier"] == "id-7"
    assert waiting.connection == registration.connection != platform.wait_for(NEXT).connection


@pytest.mark.parametrize(("handler", "has_hook"), [("probe.echo", False), ("hooks.handle", True)])
def test_a_function_without_the_hook_has_nothing_of_it(functions: Path, handler: str, has_hook: bool) -> None:
    command = (*PYTHON, "-X", "importtime", str(LAUNCHER))
    with Platform() as platform, Runtime(platform.address, handler, functions, command) as runtime:
        exit_code, errors = end(runtime, platform)
    assert exit_code == 0
    imported = re.findall(r"^import time:.*\| +(faas_runtime\S*)$", errors, re.MULTILINE)
    assert "faas_runtime.connection" in imported
    assert ("faas_runtime.extension" in imported) == has_hook
    assert (REGISTER in platform.paths) == has_hook


def test_it_is_registered_before_the_snapshot(functions: Path) -> None:
    variables = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
    with Platform() as platform, start(platform, functions, variables=variables) as runtime:
        exit_code, errors = end(runtime, platform)
    assert (exit_code, errors) == (0, "before\nafter\nshut down\n")
    assert platform.paths.count(REGISTER) == platform.paths.count(NEXT_EVENT) == 1
    assert platform.paths.index(REGISTER) < platform.paths.index(RESTORE)


def test_one_is_registered_for_all_pollers(functions: Path) -> None:
    with Platform() as platform, start(platform, functions, variables=MANAGED) as runtime:
        wait_until(lambda: platform.paths.count(NEXT) == 3)  # each of both pollers waits again
        assert end(runtime, platform) == (0, "shut down\n")
    assert platform.paths.count(REGISTER) == platform.paths.count(NEXT_EVENT) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (status(404), ""),
        (status(403, b'{"errorType":"Extension.RegistrationClosed"}'),
         'answered 403 {"errorType":"Extension.RegistrationClosed"}\n'),
        (status(500, b"\x1b[2J"), "answered 500 \\x1b[2J\n"),
        (status(200), "answered 200 {}\n"),
        (b"", "cannot be used: the Runtime API closed the connection before its response\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "has not answered for 0.2 s\n"),
        (b"220 mail\r\n\r\n", "cannot be used: what listens at AWS_LAMBDA_RUNTIME_API does not speak HTTP/1.1; "
         "malformed status line: b'220 mail'\n"),
    ],
)  # fmt: skip
def test_a_registration_that_fails_takes_one_line_at_most(functions: Path, answer: bytes, reason: str) -> None:
    with Platform(answer) as platform, start(platform, functions) as runtime:
        exit_code, errors = end(runtime, platform)
    expected = f"{NOT_CALLED}{reason}" if reason else ""
    assert (exit_code, errors) == (0, f"{expected}shut down\n")
    assert NEXT_EVENT not in platform.paths


def test_a_registration_that_hangs_does_not_hold_up_the_start_nor_the_end(functions: Path) -> None:
    with Platform(hold=True) as platform, start(platform, functions) as runtime:
        exit_code, errors = end(runtime, platform)
    assert (exit_code, errors) == (0, f"{NOT_CALLED}has not answered for 0.2 s\nshut down\n")


@pytest.mark.parametrize("size", [10, 17, len(REGISTERED) - 1])
def test_an_answer_whose_rest_is_late_is_not_lost(functions: Path, size: int) -> None:
    with Platform(REGISTERED[size:], hold=True) as platform:
        platform.begin = REGISTERED[:size]
        with start(platform, functions) as runtime:
            platform.wait_for(RESPONSE)
            platform.release()
            assert platform.wait_for(NEXT_EVENT).headers["lambda-extension-identifier"] == "id-7"
            exit_code, errors = end(runtime, platform)
    assert (exit_code, errors) == (0, f"{NOT_CALLED}has not answered for 0.2 s\nshut down\n")


@pytest.mark.parametrize("is_accepted", [True, False])
def test_a_late_answer_is_not_lost(functions: Path, is_accepted: bool) -> None:
    """Once registered, the extension has to ask for its next event: Lambda waits for that."""
    answer = REGISTERED if is_accepted else status(403)
    with Platform(answer, hold=True) as platform, start(platform, functions) as runtime:
        platform.wait_for(RESPONSE)
        platform.release()
        if is_accepted:
            assert platform.wait_for(NEXT_EVENT).headers["lambda-extension-identifier"] == "id-7"
        exit_code, errors = end(runtime, platform)
    assert (exit_code, errors) == (0, f"{NOT_CALLED}has not answered for 0.2 s\nshut down\n")


def test_a_signal_during_the_registration_shuts_the_function_down(functions: Path) -> None:
    """Here the function has no `faas_init`, so no watcher has started yet."""
    with Platform(hold=True) as platform, start(platform, functions, "rough.nap") as runtime:
        platform.wait_for(REGISTER)
        runtime.signal(signal.SIGTERM)
        exit_code, errors = runtime.end()
    assert exit_code == 0
    assert errors.endswith("shut down\n")


def test_a_function_that_closes_the_connection_is_shut_down_all_the_same(functions: Path) -> None:
    with Platform() as platform, start(platform, functions, "rough.close_all") as runtime:
        exit_code, errors = end(runtime, platform)
    assert (exit_code, errors) == (0, "shut down\n")


def test_the_emulator_calls_the_hook_without_an_extensions_api(functions: Path, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text("{}")
    command = [*PYTHON, str(LAUNCHER), "invoke", str(functions / f"libhooks{SUFFIX}"), "--event", str(event)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT_S)
    assert done.stdout == "initialised"
    assert [line.split(" ")[0] for line in done.stderr.splitlines()] == ["START", "END", "REPORT", "shut"]
