"""What the tests of the emulator share: a running emulator, and clients for it."""

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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.runtime.support import LAUNCHER, PYTHON
from tests.waiting import TIMEOUT_S, wait_until

EMULATOR_FUNCTIONS = Path(__file__).resolve().parent / "functions"
INVOKE = "/2015-03-31/functions/function/invocations"
STREAM = "/2021-11-15/functions/function/response-streaming-invocations"
SERVING = re.compile(
    r"^faas-runtime: serving .* (?:at http://.+:|on all (?:IPv4 )?addresses, port )([0-9]+)", re.MULTILINE
)


@dataclass(frozen=True)
class ClientResponse:
    """What an HTTP client received."""

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
        cwd: Path | None = None,
    ) -> None:
        """`before`: a program that starts the command after it. `stdout`: a descriptor to write to instead of `out`."""
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115, closed by __exit__
        # An emulator that is killed leaves its temporary files.
        self._temporary = tempfile.TemporaryDirectory(prefix="emulator-", ignore_cleanup_errors=True)
        Path(self._temporary.name).chmod(0o1777)  # some tests start it as another user
        port = ("--port", "0") if command == ("serve",) else ()
        variables = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        variables["TMPDIR"] = self._temporary.name
        self.process = subprocess.Popen(
            [*before, *launcher, *command, *arguments, *port],
            cwd=cwd, env=variables | dict(environment or {}), stdin=subprocess.DEVNULL,
            stdout=self._out if stdout is None else stdout, stderr=self._err,
            start_new_session=True,
        )  # fmt: skip
        self.port = 0

    def __enter__(self) -> Emulator:
        wait_until(lambda: SERVING.search(self.err) or self.process.poll() is not None, "it does not serve")
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
        self._temporary.cleanup()

    @property
    def out(self) -> str:
        """What it has written to standard output so far."""
        return _text(self._out)

    @property
    def err(self) -> str:
        """What it has written to standard error so far."""
        return _text(self._err)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal; returns its exit code."""
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT_S)

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> ClientResponse:
        """Send a request over a connection of its own; `X_Amz_Log_Type="Tail"` is the header X-Amz-Log-Type."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)) as connection:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            return _read_response(connection.getresponse())

    def invoke(self, event: bytes = b"{}", path: str = INVOKE, **headers: str) -> ClientResponse:
        """Invoke the function."""
        return self.request("POST", path, event, **headers)

    def connect(self) -> socket.socket:
        """Open a connection without sending anything."""
        return socket.create_connection(("127.0.0.1", self.port), TIMEOUT_S)

    def raw(self, data: bytes) -> bytes:
        """Send bytes; returns what the server sends until it closes the connection."""
        with self.connect() as connection:
            with contextlib.suppress(OSError):
                connection.sendall(data)
            return read_all(connection)

    @property
    def children(self) -> list[int]:
        """The ids of its running child processes (Linux)."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in listed]


def _read_response(response: http.client.HTTPResponse) -> ClientResponse:
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        headers[name.lower()] = f"{headers[name.lower()]}, {value}" if name.lower() in headers else value
    return ClientResponse(response.status, headers, response.read())


def _text(file: Any) -> str:
    return os.pread(file.fileno(), 1 << 24, 0).decode()


def read_all(connection: socket.socket) -> bytes:
    """What the other side sends until it closes or resets the connection."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(1 << 16):
            received += data
    return received


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """What the other side sends up to `end`, with everything that has arrived by then."""
    received = b""
    while end not in received:
        data = connection.recv(1 << 16)
        assert data, received
        received += data
    return received


def statuses(received: bytes) -> list[int]:
    """The statuses of all responses in the received bytes."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", received)]


class FunctionGate:
    """Holds the invocations of the function `gate` until it is opened."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "gate"
        self.event = json.dumps(str(self._file)).encode()
        self.url_path = self._file.as_posix()  # an HTTP request for it waits as an event does

    def open(self) -> None:
        self._file.touch()


def lives(pid: int) -> bool:
    """Whether the process is running (Linux)."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def refuses(port: int) -> bool:
    """Whether no program listens on the port of this machine."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0
