"""A release page: a server on loopback, which can be faulty or hostile."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class SiteHandler(SimpleHTTPRequestHandler):
    """Serves a folder, and answers otherwise for the names that a test lists in `odd`."""

    odd: dict[str, str]

    def __init__(self, *arguments: object, odd: dict[str, str], directory: str) -> None:
        self.odd = odd
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        if name not in self.odd:
            super().do_GET()
            return
        what = self.odd[name]
        if what.startswith("to "):
            self.send_response(302)
            self.send_header("Location", what[3:])
            self.end_headers()
        elif what == "endless":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b"x" * 65536)
        elif what == "short":
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"x")
        else:
            self.send_error(int(what))

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(OSError):  # the client has had enough
            super().handle()


@contextmanager
def served(folder: Path, **odd: str) -> Iterator[str]:
    """Serve a folder; returns the address of its sub-folder `releases`."""
    handler = functools.partial(SiteHandler, odd=odd, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/releases/"
        finally:
            server.shutdown()
            thread.join()
