"""AWS's emulator of the Runtime API takes a response and the next request together."""

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
from tests.runtime.support import LAUNCHER, NO_PIPELINING, PYTHON, RUNTIME, SUFFIX, TIMEOUT_S, wait_until
from tests.support import not_there

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
printf '#!/bin/sh\\nexec %s -I -S /var/runtime/bin/faas-runtime\\n' "$3" > /var/runtime/bootstrap
chmod -R a+rX,a+x /var/runtime
shift 3
exec "$@"
"""
MANAGED = {"AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances", "AWS_LAMBDA_MAX_CONCURRENCY": "2"}


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def running(
    command: Sequence[str], address: str, environment: Mapping[str, str], log: Path
) -> Iterator[http.client.HTTPConnection]:
    """The emulator, and a connection to it."""
    variables = {"PATH": os.environ["PATH"], "_HANDLER": "probe.echo", **environment}
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=variables, stdout=output, stderr=output, start_new_session=True) as process,
    ):
        try:
            wait_until(lambda: process.poll() is not None or accepts(address))
            assert process.poll() is None, log.read_text()
            host, port = address.split(":")
            yield http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_S)
        except OSError as error:
            raise AssertionError(log.read_text()) from error
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def accepts(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def invoke_all(connection: http.client.HTTPConnection) -> list[bytes]:
    """The answers to all events. One that the emulator refuses, as no poller waits just then, is sent again."""
    answers: list[bytes] = []
    while len(answers) < INVOKES:
        connection.request("POST", PATH, EVENTS[len(answers)])
        answer = connection.getresponse().read()
        if b"Runtime.Unavailable" not in answer:
            answers.append(answer)
    return answers


@pytest.mark.parametrize("environment", [{}, NO_PIPELINING], ids=["together", "apart"])
def test_no_invocation_is_lost(functions: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    program, address = rie.program(), free_address()
    addresses = ("--runtime-interface-emulator-address", address, "--runtime-api-address", free_address())
    command = [str(program), *addresses, *PYTHON, str(LAUNCHER)]
    variables = {"LAMBDA_TASK_ROOT": str(functions), **environment}
    with running(command, address, variables, tmp_path / "log") as connection:
        assert invoke_all(connection) == EVENTS


def test_no_invocation_is_lost_on_managed_instances(functions: Path, tmp_path: Path) -> None:
    program, address = rie.program(), free_address()
    unshare = [shutil.which("unshare") or not_there("unshare"), "--mount", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*unshare, "mount", "-t", "tmpfs", "none", "/var"], capture_output=True, check=False).returncode:
        not_there("the right to mount a file system", optional=True)
    python = shutil.which("python3", path="/usr/bin") or not_there("/usr/bin/python3", optional=True)
    library = functions / f"libprobe{SUFFIX}"
    addresses = ("--runtime-interface-emulator-address", address, "--runtime-api-address", free_address(), "bootstrap")
    command = [*unshare, "sh", "-c", IN_VAR, "sh", str(library), str(RUNTIME), python, str(program), *addresses]
    with running(command, address, MANAGED, tmp_path / "log") as connection:
        assert invoke_all(connection) == EVENTS
