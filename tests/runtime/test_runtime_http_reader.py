"""Responses are parsed, wherever the network splits them."""

from __future__ import annotations

import pytest
from faas_runtime.errors import ConnectionLost, RuntimeApiError
from faas_runtime.http_reader import ReceivedResponse, ResponseReader
from faas_runtime.reports import header_type
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.support import FUZZ_FACTOR

CHUNKED = b"HTTP/1.1 200 OK\r\nA: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS = {
    "length": b"HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 4\r\n\r\nbody",
    "empty": b"HTTP/1.1 202 Accepted\r\nA: 1\r\nContent-Length: 0\r\n\r\n",
    "chunked": CHUNKED + b"2\r\nbo\r\n02\r\ndy\r\n0\r\n\r\n",
    "trailers": CHUNKED + b"4;x\r\nbody\r\n0\r\nB: 2\r\n\r\n",
    "no content": b"HTTP/1.1 204\r\nA: 1\r\n\r\n",
    "not modified": b"HTTP/1.1 304\r\nA: 1\r\nContent-Length: 4\r\n\r\n",
    "chunked with a length": CHUNKED.replace(b"A:", b"Content-Length: 9\r\nA:") + b"4\r\nbody\r\n0\r\n\r\n",
}


def reader_of(*pieces: bytes, size: int = 65536) -> tuple[ResponseReader, list[bytes]]:
    """A reader that receives these pieces, and then nothing; the list holds what it has not received yet."""
    waiting = [piece for piece in pieces if piece]

    def receive(place: memoryview) -> int:
        if not waiting:
            return 0
        piece = waiting.pop(0)
        taken = piece[: len(place)]
        if len(piece) > len(taken):
            waiting.insert(0, piece[len(taken) :])
        place[: len(taken)] = taken
        return len(taken)

    return ResponseReader(receive, size), waiting


def body(reader: ResponseReader, response: ReceivedResponse) -> bytes:
    return bytes(reader.buffer[response.body_start : response.body_end])


@pytest.mark.parametrize("size", [1, 65536])
@pytest.mark.parametrize("name", ANSWERS)
def test_a_response_may_arrive_in_two_parts(name: str, size: int) -> None:
    data = ANSWERS[name]
    expected = b"" if name in ("empty", "no content", "not modified") else b"body"
    for cut in range(len(data) + 1):
        reader, waiting = reader_of(data[:cut], data[cut:], size=size)
        response = reader.read_response()
        assert (body(reader, response), response.headers[b"a"], response.keep_alive) == (expected, b"1", True), cut
        assert reader.count == response.end
        assert not waiting


@pytest.mark.parametrize("name", ANSWERS)
def test_a_response_that_ends_at_any_byte_is_incomplete(name: str) -> None:
    data = ANSWERS[name]
    for end in range(len(data)):
        reader, _ = reader_of(data[:end])
        with pytest.raises(ConnectionLost) as caught:
            reader.read_response()
        assert caught.value.is_unanswered is (end == 0)


@pytest.mark.parametrize("name", ANSWERS)
def test_bytes_after_a_response_are_noticed(name: str) -> None:
    reader, _ = reader_of(ANSWERS[name] + b"HTTP/1.1 408 Too Late\r\n\r\n")
    response = reader.read_response()
    assert reader.count > response.body_end


def test_values_are_found_in_place() -> None:
    interim = b"HTTP/1.1 100 Go on\r\n\r\n"
    reader, _ = reader_of(interim + b"HTTP/1.1 200\r\nA:1\r\nB: \t two \r\nC:\r\nContent-Length: 0\r\n\r\n")
    response = reader.read_response()
    for name, value in {b"a": b"1", b"b": b"two", b"content-length": b"0"}.items():
        place = response.value_starts[name]
        assert reader.buffer[place : place + len(value)] == value == response.headers[name]
    assert response.headers[b"c"] == b""


@pytest.mark.parametrize(
    "flood",
    [
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * (3 << 20),
        b"HTTP/1.1 200 OK\r\n" + b"A: 1\r\n" * (1 << 19),
        b"HTTP/1.1 100 Go on\r\n\r\n" * (1 << 17),
        CHUNKED + b"0" * (3 << 20),
        CHUNKED + b"0\r\n" + b"B: 2" * (1 << 20),
    ],
    ids=["value", "headers", "interim responses", "chunk size", "trailer"],
)
def test_heads_without_an_end_are_refused(flood: bytes) -> None:
    reader, waiting = reader_of(flood)
    with pytest.raises(RuntimeApiError, match="head without an end"):
        reader.read_response()
    assert waiting
    assert len(reader.buffer) < len(flood)


@pytest.mark.parametrize("length", ["99999999999999", "4294967296", "9" * 40])
def test_excessive_lengths_are_refused_without_using_memory(length: str) -> None:
    for head in (f"Content-Length: {length}\r\n\r\n", f"Transfer-Encoding: chunked\r\n\r\n{length}\r\n"):
        reader, _ = reader_of(f"HTTP/1.1 200 OK\r\n{head}".encode())
        with pytest.raises(RuntimeApiError, match="malformed"):
            reader.read_response()
        assert len(reader.buffer) == 65536


@settings(max_examples=300 * FUZZ_FACTOR, deadline=None)
@given(st.binary(max_size=80), st.sampled_from(sorted(ANSWERS)), st.integers(0, 100), st.integers(0, 100))
def test_fuzzed_responses_are_read_or_refused(noise: bytes, name: str, start: int, end: int) -> None:
    """The result is a response within the received bytes, or one of the runtime's own errors."""
    data = ANSWERS[name]
    data = data[: start % len(data)] + noise + data[end % len(data) :]
    whole, _ = reader_of(data)
    pieces, _ = reader_of(*[data[at : at + 3] for at in range(0, len(data), 3)], size=7)
    results: list[tuple[object, ...]] = []
    for reader in (whole, pieces):
        try:
            response = reader.read_response()
        except RuntimeApiError as error:
            results.append((type(error), None, None))
        else:
            assert response.body_start <= response.body_end <= reader.count
            results.append((ReceivedResponse, response.status, body(reader, response)))
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("line", "keep_alive"),
    [
        ("HTTP/1.1 200 OK", True),
        ("HTTP/1.0 200 OK", False),
        ("HTTP/1.1 200 OK\r\nConnection: Close", False),
        ("HTTP/1.0 200 OK\r\nConnection: Keep-Alive", True),
    ],
)
def test_keep_alive(line: str, keep_alive: bool) -> None:
    reader, _ = reader_of(f"{line}\r\nContent-Length: 0\r\n\r\n".encode())
    assert reader.read_response().keep_alive is keep_alive


@pytest.mark.parametrize(
    ("error_type", "header"),
    [
        ("Function.Broken", "Function.Broken"),
        ("Runtime.Broken", "Runtime.Broken"),
        ("", "Function.Unknown"),
        ("Broken", "Function.Unknown"),
        ("Other.Broken", "Function.Unknown"),
        ("Function.", "Function.Unknown"),
        ("Function.B", "Function.Unknown"),
        ("Function.B2", "Function.Unknown"),
        ("Function.broken", "Function.Unknown"),
        ("Function.Broken.Pipe", "Function.Unknown"),
        ("Function.Épée", "Function.Unknown"),
        ("Runtime.broken", "Runtime.Unknown"),
        ("Runtime." + "B" * 255, "Runtime." + "B" * 255),
        ("Runtime." + "B" * 256, "Runtime.Unknown"),
    ],
)
def test_error_type_for_the_header(error_type: str, header: str) -> None:
    assert header_type(error_type) == header
