"""What the tests of the emulator share: an emulator that runs, and what it answers."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.runtime.support import LAUNCHER, PYTHON

FUNCTIONS = Path(__file__).resolve().parent / "functions"
INVOKE = "/2015-03-31/functions/function/invocations"
STREAM = "/2021-11-15/functions/function/response-streaming-invocations"
TIMEOUT_S = 60  # only for what hangs: nothing is expected to take a time of its own
SERVING = re.compile(r"^faas-runtime: serving .* (?:at http://.+:|on all addresses, port )([0-9]+)", re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """What an HTTP client got."""

    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Emulator:
    """`faas-runtime serve` as a child process, on a port of its own."""

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        command: tuple[str, ...] = ("serve",),
        before: tuple[str, ...] = (),
        launcher: tuple[str, ...] = (*PYTHON, str(LAUNCHER)),
        stdout: int | None = None,
    ) -> None:
        """`before`: a program that starts what follows it. `stdout`: a descriptor in place of what `out` reads."""
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115, closed by __exit__
        port = ("--port", "0") if command == ("serve",) else ()
        variables = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.process = subprocess.Popen(
            [*before, *launcher, *command, *arguments, *port],
            env=variables | dict(environment or {}), stdin=subprocess.DEVNULL,
            stdout=self._out if stdout is None else stdout, stderr=self._err,
            start_new_session=True,
        )  # fmt: skip
        self.port = 0

    def __enter__(self) -> Emulator:
        wait_for(lambda: SERVING.search(self.err) or self.process.poll() is not None, "nobody is serving")
        found = SERVING.search(self.err)
        assert found, self.err
        self.port = int(found[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        if error is not None:
            print(f"--- out\n{self.out}\n--- err\n{self.err}")
        self._out.close()
        self._err.close()

    @property
    def out(self) -> str:
        """What it has written to standard output so far."""
        return _text(self._out)

    @property
    def err(self) -> str:
        """What it has written to standard error so far."""
        return _text(self._err)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT_S)

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Ask something over a connection of its own; `X_Amz_Log_Type="Tail"` is the header X-Amz-Log-Type."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)) as connection:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            return _answer(connection.getresponse())

    def invoke(self, event: bytes = b"{}", path: str = INVOKE, **headers: str) -> Answer:
        """Invoke the function."""
        return self.request("POST", path, event, **headers)

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), TIMEOUT_S)

    def raw(self, data: bytes) -> bytes:
        """Send bytes; what comes until the server closes."""
        with self.connect() as connection:
            with contextlib.suppress(OSError):
                connection.sendall(data)
            return read_all(connection)

    @property
    def children(self) -> list[int]:
        """The ids of the processes that it has started and that live (Linux)."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in listed]


def _answer(response: http.client.HTTPResponse) -> Answer:
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        headers[name.lower()] = f"{headers[name.lower()]}, {value}" if name.lower() in headers else value
    return Answer(response.status, headers, response.read())


def _text(file: Any) -> str:
    return os.pread(file.fileno(), 1 << 24, 0).decode()


def read_all(connection: socket.socket) -> bytes:
    """What comes until the other side closes, in whatever way."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(1 << 16):
            received += data
    return received


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """What comes up to `end`, and what came with it."""
    received = b""
    while end not in received:
        data = connection.recv(1 << 16)
        assert data, received
        received += data
    return received


def statuses(received: bytes) -> list[int]:
    """The statuses of all answers in what was received."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", received)]


def wait_for(condition: Callable[[], object], otherwise: str) -> None:
    """Wait until something has come about."""
    over = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < over, otherwise
        time.sleep(0.005)


class Gate:
    """Holds the invocations of the function `gate` until it is opened, however long everything else takes."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "gate"
        self.event = json.dumps(str(self._file)).encode()

    def open(self) -> None:
        self._file.touch()


def lives(pid: int) -> bool:
    """Whether there is such a process, and it has not ended (Linux)."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def refuses(port: int) -> bool:
    """Whether nobody listens at the port of this machine."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0
