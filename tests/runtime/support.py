"""What the tests of the runtime share: paths, a running runtime, and a server that follows a script."""

from __future__ import annotations

import contextlib
import os
import re
import runpy
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pytest

from tests.waiting import TIMEOUT_S, wait_until

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "runtime"
VERSION: str = runpy.run_path(str(RUNTIME / "faas_runtime" / "_version.py"))["__version__"]
LAUNCHER = RUNTIME / "bin" / "faas-runtime"
RECIPES = ROOT / "recipes"
FUNCTIONS = Path(__file__).resolve().parent / "functions"
SUFFIX = ".dylib" if sys.platform == "darwin" else ".so"
PYTHON = (os.environ.get("FAAS_TEST_PYTHON", sys.executable), "-I", "-S", "-X", "utf8")  # or another one
FUZZ_FACTOR = int(os.environ.get("FAAS_FUZZ_FACTOR", "1"))  # `nox -s fuzz` tries that many times as much


def compile_c(source: Path, output: Path, *options: str) -> Path:
    """Compile a C file with all warnings as errors."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    assert compiler, "no C compiler"
    strict = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{RUNTIME / 'include'}")
    subprocess.run([compiler, *strict, *options, "-o", str(output), str(source)], check=True)
    return output


def compile_library(source: Path, folder: Path) -> Path:
    """Compile a C file to the shared library of the same name."""
    output = folder / f"lib{source.stem}{SUFFIX}"
    return compile_c(source, output, "-shared", "-fPIC", "-fvisibility=hidden")


REGISTRATION = b"POST /2020-01-01/extension/register "
LAST_CHUNK = re.compile(rb"(^|\r\n)0\r\n(.+\r\n)*\r\n$")


class Runtime:
    """A runtime as a child process; its environment has only the given variables."""

    def __init__(
        self,
        address: str,
        handler: str = "",
        task_root: Path | None = None,
        command: Sequence[str] = (*PYTHON, str(LAUNCHER)),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        variables = {"AWS_LAMBDA_RUNTIME_API": address, "_HANDLER": handler}
        if task_root is not None:
            variables["LAMBDA_TASK_ROOT"] = str(task_root)
        self._process = subprocess.Popen(
            command, env=variables | dict(environment or {}), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def __enter__(self) -> Runtime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def end(self) -> tuple[int, str]:
        """Wait for the process to end by itself: its exit code and what it wrote to standard error."""
        _, errors = self._process.communicate(timeout=TIMEOUT_S)
        return self._process.returncode, errors.decode()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def read_errors(self) -> str:
        """Wait until it writes to standard error; returns what it has written since the last call."""
        assert self._process.stderr is not None
        return os.read(self._process.stderr.fileno(), 65536).decode()

    def wait_until_idle(self, quiet_s: float = 0.05) -> None:
        """Wait until the watcher has started, and no thread has run for a while: all of them wait."""
        if not Path("/proc/self/task").exists():
            pytest.skip("not run: there is no /proc here")
        seen: tuple[int, float] = (-1, 0.0)

        def is_idle() -> bool:
            nonlocal seen
            threads, switches = self._threads_and_switches()
            if switches != seen[0] or threads < 2:
                seen = switches, time.monotonic()
            return time.monotonic() - seen[1] > quiet_s

        wait_until(is_idle)

    def wait_for_watcher(self, rounds: int = 4) -> None:
        """Wait until threads have gone to sleep this many times more; the watcher does so after each of its rounds."""
        before = self._threads_and_switches()[1]
        wait_until(lambda: self._threads_and_switches()[1] >= before + rounds)

    def _threads_and_switches(self) -> tuple[int, int]:
        """How many threads there are, and how often they have gone to sleep so far, or were interrupted."""
        texts = []
        for task in Path(f"/proc/{self.python_pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                texts.append((task / "status").read_text())
        switches = (int(count) for text in texts for count in re.findall(r"ctxt_switches:\t([0-9]+)", text))
        return len(texts), sum(switches)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def python_pid(self) -> int:
        """The id of the runtime's process, also if another process has started it."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None


@dataclass(frozen=True, kw_only=True)
class RecordedRequest:
    """A request that the scripted server has read."""

    connection: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    """When it was received, on the monotonic clock."""
    is_pipelined: bool
    """Whether it came together with the request before it."""

    @property
    def action(self) -> str:
        """The method and the last part of the path, such as "GET next"."""
        return f"{self.method} {self.path.rpartition('/')[2]}"


class Early(bytes):
    """A response that is sent as soon as the head of the request is received."""


