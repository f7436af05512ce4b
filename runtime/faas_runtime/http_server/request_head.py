"""Parses the heads of HTTP/1.1 requests (RFC 9110, RFC 9112).

The parser is strict: it refuses everything that two readers could understand in two ways.
"""

import re

from .header_fields import FORBIDDEN_IN_VALUE, NAME_CHARACTERS, TOKEN, HeaderFields

HEAD_LIMIT = 64 << 10  # bytes
FIELDS_LIMIT = 100
HEAD_END = b"\r\n\r\n"
HUGE = 1 << 62  # bytes; a length of a body that is over every limit

KNOWN_LIMIT = 256  # different sets of fields that are kept
KNOWN_SIZE = 2048  # bytes of the largest set of fields, and of the largest head, that is kept
_ONE_HOST = "a request needs one header field Host"

_TLS_HANDSHAKE = 0x16  # the type of the first record (RFC 8446, section 5.1)
_METHOD_BYTES = frozenset(byte for byte in range(0x80) if TOKEN.fullmatch(chr(byte)))
_TARGET = re.compile(r"[\x21-\x7e\x80-\xff]+")
_USUAL_LINE = re.compile(rf"([{NAME_CHARACTERS}]+) (/[\x21-\x7e\x80-\xff]*) (HTTP/1\.[0-9])")
_VERSION = re.compile(r"HTTP/([0-9])\.([0-9])")


class RequestRefused(Exception):
    """The server refuses a request. Its connection cannot be used any more."""

    def __init__(self, status: int, reason: str) -> None:
        """The status of the response, and a sentence that says what is wrong."""
        super().__init__(reason)
        self.status = status
        self.reason = reason


def check_first_byte(buffer: bytearray) -> None:
    """Raise `RequestRefused` for data that is not a request, such as TLS, as the end of its head would never come."""
    if buffer[0] in _METHOD_BYTES:
        return
    if buffer[0] == _TLS_HANDSHAKE:
        raise RequestRefused(400, "the client speaks TLS, and this server plain HTTP; use http:// in place of https://")
    raise RequestRefused(400, f"what the client sends is not HTTP; it begins with {bytes(buffer[:8])!r}")


class _ParsedFields(HeaderFields):
    """The fields of a request, and what those among them say that frame the message."""

    __slots__ = ("expects_continue", "has_host", "is_chunked", "keep_alive", "length")

    def __init__(self, pairs: "list[tuple[str, str]]") -> None:
        super().__init__(pairs)
        self.length = 0
        self.is_chunked = False
        self.keep_alive: bool | None = None
        """None: no field says so."""
        self.expects_continue = False
        self.has_host = "host" in self


class RequestHead:
    """The request line and the header fields of a request."""

    __slots__ = ("expects_continue", "fields", "is_chunked", "keep_alive", "length", "method", "target", "version")

    def __init__(self, method: str, target: str, version: str, fields: _ParsedFields) -> None:
        """Raises `RequestRefused` if the fields do not fit the version of HTTP."""
        self.method = method
        self.target = target
        """In origin form: the path, and the query if there is one."""
        self.version = version
        self.fields: HeaderFields = fields
        self.length = fields.length
        """The length of the body in bytes, if it is not chunked."""
        self.is_chunked = fields.is_chunked
        if version == "HTTP/1.0":
            self.keep_alive = fields.keep_alive is True
            self.expects_continue = False
            if self.is_chunked:
                raise RequestRefused(501, "HTTP/1.0 has no transfer encodings")
        else:
            self.keep_alive = fields.keep_alive is not False
            self.expects_continue = fields.expects_continue
            if not fields.has_host:
                raise RequestRefused(400, _ONE_HOST)


# Most clients send the same fields again and again: what was found in them is kept.
_known: "dict[bytes, _ParsedFields]" = {}


def parse_request_head(data: bytes) -> RequestHead:
    """Parse a head without its final empty line; raises `RequestRefused`."""
    first, _, rest = data.partition(b"\r\n")
    line = first.decode("latin-1")
    found = _USUAL_LINE.fullmatch(line)
    method, target, version = found.groups() if found else _parse_request_line(line)
    fields = _known.get(rest)
    if fields is None:
        fields = _parse_fields(rest)
        if len(rest) <= KNOWN_SIZE:
            if len(_known) >= KNOWN_LIMIT:
                _known.clear()
            _known[rest] = fields
    return RequestHead(method, target, version, fields)


def _parse_fields(data: bytes) -> _ParsedFields:
    lines = data.decode("latin-1").split("\r\n") if data else []
    if len(lines) > FIELDS_LIMIT:
        raise RequestRefused(431, f"more than {FIELDS_LIMIT} header fields")
    pairs = []
    for line in lines:
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        if not colon or not TOKEN.fullmatch(name):
            raise RequestRefused(400, f"malformed header field {line[:80]!r}")
        if not value.isprintable() and FORBIDDEN_IN_VALUE.search(value):
            raise RequestRefused(400, f"control character in the header field {name}")
        pairs.append((name, value))
    fields = _ParsedFields(pairs)
    if len(fields.all("host")) > 1:
        raise RequestRefused(400, _ONE_HOST)
    for name, apply in _FRAMING.items():
        for value in fields.all(name):
            apply(fields, value)
    lengths = fields.all("content-length")
    if lengths:
        fields.length = _parse_content_length(fields, lengths)
    return fields


def _parse_request_line(line: str) -> "tuple[str, str, str]":
    """Method, target and version of a line that is not the usual one."""
    words = line.split(" ")
    if len(words) != 3 or not TOKEN.fullmatch(words[0]) or not _TARGET.fullmatch(words[1]):
        raise RequestRefused(400, f"malformed request line {line[:80]!r}")
    method, target, version = words
    found = _VERSION.fullmatch(version)
    if not found:
        raise RequestRefused(400, f"malformed request line {line[:80]!r}")
    if found[1] != "1":
        raise RequestRefused(505, f"{version} is not supported; use HTTP/1.1")
    if target[:7].lower() == "http://":  # the absolute form, which proxies receive
        rest = target[7:]
        cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
        target = rest[cut:] if rest[cut : cut + 1] == "/" else f"/{rest[cut:]}"
    if not target.startswith("/"):
        raise RequestRefused(400, f"the request's target {target[:80]!r} is not a path")
    return method, target, version


def _parse_content_length(fields: _ParsedFields, lengths: "list[str]") -> int:
    value = lengths[0]
    if len(set(lengths)) > 1 or not (value.isascii() and value.isdigit()) or fields.is_chunked:
        raise RequestRefused(400, "malformed Content-Length, or more than one length of the body")
    return int(value) if len(value) < 19 else HUGE


def _apply_connection(fields: _ParsedFields, value: str) -> None:
    options = value.lower()
    if "close" in options:
        fields.keep_alive = False
    elif "keep-alive" in options and fields.keep_alive is None:
        fields.keep_alive = True


def _apply_transfer_encoding(fields: _ParsedFields, value: str) -> None:
    if fields.is_chunked:
        raise RequestRefused(400, "Transfer-Encoding is given twice; give it once")
    if value.lower() != "chunked":
        raise RequestRefused(501, f"the transfer encoding {value[:80]!r} is not supported; use chunked")
    fields.is_chunked = True


def _apply_expect(fields: _ParsedFields, value: str) -> None:
    if value.lower() != "100-continue":
        raise RequestRefused(417, f"the expectation {value[:80]!r} is not supported")
    fields.expects_continue = True


_FRAMING = {
    "connection": _apply_connection,
    "transfer-encoding": _apply_transfer_encoding,
    "expect": _apply_expect,
}
