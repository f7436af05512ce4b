"""A stand-in of the AWS Lambda Runtime API on the loopback interface, for tests and for checks of artefacts.

It is not Lambda and not an emulator: it gives the runtime the events that it is given, one after the other, and
returns what the runtime posts for them. It knows only the API's paths and headers, and nothing else of the runtime.

    with RuntimeApiStub() as api:
        environment = {"AWS_LAMBDA_RUNTIME_API": api.address, "LAMBDA_TASK_ROOT": folder}
        process = subprocess.Popen([launcher, "simple_handler.handle"], env=environment)
        result = api.invoke(b"{}", timeout=10)
        assert result.kind == "response", result
"""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Literal

PATH = "/2018-06-01/runtime"
ACCEPTED = b'{"status":"OK"}\n'
DEFAULT_TIMEOUT_S = 30.0
FUNCTION_TIMEOUT_S = 300
POLL_S = 0.05

FUNCTION_ARN = "arn:aws:lambda:us-east-1:012345678912:function:test_function"
TRACE_ID = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"

ResultKind = Literal["response", "error", "init-error"]


@dataclass(frozen=True, kw_only=True)
class RuntimeResult:
    """What the runtime posted: a response, an error, or an init error."""

    kind: ResultKind
    request_id: str | None
    body: bytes
    headers: Mapping[str, str]
    """By their names in lower case; with the trailers of a streamed response."""


@dataclass(frozen=True, kw_only=True)
class WaitingEvent:
    """An invocation that waits for the runtime. Its deadline is `time_limit_s` after the runtime gets it."""

    request_id: str
    payload: bytes
    headers: Mapping[str, str]
    time_limit_s: float

    def all_headers(self) -> dict[str, str]:
        """The headers, if it is delivered now."""
        deadline = str(int((time.time() + self.time_limit_s) * 1000))
        found = {"Lambda-Runtime-Deadline-Ms": deadline, **self.headers}
        return {name: value for name, value in found.items() if value}


class NoResult(Exception):
    """The runtime has posted nothing in time, or the stand-in was closed first."""


