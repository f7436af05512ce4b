"""Answers are understood wherever the network cuts them."""

from __future__ import annotations

import pytest
from faas_runtime.errors import ConnectionLost, header_type
from faas_runtime.framing import Reader

CHUNKED = b"HTTP/1.1 200 OK\r\nA: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
ANSWERS = {
    "length": b"HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 4\r\n\r\nbody",
    "empty": b"HTTP/1.1 202 Accepted\r\nA: 1\r\nContent-Length: 0\r\n\r\n",
    "chunked": CHUNKED + b"2\r\nbo\r\n02\r\ndy\r\n0\r\n\r\n",
    "trailers": CHUNKED + b"4;x\r\nbody\r\n0\r\nB: 2\r\n\r\n",
    "no content": b"HTTP/1.1 204\r\nA: 1\r\n\r\n",
}


def read(*pieces: bytes) -> tuple[Reader, list[bytes]]:
    """A reader that receives these pieces, and then nothing; the list holds what it has not received yet."""
    waiting = [piece for piece in pieces if piece]

    def receive(size: int) -> bytes:
        if not waiting:
            return b""
        piece = waiting.pop(0)
        if len(piece) > size:
            waiting.insert(0, piece[size:])
        return piece[:size]

    return Reader(receive), waiting


@pytest.mark.parametrize("name", ANSWERS)
def test_cut_at_every_byte(name: str) -> None:
    data = ANSWERS[name]
    expected = b"" if name in ("empty", "no content") else b"body"
    for cut in range(len(data) + 1):
        reader, waiting = read(data[:cut], data[cut:])
        answer = reader.answer()
        assert (answer.body, answer.headers[b"a"], answer.keep_alive) == (expected, b"1", True), cut
        assert reader.is_drained
        assert not waiting


@pytest.mark.parametrize("name", ANSWERS)
def test_ended_at_every_byte(name: str) -> None:
    data = ANSWERS[name]
    for end in range(len(data)):
        reader, _ = read(data[:end])
        with pytest.raises(ConnectionLost) as caught:
            reader.answer()
        assert caught.value.unanswered is (end == 0)


def test_two_answers_in_one_piece() -> None:
    reader, _ = read(ANSWERS["length"] + ANSWERS["chunked"])
    assert reader.answer().body == b"body"
    assert not reader.is_drained
    assert reader.answer().body == b"body"
    assert reader.is_drained


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
    reader, _ = read(f"{line}\r\nContent-Length: 0\r\n\r\n".encode())
    assert reader.answer().keep_alive is keep_alive


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
    ],
)
def test_error_type_for_the_header(error_type: str, header: str) -> None:
    assert header_type(error_type) == header