class ScriptedServer:
    """Sends raw bytes as responses: a list of responses for each connection, which is closed after the last one.

    An empty response closes the connection without sending anything. After the last connection, nothing listens any
    more. A lingering server keeps all connections open until its own end.

    The script is about the Runtime API. There is no Extensions API: a registration gets a 404 outside of the script.
    """

    def __init__(
        self,
        *connections: Sequence[bytes],
        bytewise: bool = False,
        lingering: bool = False,
        host: str = "127.0.0.1",
    ) -> None:
        self.requests: list[RecordedRequest] = []
        self.answered = 0
        """How many requests it has answered."""
        self._connections = connections
        self._bytewise = bytewise
        self._lingering = lingering
        self._peers: list[socket.socket] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self._listener.settimeout(TIMEOUT_S)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        port = self._listener.getsockname()[1]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.close()
        self._thread.join(TIMEOUT_S)
        for peer in self._peers:
            peer.close()

    @property
    def actions(self) -> list[str]:
        return [request.action for request in self.requests]

    def wait(self, requests: int) -> None:
        """Wait until the server has answered this many requests."""
        wait_until(lambda: self.answered >= requests)

    def _serve(self) -> None:
        with contextlib.suppress(EOFError):  # the runtime has ended before the script has
            self._follow()

    def _follow(self) -> None:
        for number, responses in enumerate(self._connections):
            peer = accept_runtime(self._listener)
            if number == len(self._connections) - 1:
                self._listener.close()
            self._peers.append(peer)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader = RequestReader(peer, number)
            for position, response in enumerate(responses, start=1):
                self.requests.append(reader.read(with_body=not isinstance(response, Early)))
                self._send(peer, response, is_last=position == len(responses))
                self.answered += 1
            if not self._lingering:
                peer.close()

    def _send(self, peer: socket.socket, response: bytes, *, is_last: bool) -> None:
        if self._bytewise:
            for byte in response:
                peer.sendall(bytes([byte]))
        elif is_last and not self._lingering:
            peer.sendall(response, getattr(socket, "MSG_MORE", 0))  # arrives together with the close
        else:
            peer.sendall(response)


def accept_runtime(listener: socket.socket) -> socket.socket:
    """The next connection to the Runtime API. One to the Extensions API, which comes first, gets a 404."""
    while True:
        peer, _ = listener.accept()
        if peer.recv(len(REGISTRATION), socket.MSG_PEEK | socket.MSG_WAITALL) != REGISTRATION:
            return peer
        with peer:
            RequestReader(peer).read()
            peer.sendall(status(404))


class RequestReader:
    """Reads the requests of one connection. The next one may have been sent behind the body of the last one."""

    def __init__(self, peer: socket.socket, connection: int = 0) -> None:
        self._peer = peer
        self._connection = connection
        self._data = b""

    @property
    def has_more(self) -> bool:
        """Whether a part of the next request has come with the last one."""
        return bool(self._data)

    def read(self, *, with_body: bool = True) -> RecordedRequest:
        """The next request; raises `EOFError` if the peer closes instead."""
        is_pipelined = self.has_more
        while b"\r\n\r\n" not in self._data:
            self._data += _receive(self._peer)
        head, _, body = self._data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", "0"))
        if headers.get("transfer-encoding") == "chunked":
            received = bytearray(body)
            while with_body and not LAST_CHUNK.search(received[-4096:]):
                received += _receive(self._peer)
            body, size = bytes(received), len(received)  # nothing is sent behind a stream
        while with_body and len(body) < size:
            body += _receive(self._peer)
        body, self._data = body[:size], body[size:] if with_body else b""
        at = time.monotonic()
        return RecordedRequest(
            connection=self._connection,
            method=method,
            path=path,
            headers=headers,
            body=body,
            at=at,
            is_pipelined=is_pipelined,
        )


def _receive(peer: socket.socket) -> bytes:
    data = peer.recv(1 << 20)
    if not data:
        raise EOFError
    return data


FAR_AWAY = "Lambda-Runtime-Deadline-Ms: 4102444800000"  # the year 2100


def invocation(payload: bytes = b"{}", *headers: str, request_id: str = "r-1") -> bytes:
    """A response to GET next. It has a deadline, as on Lambda: heads without one are always parsed."""
    lines = ["HTTP/1.1 200 OK", f"Lambda-Runtime-Aws-Request-Id: {request_id}", *headers]
    if not any(header.startswith("Lambda-Runtime-Deadline-Ms") for header in headers):
        lines.append(FAR_AWAY)
    lines.append(f"Content-Length: {len(payload)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


def status(code: int, body: bytes = b"{}") -> bytes:
    """A response to a POST."""
    return b"HTTP/1.1 %d Some Reason\r\nContent-Length: %d\r\n\r\n%b" % (code, len(body), body)


NO_PIPELINING = {"FAAS_RUNTIME_PIPELINING": "off"}
ACCEPTED = status(202, b'{"status":"OK"}')
OVER = status(500, b"the script is over")  # ends the runtime with exit code 3
