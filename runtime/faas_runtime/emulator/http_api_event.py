"""Turns an HTTP request into an event of an HTTP API.

The event has payload format 2.0 of API Gateway's HTTP APIs, for the route $default on the stage $default:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
Where that page says nothing, the event is as users report it of API Gateway: bodies of type text/*, JSON, XML and
JavaScript are text; all others, including forms and bodies without a type, are in base64.
"""

import base64
import json
import time
from urllib.parse import parse_qsl, unquote

from .options import ACCOUNT
from .text import decode_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..http_server.messages import HttpRequest

API_ID = "local"
_TEXT_TYPES = ("application/json", "application/javascript", "application/xml")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_COMPACT = (",", ":")


def encode_event(request: "HttpRequest", *, request_id: str, now: float) -> bytes:
    """The event for a request, as JSON; `now` is in seconds since the epoch. Fields without content are left out."""
    path = unquote(decode_text(request.path), errors="replace")
    query = decode_text(request.query)
    cookies = [cookie for value in request.header_values("cookie") for cookie in _split_cookies(decode_text(value))]
    parameters = _parameters(query)
    body, is_base64 = _body(request)
    content: dict[str, object] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "cookies": cookies,
        "headers": _headers(request),
        "queryStringParameters": parameters,
        "requestContext": _context(request, path, request_id, now),
        "body": body,
    }
    content = {name: value for name, value in content.items() if value or name == "rawQueryString"}
    content["isBase64Encoded"] = is_base64
    return json.dumps(content, separators=_COMPACT).encode()


def _split_cookies(value: str) -> "list[str]":
    return [cookie for cookie in (part.strip() for part in value.split(";")) if cookie]


def _parameters(query: str) -> "dict[str, str]":
    """Decoded, in the order of the query; the values of a name are joined with commas."""
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        values.setdefault(name, []).append(value)
    return {name: ",".join(found) for name, found in values.items()}


def _headers(request: "HttpRequest") -> "dict[str, str]":
    """Names in lower case; the values of a name are joined with commas. Cookies are in a field of their own."""
    values: dict[str, list[str]] = {}
    for name, value in request.headers:
        values.setdefault(name.lower(), []).append(decode_text(value))
    values.pop("cookie", None)
    values.setdefault("x-forwarded-for", []).append(request.peer)
    values.setdefault("x-forwarded-proto", ["http"])
    values.setdefault("x-forwarded-port", [_host(request)[1]])
    return {name: ",".join(found) for name, found in values.items()}


def _context(request: "HttpRequest", path: str, request_id: str, now: float) -> "dict[str, object]":
    at = time.gmtime(now)
    domain = _host(request)[0]
    return {
        "accountId": ACCOUNT,
        "apiId": API_ID,
        "domainName": domain,
        "domainPrefix": domain.partition(".")[0],
        "http": {
            "method": request.method,
            "path": path,
            "protocol": request.version,
            "sourceIp": request.peer,
            "userAgent": decode_text(request.header("user-agent") or ""),
        },
        "requestId": request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": f"{at.tm_mday:02}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year}:{time.strftime('%H:%M:%S', at)} +0000",
        "timeEpoch": int(now * 1000),
    }


def _host(request: "HttpRequest") -> "tuple[str, str]":
    """The host and the port in the header Host."""
    host = decode_text(request.header("host") or "localhost")
    name, colon, port = host.rpartition(":")
    return (name, port) if colon and port.isdigit() else (host, "80")


def _body(request: "HttpRequest") -> "tuple[str, bool]":
    """The body as text or in base64, and whether it is in base64."""
    media_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if media_type.startswith("text/") or media_type in _TEXT_TYPES:
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass  # its type is wrong; nothing of it may be lost
    return base64.b64encode(request.body).decode(), bool(request.body)
