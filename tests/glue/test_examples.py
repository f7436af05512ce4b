"""The functions in docs/examples/rust are built and run as their authors would run them."""

from __future__ import annotations

import json
import sqlite3
import struct
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.support import Emulator
from tests.emulator.test_emulator_aws_clients import clients, run_client
from tests.glue.support import call
from tests.rust_examples import library
from tests.support import program
from tests.waiting import TIMEOUT_S, wait_until

AT_ONCE = 4
Serve = Callable[..., Emulator]
__all__ = ["clients"]  # a fixture


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts an emulator of `crate.symbol`, with options and environment variables."""
    with ExitStack() as stack:

        def start(name: str, *options: str, **environment: str) -> Emulator:
            crate, _, symbol = name.partition(".")
            return stack.enter_context(Emulator(f"{library(crate)}.{symbol}", *options, environment=environment))

        yield start


def together(ask: Callable[[int], Any], count: int) -> list[Any]:
    """The answers to so many requests, from clients that work at the same time."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, range(count)))


def test_server_sent_events_arrive_one_by_one(serve: Serve) -> None:
    emulator = serve("ticker.tick")
    url = f"http://127.0.0.1:{emulator.port}/"
    whole = call(program("curl"), "-sN", f"{url}?count=3&pause_ms=0")
    assert whole == "data: 1\n\ndata: 2\n\ndata: 3\n\n"
    command = (program("curl"), "-siN", "--max-time", str(TIMEOUT_S), f"{url}?count=2&pause_ms=3600000")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        head = b"".join(iter(curl.stdout.readline, b"\r\n"))
        assert b"content-type: text/event-stream\r\n" in head.lower()
        assert curl.stdout.readline() == b"data: 1\n"  # an hour before the second one
        curl.kill()


STREAM = """
import sys, boto3
client = boto3.client("lambda", endpoint_url=sys.argv[1])
answer = client.invoke_with_response_stream(FunctionName="ticker", Payload=sys.argv[2].encode())
for event in answer["EventStream"]:
    print(event["PayloadChunk"]["Payload"].hex() if "PayloadChunk" in event else event)
"""


@pytest.mark.long
def test_boto3_reads_the_same_events(serve: Serve, clients: Path) -> None:
    emulator = serve("ticker.tick")
    event = json.dumps({"queryStringParameters": {"count": "2", "pause_ms": "0"}})
    printed = run_client(clients, "-c", STREAM, f"http://127.0.0.1:{emulator.port}", event).splitlines()
    head, _, body = bytes.fromhex("".join(printed[:-1])).partition(bytes(8))
    assert json.loads(head)["headers"]["content-type"] == "text/event-stream"
    assert body == b"data: 1\n\ndata: 2\n\n"
    assert "InvokeComplete" in printed[-1]


@pytest.mark.long
def test_a_typed_event_has_a_typed_answer(serve: Serve) -> None:
    emulator = serve("orders.price")
    answer = emulator.request("POST", "/orders", b'{"item":"tea","count":3}', Content_Type="application/json")
    assert answer.status == 200
    assert answer.json | {"request_id": ""} == {"item": "tea", "cents": 750, "request_id": ""}
    refused = emulator.request("POST", "/orders", b'{"item":"tea"}', Content_Type="application/json")
    assert (refused.status, b"missing field `count`" in refused.body) == (400, True)


class Rates(BaseHTTPRequestHandler):
    """Answers when so many requests are there at once, and keeps its connections open."""

    protocol_version = "HTTP/1.1"
    all_there: threading.Barrier
    connections: set[Any]

    def do_GET(self) -> None:
        self.connections.add(self.client_address)
        self.all_there.wait(TIMEOUT_S)
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"1.25")

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.mark.long
def test_all_invocations_share_a_client(serve: Serve) -> None:
    """The server answers four requests at a time: with fewer at once, it never would."""
    Rates.all_there, Rates.connections = threading.Barrier(AT_ONCE), set()
    count = 60
    with ThreadingHTTPServer(("127.0.0.1", 0), Rates) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        emulator = serve(
            "rates.convert",
            AWS_LAMBDA_MAX_CONCURRENCY=str(AT_ONCE),
            RATES_URL=f"http://127.0.0.1:{server.server_port}/",
        )
        answers = together(lambda number: emulator.invoke(b'{"euros":%d}' % number).json, count)
        server.shutdown()
    assert answers == [{"dollars": number * 1.25} for number in range(count)]
    assert len(Rates.connections) < count


def png(width: int, height: int) -> bytes:
    """A black picture."""
    rows = (b"\0" + bytes(3 * width)) * height
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    ]  # fmt: skip
    encoded = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(encoded)


@pytest.mark.long
def test_a_picture_is_made_smaller(serve: Serve) -> None:
    emulator = serve("thumbnail.thumbnail")
    answer = emulator.request("POST", "/?width=20", png(100, 50), Content_Type="image/png")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    assert struct.unpack(">II", answer.body[16:24]) == (20, 10)
    for path, body in (("/?width=x", png(1, 1)), ("/", b"no picture")):
        assert emulator.request("POST", path, body, Content_Type="image/png").status == 400


@pytest.mark.long
@pytest.mark.parametrize("in_one_process", [True, False])
def test_a_database_under_both_forms_of_concurrency(serve: Serve, tmp_path: Path, in_one_process: bool) -> None:
    file = tmp_path / "notes.db"
    more = {"AWS_LAMBDA_MAX_CONCURRENCY": str(AT_ONCE)} if in_one_process else {}
    emulator = serve("notes.add", "--concurrency", str(AT_ONCE), NOTES_FILE=str(file), **more)

    def add(number: int) -> Any:
        return emulator.invoke(b'{"text":"note %d"}' % number).json

    first = add(0)
    with closing(sqlite3.connect(file)) as database, ThreadPoolExecutor() as pool:
        database.execute("BEGIN IMMEDIATE")  # so that all invocations are there at once
        answers = pool.map(add, range(1, AT_ONCE + 1))
        wait_until(lambda: emulator.out.count("START") == 1 + AT_ONCE, "the invocations do not start")
        database.rollback()
        processes = {answer["process"] for answer in answers}
    assert processes == {first["process"]} if in_one_process else len(processes) == AT_ONCE

    count = 40
    ids = [answer["id"] for answer in together(add, count)]
    assert len(set(ids)) == count
    with closing(sqlite3.connect(file)) as database:
        (stored,) = database.execute("SELECT COUNT(DISTINCT text) FROM notes").fetchone()
    assert stored == count


@pytest.mark.long
def test_an_axum_application_answers(serve: Serve) -> None:
    emulator = serve("webapp.app")
    assert emulator.request("GET", "/").body == b"It works.\n"
    hello = emulator.request("GET", "/hello/Gr%C3%BC%C3%9Fe?a=1&b=%C3%A4", User_Agent="test")
    assert hello.json == {"name": "Grüße", "query": {"a": "1", "b": "ä"}, "agent": "test"}
    odd = emulator.request("GET", '/hello/a%3Fb?q=<b>"').json
    assert (odd["name"], odd["query"]) == ("a?b", {"q": '<b>"'})
    assert emulator.request("POST", "/upper", "grüße".encode(), Content_Type="text/plain").body == "GRÜSSE".encode()
    login = emulator.request("POST", "/login")
    assert login.headers["set-cookie"] == "session=1; HttpOnly, theme=dark"
    events = emulator.request("GET", "/events")
    assert events.headers["content-type"] == "text/event-stream"
    assert events.body == b"data: 1\n\ndata: 2\n\ndata: 3\n\n"
    assert emulator.request("GET", "/no/such/path").status == 404
