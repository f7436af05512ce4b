"""The framing of InvokeWithResponseStream's answers: application/vnd.amazon.eventstream.

A message is its length, the length of its headers, the CRC-32 of these eight bytes, the headers, the payload, and the
CRC-32 of all that; numbers are big-endian.
https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html
https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
"""

import json
from binascii import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"
PAYLOAD_LIMIT = 1 << 20  # clients refuse messages of more than 16 to 24 MiB; smaller ones can be shown as they come
_STRING = 7


def payload_chunk(data: bytes) -> bytes:
    """The events that carry a piece of the answer: one, or as many as its size takes."""
    if len(data) <= PAYLOAD_LIMIT:
        return _event("PayloadChunk", "application/octet-stream", data)
    view = memoryview(data)
    pieces = (bytes(view[start : start + PAYLOAD_LIMIT]) for start in range(0, len(data), PAYLOAD_LIMIT))
    return b"".join(_event("PayloadChunk", "application/octet-stream", piece) for piece in pieces)


def invoke_complete(error_code: "str | None", error_details: "str | None", log_result: "str | None") -> bytes:
    """The event that ends the answer; what is None is left out. `log_result` is base64 already."""
    members = {"ErrorCode": error_code, "ErrorDetails": error_details, "LogResult": log_result}
    given = {name: value for name, value in members.items() if value is not None}
    return _event("InvokeComplete", "application/json", json.dumps(given).encode())


def _event(kind: str, content_type: str, payload: bytes) -> bytes:
    headers = _header(":message-type", "event") + _header(":event-type", kind) + _header(":content-type", content_type)
    prelude = (16 + len(headers) + len(payload)).to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    message = b"".join((prelude, crc32(prelude).to_bytes(4, "big"), headers, payload))
    return message + crc32(message).to_bytes(4, "big")


def _header(name: str, value: str) -> bytes:
    return b"%c%b%c%b%b" % (len(name), name.encode(), _STRING, len(value).to_bytes(2, "big"), value.encode())
