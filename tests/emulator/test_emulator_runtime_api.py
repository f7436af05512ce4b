"""The Runtime API of an environment: an invocation has one outcome, however many connections post one."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.emulator.support import INVOKE, STREAM, ClientResponse, Emulator, FunctionGate, read_until
from tests.runtime.support import FUZZ_FACTOR
from tests.waiting import TIMEOUT_S, wait_until

Serve = Callable[..., Emulator]
STREAMED = "Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n"
pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="Linux: the address is read from the process")


@dataclass
class Held:
    """An invocation that the function `gate` holds, and the Runtime API of its process."""

    emulator: Emulator
    address: str
    request_id: str
    response: Future[ClientResponse]

    def connect(self) -> socket.socket:
        host, _, port = self.address.rpartition(":")
        return socket.create_connection((host, int(port)), TIMEOUT_S)

    def post(self, connection: socket.socket, kind: str, fields: str, body: bytes) -> None:
        path = f"/2018-06-01/runtime/invocation/{self.request_id}/{kind}"
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: {self.address}\r\n{fields}\r\n".encode() + body)

    def status(self, connection: socket.socket) -> int:
        return int(read_until(connection, b"\r\n\r\n").split(b" ")[1])


@contextlib.contextmanager
def held(emulator: Emulator, gate: FunctionGate, path: str) -> Iterator[Held]:
    with ThreadPoolExecutor(1) as executor:
        seen = emulator.out.count("START")
        response = executor.submit(emulator.invoke, gate.event, path)
        try:
            wait_until(lambda: emulator.out.count("START") > seen, "it was not started")
            (pid,) = emulator.children
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            (address,) = [each.partition(b"=")[2] for each in variables if each.startswith(b"AWS_LAMBDA_RUNTIME_API=")]
            request_id = re.findall(r"START RequestId: (\S+)", emulator.out)[-1]
            yield Held(emulator, address.decode(), request_id, response)
        finally:
            gate.open()


SECOND = {
    "stream": ("response", STREAMED, b"6\r\nsecond\r\n0\r\n\r\n"),
    "empty stream": ("response", STREAMED, b"0\r\n\r\n"),
    "response": ("response", "Content-Length: 8\r\n", b'"second"'),
    "empty response": ("response", "Content-Length: 0\r\n", b""),
    "chunked response": ("response", "Transfer-Encoding: chunked\r\n", b"6\r\nsecond\r\n0\r\n\r\n"),
    "response that is too large": ("response", "Content-Length: 7000000\r\n", b""),
}


@pytest.mark.parametrize("path", [INVOKE, STREAM, "an HTTP request"])
@pytest.mark.parametrize("second", SECOND)
def test_a_second_answer_beside_a_stream_is_refused(serve: Serve, gate: FunctionGate, second: str, path: str) -> None:
    path = gate.url_path if path == "an HTTP request" else path
    emulator = serve("gate", "--concurrency", "1", "--timeout", "30")
    with held(emulator, gate, path) as invocation, invocation.connect() as one, invocation.connect() as two:
        invocation.post(one, "response", STREAMED, b"4\r\none,\r\n")
        wait_until(lambda: path == INVOKE or not invocation.response.done(), "it has ended")
        one.sendall(b"4\r\ntwo,\r\n")
        kind, fields, body = SECOND[second]
        invocation.post(two, kind, fields, body)
        assert 400 <= invocation.status(two) < 500
        one.sendall(b"5\r\nthree\r\n0\r\n\r\n")
        assert invocation.status(one) == 202
        response = invocation.response.result(TIMEOUT_S)
        assert b"second" not in response.body
        assert response.status == 200
        for piece in (b"one,", b"two,", b"three"):
            assert piece in response.body
    assert emulator.invoke(gate.event).status == 200
    assert "Traceback" not in emulator.err
    assert emulator.end() == 0


@pytest.mark.parametrize("second", ["response", "chunked response", "response that is too large"])
def test_a_second_answer_after_the_first_is_refused(serve: Serve, gate: FunctionGate, second: str) -> None:
    """One that begins before the first one has ended, and ends after it; or one that begins later."""
    emulator = serve("gate", "--concurrency", "1")
    kind, fields, body = SECOND[second]
    with held(emulator, gate, INVOKE) as invocation, invocation.connect() as one, invocation.connect() as two:
        if body:
            invocation.post(two, kind, fields, body[:-1])
        invocation.post(one, "response", "Content-Length: 7\r\n", b'"first"')
        assert invocation.status(one) == 202
        if body:
            two.sendall(body[-1:])
        else:
            invocation.post(two, kind, fields, body)
        assert 400 <= invocation.status(two) < 500
        assert invocation.response.result(TIMEOUT_S).body == b'"first"'
    assert emulator.end() == 0


def test_an_error_ends_a_stream(serve: Serve, gate: FunctionGate) -> None:
    emulator = serve("gate", "--concurrency", "1")
    with held(emulator, gate, INVOKE) as invocation, invocation.connect() as one, invocation.connect() as two:
        invocation.post(one, "response", STREAMED, b"4\r\none,\r\n")
        document = b'{"errorType":"Function.Late","errorMessage":"late"}'
        invocation.post(two, "error", f"Content-Length: {len(document)}\r\n", document)
        assert invocation.status(two) in (202, 400, 403)
        if not invocation.response.done():
            with contextlib.suppress(OSError):
                one.sendall(b"0\r\n\r\n")
        response = invocation.response.result(TIMEOUT_S)
        assert response.status == 200
    assert emulator.end() == 0


POSTS = st.lists(
    st.tuples(st.sampled_from(sorted(SECOND)), st.integers(0, 60)), min_size=1, max_size=4
)  # fmt: skip


@settings(max_examples=5 * FUZZ_FACTOR, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(POSTS)
def test_fuzzed_posts_end_the_invocation(serve: Serve, tmp_path: Path, posts: list[tuple[str, int]]) -> None:
    """Several posts, each cut somewhere: one outcome, and the emulator ends when it is asked to."""
    folder = tmp_path / os.urandom(4).hex()
    folder.mkdir()
    gate = FunctionGate(folder)
    emulator = serve("gate", "--concurrency", "1", "--timeout", "2")
    with contextlib.ExitStack() as stack, held(emulator, gate, STREAM) as invocation:
        for name, cut in posts:
            connection = stack.enter_context(invocation.connect())
            kind, fields, body = SECOND[name]
            with contextlib.suppress(OSError):
                invocation.post(connection, kind, fields, body[:cut])
        assert invocation.response.result(TIMEOUT_S).status == 200
    assert "Traceback" not in emulator.err
    assert emulator.end() == 0
