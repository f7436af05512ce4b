"""What the servers of a rehearsal are made of: one function from a request to a reply, on a port of the loopback."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request. Header names are in lower case; `path` is as it was sent, without the query."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        """Its method and path."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A reply. `cut` sends only so many bytes of the body, and hangs up; -1 hangs up without any reply."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None


class Server:
    """Answers on a free port of the loopback for as long as the block runs, one request at a time.

    `seen` are the requests that came, as texts. `before` is called with the number of a request, from 1, and the
    request: if it gives a reply, that is sent and nothing is carried out. `after` is called when a request was carried
    out, before the reply is sent. Tests break things with both.
    """

    def __init__(self, answer: Callable[[Request], Reply], context: ssl.SSLContext | None = None) -> None:
        self._answer = answer
        self._guard = threading.Lock()
        self.seen: list[str] = []
        self.before: Callable[[int, Request], Reply | None] | None = None
        self.after: Callable[[int, Request], None] | None = None
        self._server = _Listener(("127.0.0.1", 0), _handler_of(self))
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.origin = f"{'https' if context else 'http'}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply(self, request: Request) -> Reply:
        """Carry a request out, or what stands in its place."""
        with self._guard:
            self.seen.append(str(request))
            number = len(self.seen)
            if self.before is not None and (instead := self.before(number, request)) is not None:
                return instead
            found = self._answer(request)
            if self.after is not None:
                self.after(number, request)
            return found


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has hung up, or that was killed, is nothing to report."""
        del request, client_address


def _handler_of(server: Server) -> type[BaseHTTPRequestHandler]:
    class RehearsalHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are sent one by one; the second would wait for 40 ms

        def _handle(self) -> None:
            url = urlsplit(self.path)
            headers = {name.lower(): ", ".join(self.headers.get_all(name, ())) for name in self.headers}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            query = parse_qs(url.query, keep_blank_values=True)
            request = Request(method=self.command, path=url.path, query=query, headers=headers, body=body)
            self._send(server.reply(request))

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

        def _send(self, reply: Reply) -> None:
            if reply.cut is not None and reply.cut < 0:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                with suppress(OSError):
                    self.wfile.write(reply.body[: reply.cut])
            if reply.cut is not None:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    return RehearsalHandler
