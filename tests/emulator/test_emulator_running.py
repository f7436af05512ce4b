"""`faas-runtime invoke --function`: a function of an emulator that runs already."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable

import pytest

from tests.emulator.support import Emulator
from tests.runtime.support import LAUNCHER, PYTHON, ScriptedServer
from tests.waiting import TIMEOUT_S

Shared = Callable[[str], Emulator]
Serve = Callable[..., Emulator]


def invoke(*arguments: str, stdin: bytes = b"", **variables: str) -> tuple[int, bytes, str]:
    """Exit code, standard output and standard error of one call."""
    done = subprocess.run(
        [*PYTHON, str(LAUNCHER), "invoke", *arguments],
        input=stdin, env=variables, capture_output=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.returncode, done.stdout, done.stderr.decode()


def test_the_response_and_the_log_come_from_the_running_function(shared: Shared) -> None:
    emulator = shared("context")
    address = f"127.0.0.1:{emulator.port}"
    code, output, log = invoke("--function", "orders:7", "--address", address, "--data", "{}")
    assert code == 0
    assert json.loads(output)["arn"].endswith(":function:orders:7")
    assert log.startswith("START RequestId: ")
    assert "\nREPORT RequestId: " in log
    assert invoke("--function", "function", "--address", f"http://{address}/")[0] == 0


def test_the_address_of_an_image_is_the_default(shared: Shared) -> None:
    emulator = shared("echo")
    listen = f"*:{emulator.port}"
    code, output, _ = invoke("--function", "function", "--event", "-", stdin=b"[1]", FAAS_RUNTIME_LISTEN=listen)
    assert (code, output) == (0, b"[1]")


@pytest.mark.parametrize(("handler", "code"), [("fail", 5), ("end", 7), ("nap", 6)])
def test_the_exit_code_gives_the_outcome(serve: Serve, handler: str, code: int) -> None:
    emulator = serve(handler, "--timeout", "1")
    found, output, _ = invoke("--function", "function", "--address", f"127.0.0.1:{emulator.port}", "--data", "60000")
    assert found == code
    assert json.loads(output)["errorType"]


def test_repeat_uses_one_connection_and_prints_a_table(shared: Shared) -> None:
    address = f"127.0.0.1:{shared('echo').port}"
    code, output, log = invoke("--function", "f", "--address", address, "--repeat", "20", "--data", '"x"')
    assert (code, output) == (0, b'"x"')
    first, others = log.splitlines()[-2:]
    assert (first.split()[:2], others.split()[:3]) == (["first", "1"], ["others", "19", "0"])


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_what_is_printed_never_reaches_the_emulator(closed: str) -> None:
    """A descriptor that the parent has closed is not taken by the connection."""
    evil = b"POST /evil HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
    response = b"HTTP/1.1 200 OK\r\nX-Amz-Log-Result: bG9nCg==\r\nContent-Length: %d\r\n\r\n%b" % (len(evil), evil)
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", *PYTHON, str(LAUNCHER), "invoke", "--function", "api"]
    with ScriptedServer([response, response, response]) as server:
        done = subprocess.run(
            [*command, "--repeat", "2", "--address", server.address],
            env={}, capture_output=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    assert done.returncode == 0
    assert (done.stdout == evil, b"log" in done.stderr) == (closed == "2>&-", closed == ">&-")
    assert [(request.action, request.body) for request in server.requests] == [("POST invocations", b"{}")] * 2


def test_an_emulator_that_is_not_there_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    code, output, log = invoke("--function", "api", FAAS_RUNTIME_LISTEN=f"127.0.0.1:{port}")
    assert (code, output) == (2, b"")
    assert f"no emulator answers at 127.0.0.1:{port}: Connection refused; start one with faas-runtime serve" in log


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone", "the server answered with status 404"),
        (b"HTTP/1.1 429 T\r\nContent-Length: 18\r\n\r\n" + b'{"message":"busy"}', "refused the request (429): busy"),
        (b"SSH-2.0-server\r\n\r\n", "has not answered"),
        (b"", "has not answered"),
    ],
)
def test_other_answers_are_explained(response: bytes, message: str) -> None:
    with ScriptedServer([response]) as server:
        code, output, log = invoke("--function", "api", "--address", server.address)
    assert (code, output) == (2, b"")
    assert message in log


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--address", "127.0.0.1:80"], "--address is for --function"),
        (["--function", "api", "mine.handle"], "there is nothing to load: leave out 'mine.handle'"),
        (["--function", "api", "--timeout", "3"], "--timeout is an option of the running serve"),
        (["--function", "api", "--env-file", "F"], "--env-file is an option of the running serve"),
        (["--function", "a/b"], "'a/b' is not the name of a function"),
        (["--function", ""], "--function has an empty value"),
        (["--function", "api", "--address", "8080"], "expected HOST:PORT"),
    ],
)
def test_wrong_usage_is_explained(arguments: list[str], hint: str) -> None:
    code, output, log = invoke(*arguments)
    assert (code, output) == (2, b"")
    assert hint in log
