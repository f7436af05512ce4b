"""The program that calls an emulator from several threads, against Python's own HTTP server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ci.bench.server import compile_callers
from ci.core.run import Runner


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    is_wrong = False

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.upper() if self.is_wrong else body)

    def log_message(self, *_: object) -> None:
        pass


class WrongEcho(Echo):
    is_wrong = True


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("callers")
    return compile_callers(Runner(log=folder / "log"), folder)


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), request.param) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def call(callers: Path, port: int) -> subprocess.CompletedProcess[str]:
    words = ["--port", str(port), "--connections", "3", "--invokes", "20", "--warmup", "2"]
    return subprocess.run([callers, *words], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("port", [Echo], indirect=True)
def test_right_answers_are_measured(callers: Path, port: int) -> None:
    done = call(callers, port)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert all(value > 0 for value in measured.values()), measured


@pytest.mark.parametrize("port", [WrongEcho], indirect=True)
def test_a_wrong_answer_ends_it(callers: Path, port: int) -> None:
    done = call(callers, port)
    assert done.returncode == 1
    assert "callers: " in done.stderr
