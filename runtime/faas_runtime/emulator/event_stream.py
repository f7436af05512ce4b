"""The format of the responses of InvokeWithResponseStream: application/vnd.amazon.eventstream.

A message consists of its length, the length of its headers, the CRC-32 of these eight bytes, the headers, the payload,
and the CRC-32 of everything before it. Numbers are big-endian.
https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html
https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
"""

import json
from binascii import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"
# Bytes of a message. Clients refuse messages over 16 to 24 MiB, and can show smaller ones as they arrive.
PAYLOAD_LIMIT = 1 << 20
_STRING = 7  # the type of a header's value


def payload_chunk(data: bytes) -> bytes:
    """The events with a piece of the response: one, or more if the piece is large."""
    if len(data) <= PAYLOAD_LIMIT:
        return _encode_event("PayloadChunk", "application/octet-stream", data)
    view = memoryview(data)
    pieces = (bytes(view[start : start + PAYLOAD_LIMIT]) for start in range(0, len(data), PAYLOAD_LIMIT))
    return b"".join(_encode_event("PayloadChunk", "application/octet-stream", piece) for piece in pieces)


def invoke_complete(error_code: "str | None", error_details: "str | None", log_result: "str | None") -> bytes:
    """The event that ends the response. What is None is left out; `log_result` is base64 already."""
    members = {"ErrorCode": error_code, "ErrorDetails": error_details, "LogResult": log_result}
    content = {name: value for name, value in members.items() if value is not None}
    return _encode_event("InvokeComplete", "application/json", json.dumps(content).encode())


def _encode_event(event_type: str, content_type: str, payload: bytes) -> bytes:
    headers = (
        _encode_header(":message-type", "event")
        + _encode_header(":event-type", event_type)
        + _encode_header(":content-type", content_type)
    )
    prelude = (16 + len(headers) + len(payload)).to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    message = b"".join((prelude, crc32(prelude).to_bytes(4, "big"), headers, payload))
    return message + crc32(message).to_bytes(4, "big")


def _encode_header(name: str, value: str) -> bytes:
    return b"%c%b%c%b%b" % (len(name), name.encode(), _STRING, len(value).to_bytes(2, "big"), value.encode())
