"""The heads of HTTP/1.1 requests, taken apart strictly (RFC 9110, RFC 9112): what two readers could read in two ways is
refused.
"""

import re

HEAD_LIMIT = 64 << 10  # bytes
FIELDS_LIMIT = 100
END = b"\r\n\r\n"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"[\x21-\x7e\x80-\xff]+")
_VERSION = re.compile(r"HTTP/([0-9])\.([0-9])")
_NO_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # what a field's value may not hold; a tab it may


class Refused(Exception):
    """A request that is not taken; the connection is of no use after it."""

    def __init__(self, status: int, reason: str) -> None:
        """The status of the answer, and a sentence that says what is wrong."""
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Head:
    """A request line and its fields."""

    __slots__ = ("expects_continue", "fields", "is_chunked", "keep_alive", "length", "method", "target", "version")

    def __init__(self, method: str, target: str, version: str, fields: "list[tuple[str, str]]") -> None:
        self.method = method
        self.target = target
        """In origin form: the path, and the query if there is one."""
        self.version = version
        self.fields = fields
        """Names and values as they were sent, decoded as Latin-1."""
        self.length = 0
        """The length of the body in bytes, if it is not chunked."""
        self.is_chunked = False
        self.keep_alive = version != "HTTP/1.0"
        self.expects_continue = False

    @property
    def has_body(self) -> bool:
        """Whether a body follows."""
        return self.is_chunked or self.length > 0


def parse(data: bytes) -> Head:
    """Read a head without its final empty line; raises `Refused`."""
    first, *lines = data.decode("latin-1").split("\r\n")
    head = _request_line(first)
    if len(lines) > FIELDS_LIMIT:
        raise Refused(431, f"more than {FIELDS_LIMIT} header fields")
    hosts = 0
    lengths: list[str] = []
    for line in lines:
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        if not colon or not _TOKEN.fullmatch(name):
            raise Refused(400, f"malformed header field {line[:80]!r}")
        if not value.isprintable() and _NO_VALUE.search(value):
            raise Refused(400, f"control character in the header field {name}")
        head.fields.append((name, value))
        key = name.lower()
        if key == "host":
            hosts += 1
        elif key == "content-length":
            lengths.append(value)
        elif key in _FRAMING:
            _FRAMING[key](head, value)
    if hosts > 1 or (not hosts and head.version != "HTTP/1.0"):
        raise Refused(400, "a request needs one header field Host")
    if lengths:
        head.length = _length(head, lengths)
    return head


def _request_line(line: str) -> Head:
    parts = line.split(" ")
    if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]) or not _TARGET.fullmatch(parts[1]):
        raise Refused(400, f"malformed request line {line[:80]!r}")
    method, target, version = parts
    found = _VERSION.fullmatch(version)
    if not found:
        raise Refused(400, f"malformed request line {line[:80]!r}")
    if found[1] != "1":
        raise Refused(505, f"{version} is not spoken here; HTTP/1.1 is")
    if target[:7].lower() == "http://":  # the absolute form, as proxies get it
        rest = target[7:]
        cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
        target = rest[cut:] if rest[cut : cut + 1] == "/" else f"/{rest[cut:]}"
    if not target.startswith("/"):
        raise Refused(400, f"the request's target {target[:80]!r} is no path")
    return Head(method, target, version, [])


def _length(head: Head, lengths: "list[str]") -> int:
    value = lengths[0]
    if len(set(lengths)) > 1 or not (value.isascii() and value.isdigit()) or head.is_chunked:
        raise Refused(400, "malformed Content-Length, or more than one length of the body")
    return int(value) if len(value) < 19 else 1 << 62


def _connection(head: Head, value: str) -> None:
    options = value.lower()
    if "close" in options:
        head.keep_alive = False
    elif "keep-alive" in options:
        head.keep_alive = True


def _transfer_encoding(head: Head, value: str) -> None:
    if value.lower() != "chunked" or head.is_chunked or head.version == "HTTP/1.0":
        raise Refused(501, f"the transfer encoding {value[:80]!r} is not spoken here; chunked is")
    head.is_chunked = True


def _expect(head: Head, value: str) -> None:
    if value.lower() != "100-continue":
        raise Refused(417, f"the expectation {value[:80]!r} cannot be met")
    head.expects_continue = head.version != "HTTP/1.0"


_FRAMING = {"connection": _connection, "transfer-encoding": _transfer_encoding, "expect": _expect}
