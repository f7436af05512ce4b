"""What a function says about an HTTP answer, in one document: its status, headers and cookies, checked.

Nothing that a function answers may break the HTTP message around it (RFC 9110, section 5).
"""

import json
import re

HOP_BY_HOP = frozenset(
    (
        "connection", "content-length", "date", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
        "upgrade",
    )
)  # fmt: skip
"""Headers that belong to the connection, or frame the message, and the date: the server's own."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class BadAnswer(Exception):
    """What the function answered cannot be turned into an HTTP answer; the text says why."""


def document(payload: bytes) -> object:
    """The JSON value in the payload."""
    try:
        return json.loads(payload.decode())  # the module itself would take UTF-16 as well
    except (ValueError, RecursionError) as error:
        raise BadAnswer(f"it is not JSON: {error}") from error


def mapped(found: "dict[str, object]", *, status: object = None) -> "tuple[int, list[tuple[str, str]]]":
    """Status and headers of a document: `headers`, then each of `cookies` as a Set-Cookie.

    `status` is for a document without a `statusCode`.
    """
    number = _status(found.get("statusCode", status))
    headers = []
    given = found.get("headers")
    for name, value in _object("headers", given).items():
        if value is not None:
            headers.append(header(name, value))
    cookies = found.get("cookies")
    if not isinstance(cookies, (list, type(None))):
        raise BadAnswer(f"cookies is {cookies!r:.80}; it has to be a list of strings")
    headers += [header("Set-Cookie", cookie) for cookie in cookies or ()]
    return number, [pair for pair in headers if pair[0].lower() not in HOP_BY_HOP]


def several(found: "dict[str, object]") -> "list[tuple[str, str]]":
    """The headers in `multiValueHeaders`, a list of values for each name."""
    headers = []
    for name, values in _object("multiValueHeaders", found.get("multiValueHeaders")).items():
        if not isinstance(values, list):
            raise BadAnswer(f"multiValueHeaders has {values!r:.80} for {name!r:.80}; it has to be a list of strings")
        headers += [header(name, value) for value in values]
    return [pair for pair in headers if pair[0].lower() not in HOP_BY_HOP]


def header(name: str, value: object) -> "tuple[str, str]":
    """One header, if it can be sent."""
    if isinstance(value, (int, float)):  # a boolean, too
        value = json.dumps(value)
    if not isinstance(value, str):
        raise BadAnswer(f"the header {name!r:.80} is {value!r:.80}; it has to be a string")
    if not _TOKEN.fullmatch(name):
        raise BadAnswer(f"{name!r:.80} cannot be the name of a header")
    if _CONTROL.search(value):
        raise BadAnswer(f"the header {name} has a line break or a control character in its value {value!r:.80}")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise BadAnswer(f"the header {name} has a value that HTTP cannot carry: {value!r:.80}") from error
    return name, value.strip(" \t")


def _status(value: object) -> int:
    """A final status; one in a string is taken as API Gateway takes it."""
    number = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{3}", value) else value
    if not isinstance(number, int) or isinstance(number, bool) or not 200 <= number <= 599:
        raise BadAnswer(f"statusCode is {value!r:.80}; it has to be a number from 200 to 599")
    return number


def _object(name: str, value: object) -> "dict[str, object]":
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadAnswer(f"{name} is {value!r:.80}; it has to be an object")
    return value
