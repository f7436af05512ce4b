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

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "runtime"
VERSION: str = runpy.run_path(str(RUNTIME / "faas_runtime" / "_version.py"))["__version__"]
LAUNCHER = RUNTIME / "bin" / "faas-runtime"
RECIPES = ROOT / "recipes"
FUNCTIONS = Path(__file__).resolve().parent / "functions"
SUFFIX = ".dylib" if sys.platform == "darwin" else ".so"
PYTHON = (os.environ.get("FAAS_TEST_PYTHON", sys.executable), "-I", "-S")  # the runtime may run on another one
FUZZ_FACTOR = int(os.environ.get("FAAS_FUZZ_FACTOR", "1"))  # `nox -s fuzz` tries that many times as much
TIMEOUT_S = 60  # only for what hangs: nothing is expected to take a time of its own


def compile_c(source: Path, output: Path, *options: str) -> Path:
    """Compile a C file as strictly as the compiler can."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    assert compiler, "no C compiler"
    strict = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{RUNTIME / 'include'}")
    subprocess.run([compiler, *strict, *options, "-o", str(output), str(source)], check=True)
    return output


def compile_library(source: Path, folder: Path) -> Path:
    """Compile a C file to the shared library of the same name."""
    output = folder / f"lib{source.stem}{SUFFIX}"
    return compile_c(source, output, "-shared", "-fPIC", "-fvisibility=hidden")


LAST_CHUNK = re.compile(rb"(^|\r\n)0\r\n(.+\r\n)*\r\n$")


class Runtime:
    """A runtime as a child process, with nothing in its environment but what is given."""

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
        """What it has written to standard error since the last time; waits for something."""
        assert self._process.stderr is not None
        return os.read(self._process.stderr.fileno(), 65536).decode()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request that the scripted server has read."""

    connection: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float
    """When it was there, on the monotonic clock."""

    @property
    def action(self) -> str:
        """The method and the last part of the path, such as "GET next"."""
        return f"{self.method} {self.path.rpartition('/')[2]}"


class Early(bytes):
    """An answer that is sent as soon as the head of the request is there."""


class ScriptedServer:
    """Answers raw bytes: a list of answers for each connection, which is closed after the last one.

    An empty answer closes the connection without a word. After the last connection nobody listens any more.
    A lingering server closes nothing before its end.
    """

    def __init__(
        self,
        *connections: Sequence[bytes],
        bytewise: bool = False,
        lingering: bool = False,
        host: str = "127.0.0.1",
    ) -> None:
        self.requests: list[Request] = []
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

    def _serve(self) -> None:
        with contextlib.suppress(EOFError):  # the runtime has ended before the script has
            self._follow()

    def _follow(self) -> None:
        for number, answers in enumerate(self._connections):
            if number == len(self._connections) - 1:
                peer = self._accept_last()
            else:
                peer, _ = self._listener.accept()
            self._peers.append(peer)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for position, answer in enumerate(answers, start=1):
                self.requests.append(_read_request(peer, number, with_body=not isinstance(answer, Early)))
                self._send(peer, answer, is_last=position == len(answers))
            if not self._lingering:
                peer.close()

    def _accept_last(self) -> socket.socket:
        peer, _ = self._listener.accept()
        self._listener.close()
        return peer

    def _send(self, peer: socket.socket, answer: bytes, *, is_last: bool) -> None:
        if self._bytewise:
            for byte in answer:
                peer.sendall(bytes([byte]))
        elif is_last and not self._lingering:
            peer.sendall(answer, getattr(socket, "MSG_MORE", 0))  # arrives together with the close
        else:
            peer.sendall(answer)


def _read_request(peer: socket.socket, connection: int, *, with_body: bool) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _receive(peer)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        received = bytearray(body)
        while with_body and not LAST_CHUNK.search(received[-4096:]):
            received += _receive(peer)
        body = bytes(received)
    while with_body and len(body) < int(headers.get("content-length", "0")):
        body += _receive(peer)
    return Request(connection=connection, method=method, path=path, headers=headers, body=body, at=time.monotonic())


def _receive(peer: socket.socket) -> bytes:
    data = peer.recv(1 << 20)
    if not data:
        raise EOFError
    return data


FAR_AWAY = "Lambda-Runtime-Deadline-Ms: 4102444800000"  # the year 2100


def invocation(payload: bytes = b"{}", *headers: str, request_id: str = "r-1") -> bytes:
    """An answer to GET next, which has a deadline as all of Lambda's have: heads without one are always parsed."""
    lines = ["HTTP/1.1 200 OK", f"Lambda-Runtime-Aws-Request-Id: {request_id}", *headers]
    if not any(header.startswith("Lambda-Runtime-Deadline-Ms") for header in headers):
        lines.append(FAR_AWAY)
    lines.append(f"Content-Length: {len(payload)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


def status(code: int, body: bytes = b"{}") -> bytes:
    """An answer to a POST."""
    return b"HTTP/1.1 %d Some Reason\r\nContent-Length: %d\r\n\r\n%b" % (code, len(body), body)


ACCEPTED = status(202, b'{"status":"OK"}')
OVER = status(500, b"the script is over")  # ends the runtime with exit code 3
