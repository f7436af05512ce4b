"""An image outside of Lambda: without a Runtime API it has to answer events at its own port, 8080."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ci.core.errors import CommandFailed, VerificationError
from ci.core.run import Runner
from ci.images.engines import Engine
from ci.verify.check import EVENT, BuiltFunction, Check, expected_answer, tail

PORT = 8080
_CLIENT = Path(__file__).parent / "client_in_image.py"
_TASK_ROOT = "/var/task"
_START_TIMEOUT_S = 60.0


def require_serves(check: Check, engine: Engine, image: str, name: str, task: Path, function: BuiltFunction) -> None:
    """Start a container with only the function, and compare its answer to one event with the right one.

    `task` is a folder with the function's library that the container may read.
    """
    engine.end(check.run, name)
    engine.prepare(check.run, image, name)
    try:
        head, body = served(check.run, engine, image, name, function.handler, mounts={task: _TASK_ROOT})
    except CommandFailed as error:
        raise VerificationError(f"{check.output.path}: no answer without a Runtime API\n{error}") from error
    status, *lines = head.split("\r\n")
    headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    check.require_equal(status, "HTTP/1.1 200 OK", f"status at port {PORT}")
    check.require_equal(body, expected_answer(function, headers.get("x-amzn-requestid", "")), f"answer at port {PORT}")


def served(
    run: Runner, engine: Engine, image: str, name: str, *arguments: str, mounts: dict[Path, str] | None = None
) -> tuple[str, bytes]:
    """Start a container without a Runtime API, post it one event, and return head and body of the answer.

    The container has its own network, and its own Python sends the event: port 8080 of this machine may be in use, and
    not every machine lets an engine publish a port. buildah only has the host's network, so it gets another port.
    """
    port, environment, words = PORT, {}, list(arguments)
    client: Sequence[str | Path] = (engine.name, "exec", "--interactive", name, "/usr/bin/python3")
    if engine.name == "buildah":
        port = _free_port()
        environment = {"FAAS_RUNTIME_LISTEN": f"127.0.0.1:{port}"}
        words = ["/var/runtime/bootstrap", *arguments]
        client = (sys.executable,)
    argv = engine.start_command(image, *words, name=name, environment=environment, mounts=mounts, network="none")
    log = run.log.with_suffix(".served.log")
    log.unlink(missing_ok=True)
    deadline = time.monotonic() + _START_TIMEOUT_S
    with run.start(*argv, log=log) as child:
        while True:  # until it listens
            try:
                printed = run.output(*client, "-IS", "-", str(port), EVENT.decode(), stdin=_CLIENT.read_bytes())
            except CommandFailed as error:
                if child.poll() is not None or time.monotonic() > deadline:
                    raise CommandFailed(f"no answer at port {port}\n{tail(log)}\n  log: {log}") from error
            else:
                head, _, body = printed.partition("\r\n\r\n")
                return head, body.encode()
            time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