class RuntimeApiStub:
    """The stand-in: a context manager that listens on the loopback interface while it is open."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        """Listen on a port of its own at the address `host`."""
        self._events: queue.Queue[WaitingEvent | None] = queue.Queue()
        self._results: queue.Queue[RuntimeResult | None] = queue.Queue()
        self._waiting: dict[str, queue.Queue[RuntimeResult | None]] = {}
        self._is_closed = threading.Event()
        self._server = _Server((host, 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True)

    def __enter__(self) -> RuntimeApiStub:
        """Start to accept requests."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the server and every request for an invocation that is still waiting."""
        self.close()

    @property
    def address(self) -> str:
        """The value for AWS_LAMBDA_RUNTIME_API."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def close(self) -> None:
        """Stop listening: a runtime that waits for an invocation loses its connection and gets no other.

        Whoever waits for a result gets `NoResult` at once.
        """
        if self._is_closed.is_set():
            return
        self._is_closed.set()
        self._events.put(None)
        for results in (self._results, *list(self._waiting.values())):
            results.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def invoke(
        self, payload: bytes, *, timeout: float = DEFAULT_TIMEOUT_S, request_id: str = "", **headers: str
    ) -> RuntimeResult:
        """Give the event to the runtime, and wait for its result for `timeout` seconds at most.

        Further headers of the invocation are named without their prefix: `trace_id="Root=1-2"` is sent as
        `Lambda-Runtime-Trace-Id: Root=1-2`. An empty value leaves the header out.
        """
        return self._result_of(_event(payload, request_id, headers, FUNCTION_TIMEOUT_S), timeout)

    def invoke_with_time_limit(
        self, payload: bytes, time_limit_s: float, *, timeout: float, request_id: str, **headers: str
    ) -> RuntimeResult:
        """As `invoke`. The function has `time_limit_s` from when the runtime gets the event, however long it starts."""
        return self._result_of(_event(payload, request_id, headers, time_limit_s), timeout)

    def _result_of(self, event: WaitingEvent, timeout: float) -> RuntimeResult:
        results = self._waiting[event.request_id] = queue.Queue()
        self._events.put(event)
        try:
            return _first(results, timeout)
        finally:
            del self._waiting[event.request_id]

    def wait(self, *, timeout: float = DEFAULT_TIMEOUT_S) -> RuntimeResult:
        """Wait for a result that no `invoke` waits for, such as an init error."""
        return _first(self._results, timeout)

    def _take_event(self) -> WaitingEvent | None:
        """The next event for the runtime, or None when the stand-in is closed."""
        event = self._events.get()
        if event is None:
            self._events.put(None)  # for the other requests that wait
        return event

    def _take_result(self, result: RuntimeResult) -> None:
        """Give a result to whoever waits for it; an init error goes to everybody."""
        if result.request_id is None:
            for results in list(self._waiting.values()):
                results.put(result)
        self._waiting.get(result.request_id or "", self._results).put(result)


def _first(results: queue.Queue[RuntimeResult | None], timeout: float) -> RuntimeResult:
    try:
        result = results.get(timeout=timeout)
    except queue.Empty:
        raise NoResult(f"the runtime has not answered within {timeout:g} s") from None
    if result is None:
        raise NoResult("the stand-in was closed before the runtime answered")
    return result


def _event(payload: bytes, request_id: str, extra: Mapping[str, str], time_limit_s: float) -> WaitingEvent:
    request_id = request_id or str(uuid.uuid4())
    headers = {
        "Lambda-Runtime-Aws-Request-Id": request_id,
        "Lambda-Runtime-Invoked-Function-Arn": FUNCTION_ARN,
        "Lambda-Runtime-Trace-Id": TRACE_ID,
    }
    headers |= {f"Lambda-Runtime-{name.replace('_', '-').title()}": value for name, value in extra.items()}
    return WaitingEvent(request_id=request_id, payload=payload, headers=headers, time_limit_s=time_limit_s)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a runtime may keep its connection open for longer than the server lives

    def __init__(self, address: tuple[str, int], api: RuntimeApiStub) -> None:
        super().__init__(address, _Handler)
        self.api = api

    def server_bind(self) -> None:
        """Bind without looking up the host's name, which may take long where there is no name server."""
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), port

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing about connections that break: they do when a runtime is killed."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body are sent together

    def do_GET(self) -> None:
        """GET next: wait until there is an event."""
        if self.path != f"{PATH}/invocation/next":
            self._reply(404, b'{"errorType":"NotFound"}')
            return
        event = self.server.api._take_event()
        if event is None:
            self.close_connection = True
            return
        self._reply(200, event.payload, {"Content-Type": "application/json", **event.all_headers()})

    def do_POST(self) -> None:
        """POST response, error or init/error: give the result to whoever waits for it."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        if headers.get("transfer-encoding") == "chunked":
            body = self._read_chunks(headers)
        else:
            body = self.rfile.read(int(headers["content-length"]))
        match self.path.removeprefix(PATH).split("/")[1:]:
            case ["invocation", request_id, "response" | "error" as kind]:
                result = RuntimeResult(kind=kind, request_id=request_id, body=body, headers=headers)
            case ["init", "error"]:
                result = RuntimeResult(kind="init-error", request_id=None, body=body, headers=headers)
            case _:
                self._reply(404, b'{"errorType":"NotFound"}')
                return
        if result.request_id is None:  # the runtime ends once it has the reply, and then the stand-in may be closed
            self.server.api._take_result(result)
        self._reply(202, ACCEPTED)
        if result.request_id is not None:
            self.server.api._take_result(result)

    def _read_chunks(self, headers: dict[str, str]) -> bytes:
        """Read a streamed response to its end; its trailers are added to the headers."""
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while line := self.rfile.readline().strip().decode():
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        return b"".join(pieces)

    def _reply(self, status: int, body: bytes, headers: Mapping[str, str] = {}) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Print nothing: the results are the record."""
