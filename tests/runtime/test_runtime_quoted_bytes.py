"""What the runtime quotes of a malformed answer: a short, escaped piece of that answer, and nothing older."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from faas_runtime.errors import RuntimeApiError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.support import ACCEPTED, FUZZ_FACTOR, Runtime, ScriptedServer, invocation, status
from tests.runtime.test_runtime_http_reader import ANSWERS, reader_of

PASSWORD = "hunter2"
LINE_LIMIT = 600  # characters of a message, whatever the platform sent
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
SECRET = invocation(json.dumps({"password": PASSWORD}).encode() * 60)
LARGE_SECRET = invocation(json.dumps({"password": PASSWORD}).encode() * 60_000)
ESCAPES = b"\x1b[2J\x1b]0;title\x07\xc2\x9b31mred\r\n\xe2\x80\xae"


def messages(functions: Path, script: Sequence[bytes], handler: str = "probe.echo") -> str:
    """What a runtime writes to standard error that gets these answers; the exit code is always 3."""
    with (
        ScriptedServer(script) as server,
        Runtime(server.address, handler, functions) as runtime,
    ):
        exit_code, errors = runtime.end()
    assert exit_code == 3, errors
    return errors


@pytest.mark.parametrize(
    "response",
    [
        CHUNKED + b"3\r\nabcd\r\n",
        CHUNKED + b"1\r\nab\n",
        CHUNKED + b"3\r\nabc\r\n4\r\nabcdef",
        CHUNKED + b"zz\r\n",
        CHUNKED + b"ffffffffffffffffffffff\r\n",
        b"XYZ\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: a b\r\nContent-Length: 0\r\n\r\n",
        status(404, b""),
    ],
)
@pytest.mark.parametrize("before", [[SECRET, ACCEPTED], [SECRET, ACCEPTED, SECRET, ACCEPTED]], ids=["first", "second"])
def test_earlier_events_are_not_quoted(functions: Path, before: list[bytes], response: bytes) -> None:
    errors = messages(functions, [*before, response])
    assert PASSWORD not in errors
    assert "pass" not in errors
    assert max(map(len, errors.splitlines())) < LINE_LIMIT


@pytest.mark.parametrize(
    "response",
    [
        CHUNKED + b"0\r\n" + b"B: 2\r\n" * 180_000,
        b"HTTP/1.1 100 Go on\r\n\r\n" * 50_000,
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * (1 << 20) + b"xx",
    ],
    ids=["trailers", "interim answers", "head"],
)
def test_large_earlier_events_are_not_quoted(functions: Path, response: bytes) -> None:
    errors = messages(functions, [LARGE_SECRET, ACCEPTED, LARGE_SECRET, ACCEPTED, response])
    assert PASSWORD not in errors
    assert max(map(len, errors.splitlines())) < LINE_LIMIT


@pytest.mark.parametrize(
    "script",
    [
        [status(500, ESCAPES)],
        [status(404, ESCAPES * 100)],
        [invocation(), status(500, ESCAPES)],
        [invocation(), status(403, ESCAPES), status(500, ESCAPES)],
        [invocation(request_id="a\x1b[2Jb")],
        [invocation(request_id="x y" * 10_000)],
        [b"HTTP/1.1 \x1b[2J\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n" + ESCAPES * 1000 + b"\r\n\r\n"],
        [CHUNKED + ESCAPES],
    ],
)
@pytest.mark.parametrize("handler", ["echo", "fail"])
def test_what_is_quoted_is_escaped_and_short(functions: Path, script: list[bytes], handler: str) -> None:
    errors = messages(functions, script, f"probe.{handler}")
    quoting = [line for line in errors.splitlines() if "Function.Broken" not in line and "with \\ and" not in line]
    assert all(line.isprintable() for line in quoting), errors
    assert quoting
    assert max(map(len, errors.splitlines())) < LINE_LIMIT


@settings(max_examples=200 * FUZZ_FACTOR, deadline=None)
@given(st.sampled_from(sorted(ANSWERS)), st.integers(0, 100), st.binary(max_size=30), st.integers(0, 100))
def test_fuzzed_answers_quote_nothing_older(name: str, start: int, noise: bytes, end: int) -> None:
    """Whatever is wrong with an answer, the error is the same over a used buffer as over a new one."""
    data = ANSWERS[name]
    data = data[: start % len(data)] + noise + data[end % len(data) :]
    errors = []
    for older in (b"", PASSWORD.encode() * 100):
        reader, _ = reader_of(data)
        reader.buffer[: len(older)] = older
        try:
            reader.read_response()
        except RuntimeApiError as error:
            errors.append(str(error))
        else:
            errors.append("")
    assert errors[0] == errors[1]
    assert errors[0].isprintable()
