"""AWS's emulator of the Runtime API takes a response and the next request together, and asks the process to end."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.runtime import rie
from tests.runtime.support import LAUNCHER, NO_PIPELINING, PYTHON, RUNTIME, SUFFIX
from tests.support import not_there
from tests.waiting import TIMEOUT_S, wait_until

INVOKES = 200
EVENTS = [b'{"number":%d}' % number for number in range(INVOKES)]
PATH = "/2015-03-31/functions/function/invocations"
# A file system of its own over /var: the form for managed instances looks for its files at fixed places, and runs them
# as another user.
IN_VAR = """
set -e
mount -t tmpfs none /var
mkdir /var/task
cp "$1" /var/task
cp -R "$2" /var/runtime
printf '#!/bin/sh\\nexec %s -IS -X utf8 /var/runtime/bin/faas-runtime\\n' "$3" > /var/runtime/bootstrap
chmod -R a+rX,a+x /var/runtime
shift 3
exec "$@"
"""
MANAGED = {"AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances", "AWS_LAMBDA_MAX_CONCURRENCY": "2"}


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


class RieConnection(http.client.HTTPConnection):
    """A connection to the emulator."""

    def __init__(self, address: str, process: subprocess.Popen[bytes], log: Path) -> None:
        host, port = address.split(":")
        super().__init__(host, int(port), timeout=TIMEOUT_S)
        self._process = process
        self._log = log

    def end(self) -> str:
        """Let it end its execution environment, as Lambda does; returns its log."""
        os.kill(self._pid, signal.SIGTERM)
        self._process.wait(TIMEOUT_S)
        return self._log.read_text()

    @property
    def _pid(self) -> int:
        pid = self._process.pid
        if Path(f"/proc/{pid}/comm").read_text() != "unshare\n":
            return pid
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return int(child)


@contextmanager
def running(command: Sequence[str], address: str, environment: Mapping[str, str], log: Path) -> Iterator[RieConnection]:
    """The emulator, and a connection to it."""
    variables = {"PATH": os.environ["PATH"], "_HANDLER": "probe.echo", **environment}
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=variables, stdout=output, stderr=output, start_new_session=True) as process,
    ):
        try:
            wait_until(lambda: process.poll() is not None or accepts(address))
            assert process.poll() is None, log.read_text()
            yield RieConnection(address, process, log)
        except OSError as error:
            raise AssertionError(log.read_text()) from error
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def accepts(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def invoke_once(connection: http.client.HTTPConnection, event: bytes = b"{}") -> bytes:
    """The answer to an event. One that the emulator refuses, as no poller waits just then, is sent again."""
    while True:
        connection.request("POST", PATH, event)
        answer = connection.getresponse().read()
        if b"Runtime.Unavailable" not in answer:
            return answer


def invoke_all(connection: http.client.HTTPConnection) -> list[bytes]:
    """The answers to all events."""
    return [invoke_once(connection, event) for event in EVENTS]


def on_demand(address: str) -> list[str]:
    """The command of the emulator for one invocation at a time."""
    addresses = ("--runtime-interface-emulator-address", address, "--runtime-api-address", free_address())
    return [str(rie.program()), *addresses, *PYTHON, str(LAUNCHER)]


def managed(address: str, folder: Path, library: str) -> list[str]:
    """The command of the emulator for managed instances."""
    program = rie.program()
    unshare = [shutil.which("unshare") or not_there("unshare"), "--mount", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*unshare, "mount", "-t", "tmpfs", "none", "/var"], capture_output=True, check=False).returncode:
        not_there("the right to mount a file system", optional=True)
    python = shutil.which("python3", path="/usr/bin") or not_there("/usr/bin/python3", optional=True)
    addresses = ("--runtime-interface-emulator-address", address, "--runtime-api-address", free_address(), "bootstrap")
    script = ["sh", "-c", IN_VAR, "sh", str(folder / f"lib{library}{SUFFIX}"), str(RUNTIME), python]
    return [*unshare, *script, str(program), *addresses]


@pytest.mark.parametrize("environment", [{}, NO_PIPELINING], ids=["together", "apart"])
def test_no_invocation_is_lost(functions: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    address = free_address()
    variables = {"LAMBDA_TASK_ROOT": str(functions), **environment}
    with running(on_demand(address), address, variables, tmp_path / "log") as connection:
        assert invoke_all(connection) == EVENTS


def test_no_invocation_is_lost_on_managed_instances(functions: Path, tmp_path: Path) -> None:
    address = free_address()
    with running(managed(address, functions, "probe"), address, MANAGED, tmp_path / "log") as connection:
        assert invoke_all(connection) == EVENTS


@pytest.mark.parametrize(("library", "has_hook"), [("hooks", True), ("probe", False)])
@pytest.mark.parametrize("is_managed", [False, True], ids=["on demand", "managed"])
def test_only_a_function_with_the_hook_is_registered_and_asked_to_end(
    functions: Path, tmp_path: Path, library: str, has_hook: bool, is_managed: bool
) -> None:
    address = free_address()
    command = managed(address, functions, library) if is_managed else on_demand(address)
    variables = {"_HANDLER": f"{library}.{'handle' if has_hook else 'echo'}"}
    variables |= MANAGED if is_managed else {"LAMBDA_TASK_ROOT": str(functions)}
    with running(command, address, variables, tmp_path / "log") as emulator:
        assert invoke_once(emulator) == (b"initialised" if has_hook else b"{}")
        log = emulator.end()
    assert ("Internal agent" in log and "faas-runtime-shutdown" in log) == has_hook
    assert ("shut down\n" in log) == has_hook
    assert ("Sending SIGKILL" in log) == (not has_hook)


def test_a_process_whose_function_timed_out_ends_at_once_and_the_next_one_registers_again(
    functions: Path, tmp_path: Path
) -> None:
    address = free_address()
    variables = {
        "_HANDLER": "rough.hang_if_asked",
        "LAMBDA_TASK_ROOT": str(functions),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "1",
    }
    with running(on_demand(address), address, variables, tmp_path / "log") as emulator:
        assert invoke_once(emulator, b"1") == b"Task timed out after 1.00 seconds"
        assert invoke_once(emulator, b"2") == b"2"
        log = emulator.end()
    assert log.count("was abandoned at its deadline, as the process was asked to end\n") == 1
    assert log.count("Internal agent faas-runtime-shutdown") == 2
    assert log.count("shut down\n") == 1
    assert "SIGKILL" not in log
