"""Turns what a function returns into an HTTP response: the document with status, headers, cookies and body.

Everything is checked: nothing that a function returns may break the HTTP message around it (RFC 9110, section 5).
"""

import base64
import json
import re

from ..http_server.header_fields import FORBIDDEN_IN_VALUE, TOKEN
from ..http_server.messages import HttpResponse
from ..http_server.response_head import BODILESS
from .size_limits import TOO_DEEP
from .text import encode_text

SERVER_HEADERS = frozenset(
    (
        "connection", "content-length", "date", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
        "upgrade",
    )
)  # fmt: skip
"""Headers that the server sets itself: they are about the connection, frame the message, or give the date."""


class InvalidResponseDocument(Exception):
    """What the function returned cannot be turned into an HTTP response; the text says why."""


def to_response(payload: bytes) -> HttpResponse:
    """The HTTP response for a complete response of the function; raises `InvalidResponseDocument`.

    A document with a `statusCode` gives status, headers and body. Everything else is the body of a 200; a JSON string
    is sent without its quotes.
    """
    try:
        found: object = parse_document(payload)
    except InvalidResponseDocument:
        found = None
    if isinstance(found, dict) and "statusCode" in found:
        status, headers = status_and_headers(found)
        return _with_body(status, headers, found)
    body = found.encode("utf-8", "replace") if isinstance(found, str) else payload
    return HttpResponse(200, body, [("Content-Type", "application/json")])


def to_complete_response(payload: bytes) -> HttpResponse:
    """The same for format 1.0 and for load balancers, which take nothing but a document with a `statusCode`.

    It may have `multiValueHeaders`.
    """
    found = parse_document(payload)
    if not isinstance(found, dict):
        raise InvalidResponseDocument(f"it is {_type_name(found)}; it has to be an object with a statusCode")
    status, headers = status_and_all_headers(found)
    return _with_body(status, headers, found)


def parse_document(payload: bytes) -> object:
    """The JSON value in the payload."""
    try:
        return json.loads(payload.decode())  # the json module alone would accept UTF-16 as well
    except ValueError as error:
        raise InvalidResponseDocument(f"it is not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidResponseDocument(f"it is {TOO_DEEP}") from error


def status_and_headers(
    document: "dict[str, object]", *, default_status: "int | None" = None
) -> "tuple[int, list[tuple[str, str]]]":
    """Status and headers of a document: `headers`, then each of `cookies` as a Set-Cookie.

    `default_status` is for a document without a `statusCode`; None: it has to have one.
    """
    status = _parse_status(document.get("statusCode", default_status))
    headers = []
    for name, value in _parse_object("headers", document.get("headers")).items():
        if value is not None:
            headers.append(_check_header(name, value))
    cookies = document.get("cookies")
    if not isinstance(cookies, (list, type(None))):
        raise InvalidResponseDocument(f"cookies is {cookies!r:.80}; it has to be a list of strings")
    headers += [_check_header("Set-Cookie", cookie) for cookie in cookies or ()]
    return status, _without_server_headers(headers)


def status_and_all_headers(
    document: "dict[str, object]", *, default_status: "int | None" = None
) -> "tuple[int, list[tuple[str, str]]]":
    """The same with `multiValueHeaders`, which count more than `headers` of the same name."""
    multiple = multi_value_headers(document)
    names = {name.lower() for name, _ in multiple}
    status, single = status_and_headers(document, default_status=default_status)
    return status, multiple + [
        (name, value) for name, value in single if name.lower() not in names or name == "Set-Cookie"
    ]


def multi_value_headers(document: "dict[str, object]") -> "list[tuple[str, str]]":
    """The headers in `multiValueHeaders`, which has a list of values for each name."""
    headers = []
    for name, values in _parse_object("multiValueHeaders", document.get("multiValueHeaders")).items():
        if not isinstance(values, list):
            raise InvalidResponseDocument(
                f"multiValueHeaders has {values!r:.80} for {name!r:.80}; it has to be a list of strings"
            )
        headers += [_check_header(name, value) for value in values]
    return _without_server_headers(headers)


def _without_server_headers(headers: "list[tuple[str, str]]") -> "list[tuple[str, str]]":
    return [header for header in headers if header[0].lower() not in SERVER_HEADERS]


def _check_header(name: str, value: object) -> "tuple[str, str]":
    """One header, if it can be sent."""
    if isinstance(value, (int, float)):  # a boolean, too
        value = json.dumps(value)
    if not isinstance(value, str):
        raise InvalidResponseDocument(f"the header {name!r:.80} is {value!r:.80}; it has to be a string")
    if not TOKEN.fullmatch(name):
        raise InvalidResponseDocument(f"{name!r:.80} cannot be the name of a header")
    if FORBIDDEN_IN_VALUE.search(value):
        raise InvalidResponseDocument(
            f"the header {name} has a line break or a control character in its value {value!r:.80}"
        )
    try:
        return name, encode_text(value.strip(" \t"))
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise InvalidResponseDocument(
            f"the header {name} has a value with characters that UTF-8 does not have: {value!r:.80}"
        ) from error


def _parse_status(value: object) -> int:
    """A final status. As with API Gateway, it may be in a string."""
    number = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{3}", value) else value
    if not isinstance(number, int) or isinstance(number, bool) or not 200 <= number <= 599:
        raise InvalidResponseDocument(f"statusCode is {value!r:.80}; it has to be an integer from 200 to 599")
    return number


def _parse_object(name: str, value: object) -> "dict[str, object]":
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidResponseDocument(f"{name} is {value!r:.80}; it has to be an object")
    return value


def _with_body(status: int, headers: "list[tuple[str, str]]", document: "dict[str, object]") -> HttpResponse:
    text, is_base64 = document.get("body"), document.get("isBase64Encoded")
    if not isinstance(is_base64, (bool, type(None))):
        raise InvalidResponseDocument(f"isBase64Encoded is {is_base64!r:.80}; it has to be true or false")
    if text is None:
        text = ""
    if not isinstance(text, str):
        raise InvalidResponseDocument(
            f"the body is {_type_name(text)}; with a statusCode it has to be a string, so serialise it first"
        )
    body = _decode_base64(text) if is_base64 else text.encode("utf-8", "replace")
    if status in BODILESS:
        body = b""  # RFC 9110, sections 15.3.5 and 15.4.5
    elif body and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "text/plain; charset=utf-8"))
    return HttpResponse(status, body, headers)


def _decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise InvalidResponseDocument(f"isBase64Encoded is true, but the body is not base64: {error}") from error


def _type_name(value: object) -> str:
    """The name of a JSON type, with its article."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return "a string"
    if value is None:
        return "null"
    return "a boolean" if isinstance(value, bool) else "a number"
