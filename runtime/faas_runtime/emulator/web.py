"""The HTTP front's two translations: a request into an event, and what the function answers into an HTTP answer.

The event is payload format 2.0 of API Gateway's HTTP APIs, for the route $default on the stage $default:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
Where that page says nothing, this does what is reported of the real thing: only text/*, JSON, XML and JavaScript
come as text, forms and bodies without a type in base64, and an answer that is no JSON at all is a body too.
"""

import base64
import json
import time
from urllib.parse import parse_qsl, unquote

from .answers import BadAnswer, document, mapped
from .command import ACCOUNT
from .cors import Cors
from .messages import Answer
from .prelude import Prelude

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .messages import Request

__all__ = ["BadAnswer", "Cors", "Prelude", "answer", "event"]

API = "local"
_TEXTS = ("application/json", "application/javascript", "application/xml")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_COMPACT = (",", ":")


def event(request: "Request", *, request_id: str, now: float) -> bytes:
    """The event for a request, as JSON; `now` is in seconds since the epoch. What is absent is left out."""
    path = unquote(request.path, errors="replace")
    cookies = [cookie for value in request.all("cookie") for cookie in _cookies(value)]
    parameters = _parameters(request.query)
    body, is_base64 = _body(request)
    content: dict[str, object] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query,
        "cookies": cookies,
        "headers": _headers(request),
        "queryStringParameters": parameters,
        "requestContext": _context(request, path, request_id, now),
        "body": body,
    }
    content = {name: value for name, value in content.items() if value or name == "rawQueryString"}
    content["isBase64Encoded"] = is_base64
    return json.dumps(content, separators=_COMPACT).encode()


def _cookies(value: str) -> "list[str]":
    return [cookie for cookie in (part.strip() for part in value.split(";")) if cookie]


def _parameters(query: str) -> "dict[str, str]":
    """Decoded, in the order of the query; those of one name are joined with commas."""
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        values.setdefault(name, []).append(value)
    return {name: ",".join(given) for name, given in values.items()}


def _headers(request: "Request") -> "dict[str, str]":
    """Names in lower case, values of one name joined with commas; cookies are in a place of their own."""
    values: dict[str, list[str]] = {}
    for name, value in request.headers:
        values.setdefault(name.lower(), []).append(value)
    values.pop("cookie", None)
    values.setdefault("x-forwarded-for", []).append(request.peer)
    values.setdefault("x-forwarded-proto", ["http"])
    values.setdefault("x-forwarded-port", [_host(request)[1]])
    return {name: ",".join(given) for name, given in values.items()}


def _context(request: "Request", path: str, request_id: str, now: float) -> "dict[str, object]":
    at = time.gmtime(now)
    domain = _host(request)[0]
    return {
        "accountId": ACCOUNT,
        "apiId": API,
        "domainName": domain,
        "domainPrefix": domain.partition(".")[0],
        "http": {
            "method": request.method,
            "path": path,
            "protocol": request.version,
            "sourceIp": request.peer,
            "userAgent": request.header("user-agent") or "",
        },
        "requestId": request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": f"{at.tm_mday:02}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year}:{time.strftime('%H:%M:%S', at)} +0000",
        "timeEpoch": int(now * 1000),
    }


def _host(request: "Request") -> "tuple[str, str]":
    """The host and the port that the client asked for."""
    host = request.header("host") or "localhost"
    name, colon, port = host.rpartition(":")
    return (name, port) if colon and port.isdigit() else (host, "80")


def _body(request: "Request") -> "tuple[str, bool]":
    """The body as text or in base64, and whether it is the latter."""
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if kind.startswith("text/") or kind in _TEXTS:
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass  # says that it is text, and is not: nothing of it may be lost
    return base64.b64encode(request.body).decode(), bool(request.body)


def answer(payload: bytes) -> Answer:
    """The HTTP answer for what a function answered in one piece; `BadAnswer` says why it is none.

    A document with a `statusCode` is mapped. All else is the body of a 200, a JSON string as the text that it is.
    """
    try:
        found: object = document(payload)
    except BadAnswer:
        found = None
    if isinstance(found, dict) and "statusCode" in found:
        status, headers = mapped(found)
        return _with_body(status, headers, found)
    body = found.encode("utf-8", "replace") if isinstance(found, str) else payload
    return Answer(200, body, [("Content-Type", "application/json")])


def _with_body(status: int, headers: "list[tuple[str, str]]", found: "dict[str, object]") -> Answer:
    text, is_base64 = found.get("body"), found.get("isBase64Encoded")
    if not isinstance(is_base64, (bool, type(None))):
        raise BadAnswer(f"isBase64Encoded is {is_base64!r:.80}; it has to be true or false")
    if text is None:
        text = ""
    if not isinstance(text, str):
        raise BadAnswer(f"the body is {_kind(text)}; with a statusCode it has to be a string, so serialise it first")
    body = _decoded(text) if is_base64 else text.encode("utf-8", "replace")
    if status in (204, 304):
        body = b""  # RFC 9110, sections 15.3.5 and 15.4.5
    elif body and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "text/plain; charset=utf-8"))
    return Answer(status, body, headers)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise BadAnswer(f"isBase64Encoded is true, and the body is not base64: {error}") from error


def _kind(value: object) -> str:
    """What a JSON value is called."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "a boolean" if isinstance(value, bool) else "a number"
