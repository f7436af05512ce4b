"""Encodes the heads of HTTP/1.1 responses (RFC 9110, RFC 9112)."""

import time
from http import HTTPStatus

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BODILESS = (204, 304)  # statuses of responses that never have a body
_REASONS = {status.value: status.phrase for status in HTTPStatus}

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_date = (0, "")


def encode_response_head(status: int, headers: "list[tuple[str, str]]", framing: str) -> bytes:
    """A head with its empty line; `framing` holds complete lines about the connection and the length of the body."""
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    text = f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\nDate: {current_date()}\r\n{fields}{framing}\r\n"
    return encode_headers(text)


def encode_headers(text: str) -> bytes:
    """Headers as bytes: in Latin-1 if possible, otherwise in UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def current_date() -> str:
    """The value of the header Date, which is formatted once a second."""
    global _date
    second = int(time.time())
    if second != _date[0]:
        at = time.gmtime(second)
        day = f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year}"
        _date = (second, f"{day} {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT")
    return _date[1]
