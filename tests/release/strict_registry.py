"""A registry of the tests' own that insists on every rule of the protocol, and can be told to break one."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.images.registry import LocalRegistry

TOKEN = "token-0123456789abcdef"  # handed out by the tests' own server
REPOSITORY = "library/base"


class StrictHandler(BaseHTTPRequestHandler):
    """One request. What the server is told to do instead of the right thing is in `StrictRegistry.instead`."""

    protocol_version = "HTTP/1.1"
    server: StrictServer

    def do_GET(self) -> None:
        strict = self.server.strict
        url = urlsplit(self.path)
        strict.requests.append((self.command, url.path, self.headers.get("Authorization", "")))
        if instead := strict.instead.get(url.path):
            instead(self)
        elif url.path == "/token":
            self.give_token(parse_qs(url.query))
        elif strict.wants_token and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.answer(401, b"", "text/plain", {"WWW-Authenticate": strict.challenge})
        else:
            self.give(url.path)

    do_HEAD = do_GET

    def give_token(self, query: dict[str, list[str]]) -> None:
        right = {"service": ["registry.test"], "scope": [f"repository:{REPOSITORY}:pull"]}
        if query != right or "Authorization" in self.headers:
            self.refuse(400, "UNSUPPORTED", f"not the right query: {query}")
        else:
            self.answer(200, json.dumps({"token": TOKEN, "expires_in": 60}).encode())

    def give(self, path: str) -> None:
        images = self.server.strict.images
        digest = path.rpartition("/")[2]
        digest = images.index if digest == "1" else digest
        found = images.blobs.get(digest)
        if not path.startswith(f"/v2/{REPOSITORY}/") or found is None:
            self.refuse(404, "MANIFEST_UNKNOWN", "manifest unknown")
        elif "/manifests/" in path and found[0] not in self.headers.get("Accept", "").split(", "):
            self.refuse(404, "MANIFEST_UNKNOWN", "OCI manifest found, but Accept header does not support it")
        else:
            self.answer(200, found[1], found[0], {"Docker-Content-Digest": digest})

    def refuse(self, status: int, code: str, message: str, more: dict[str, str] | None = None) -> None:
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self.answer(status, body, "application/json", more)

    def answer(
        self, status: int, body: bytes, kind: str = "application/json", more: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), **(more or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@dataclass(kw_only=True)
class StrictRegistry:
    """`requests` are method, path and Authorization of what came; `instead` has by path what is done instead."""

    images: LocalRegistry = field(default_factory=LocalRegistry)
    origin: str = ""
    wants_token: bool = False
    challenge: str = ""
    instead: dict[str, Callable[[StrictHandler], None]] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)

    def path(self, reference: str = "1", what: str = "manifests") -> str:
        """The path of a manifest or of a blob."""
        return f"/v2/{REPOSITORY}/{what}/{reference}"


class StrictServer(ThreadingHTTPServer):
    """The server of one registry."""

    daemon_threads = True
    strict: StrictRegistry

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has hung up is what some tests want."""
        del request, client_address


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[StrictRegistry]:
    """A registry on the loopback with an index of two images under the tag 1; with `context`, by TLS."""
    strict = StrictRegistry()
    strict.images.fill("strict")
    server = StrictServer(("127.0.0.1", 0), StrictHandler)
    server.strict = strict
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    strict.origin = f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    scope = f"repository:{REPOSITORY}:pull"
    strict.challenge = f'Bearer realm="{strict.origin}/token",service="registry.test",scope="{scope}"'
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield strict
    finally:
        server.shutdown()
        server.server_close()
