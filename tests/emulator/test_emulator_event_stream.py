"""The format of event streams: every length and checksum has to be right."""

from __future__ import annotations

import json
import struct
import zlib

import pytest
from faas_runtime.emulator import event_stream


def messages(data: bytes) -> list[tuple[dict[str, str], bytes]]:
    """Headers and payload of each message; fails on anything that a client would refuse."""
    found = []
    while data:
        total, head, checksum = struct.unpack_from(">III", data)
        assert total <= len(data)
        message, data = data[:total], data[total:]
        assert zlib.crc32(message[:8]) == checksum
        assert zlib.crc32(message[:-4]) == struct.unpack(">I", message[-4:])[0]
        found.append((headers(message[12 : 12 + head]), message[12 + head : -4]))
    return found


def headers(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    while data:
        length = data[0]
        name, data = data[1 : 1 + length].decode(), data[1 + length :]
        kind, length = struct.unpack_from(">BH", data)
        assert kind == 7  # a string
        assert name not in found
        found[name], data = data[3 : 3 + length].decode(), data[3 + length :]
    return found


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)), b"x" * event_stream.PAYLOAD_LIMIT])
def test_a_piece_is_one_event(data: bytes) -> None:
    head = {":message-type": "event", ":event-type": "PayloadChunk", ":content-type": "application/octet-stream"}
    assert messages(event_stream.payload_chunk(data)) == [(head, data)]


def test_a_large_piece_is_several_events() -> None:
    data = bytes(range(256)) * (3 * event_stream.PAYLOAD_LIMIT // 256) + b"end"
    found = messages(event_stream.payload_chunk(data))
    assert b"".join(payload for _, payload in found) == data
    assert len(found) == 4
    assert max(len(payload) for _, payload in found) < 16 << 20, "clients refuse larger messages"
    assert {head[":event-type"] for head, _ in found} == {"PayloadChunk"}


@pytest.mark.parametrize(
    ("given", "members"),
    [
        ((None, None, None), {}),
        ((None, None, "bG9n"), {"LogResult": "bG9n"}),
        (("Function.Half", '{"a":"grün"}', None), {"ErrorCode": "Function.Half", "ErrorDetails": '{"a":"grün"}'}),
    ],
)
def test_the_last_event_has_only_what_is_given(
    given: tuple[str | None, str | None, str | None], members: dict[str, str]
) -> None:
    ((head, payload),) = messages(event_stream.invoke_complete(*given))
    assert head == {":message-type": "event", ":event-type": "InvokeComplete", ":content-type": "application/json"}
    assert json.loads(payload) == members
