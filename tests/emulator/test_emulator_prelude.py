"""Streams that begin with a prelude, which is found wherever their pieces end."""

from __future__ import annotations

import pytest
from faas_runtime.emulator.prelude import PreludeParser
from faas_runtime.emulator.response_document import InvalidResponseDocument


def streamed(data: bytes, size: int) -> tuple[object, bytes]:
    prelude, body = PreludeParser(), b""
    for start in range(0, len(data), size):
        body += prelude.feed(data[start : start + size])
    prelude.end()
    return prelude.head, body


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 1000])
def test_a_prelude_is_found_wherever_pieces_end(size: int) -> None:
    data = b'{"statusCode":201,"headers":{"Content-Type":"a/b"},"cookies":["c=1"]}' + bytes(8) + b"body\0\0" + bytes(9)
    head, body = streamed(data, size)
    assert head == (201, [("Content-Type", "a/b"), ("Set-Cookie", "c=1")])
    assert body == b"body\0\0" + bytes(9)


@pytest.mark.parametrize(
    ("prelude", "head"),
    [
        (b"{}", (200, [("Content-Type", "application/octet-stream")])),
        (
            b'{"multiValueHeaders":{"A":["1","2"]},"headers":{"a":"3","B":"4","content-type":"x/y"}}',
            (200, [("A", "1"), ("A", "2"), ("B", "4"), ("content-type", "x/y")]),
        ),
    ],
)
def test_a_prelude_gives_status_and_headers(prelude: bytes, head: object) -> None:
    assert streamed(prelude + bytes(8), 100) == (head, b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "ended before"),
        (b"{}" + bytes(7), "ended before"),
        (b"{]" + bytes(8), "not JSON"),
        (bytes(8), "not JSON"),
        (b"[]" + bytes(8), "not an object"),
        (b'{"statusCode":700}' + bytes(8), "statusCode"),
        (b'{"multiValueHeaders":{"a":"b"}}' + bytes(8), "multiValueHeaders"),
        (b'{"headers":{"a":"\\r\\n"}}' + bytes(8), "line break"),
        (b" " * 16377 + bytes(8), "the first 16384 bytes of the stream have no eight NUL bytes"),
        (b"x" * 100000, "the first 16384 bytes of the stream have no eight NUL bytes"),
    ],
    ids=lambda value: repr(value[:30]),
)
@pytest.mark.parametrize("size", [1000, 100000])
def test_invalid_preludes_are_refused(data: bytes, reason: str, size: int) -> None:
    with pytest.raises(InvalidResponseDocument, match=reason):
        streamed(data, size)


def test_a_prelude_may_have_the_largest_size() -> None:
    assert streamed(b"{}" + b" " * 16374 + bytes(8) + b"x", 100000)[1] == b"x"
