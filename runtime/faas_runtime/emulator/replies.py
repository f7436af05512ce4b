"""The heads of HTTP/1.1 answers (RFC 9110, RFC 9112)."""

import time
from email.utils import formatdate
from http import HTTPStatus

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BODILESS = (204, 304)  # statuses of answers that never have a body
_REASONS = {status.value: status.phrase for status in HTTPStatus}

_date = (0, "")


def reply_head(status: int, headers: "list[tuple[str, str]]", framing: str) -> bytes:
    """A head with its empty line; `framing` are whole lines about the connection and the length of the body."""
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    text = f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\nDate: {_now()}\r\n{fields}{framing}\r\n"
    return to_bytes(text)


def to_bytes(text: str) -> bytes:
    """Headers as they go over the wire: Latin-1 where it can be, or else UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _now() -> str:
    """The value of the header Date, made once a second."""
    global _date
    second = int(time.time())
    if second != _date[0]:
        _date = (second, formatdate(second, usegmt=True))
    return _date[1]
