"""Turns an HTTP request into an event of an HTTP API.

The event has payload format 2.0 of API Gateway's HTTP APIs, for the route $default:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import json

from .http_fields import (
    API_ID,
    COMPACT,
    body_text,
    decoded_path,
    headers_in_lower_case,
    host_and_port,
    parameters,
    time_text,
)
from .options import ACCOUNT, DEFAULT_STAGE
from .text import decode_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..http_server.messages import HttpRequest


def encode_event(request: "HttpRequest", *, request_id: str, now: float, stage: str = DEFAULT_STAGE) -> bytes:
    """The event for a request, as JSON; `now` is in seconds since the epoch. Fields without content are left out."""
    path = decoded_path(request)
    query = decode_text(request.query)
    cookies = [cookie for value in request.header_values("cookie") for cookie in _split_cookies(decode_text(value))]
    body, is_base64 = body_text(request)
    content: dict[str, object] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "cookies": cookies,
        "headers": _headers(request),
        "queryStringParameters": {name: ",".join(found) for name, found in parameters(query).items()},
        "requestContext": _context(request, path, request_id, now, stage),
        "body": body,
    }
    content = {name: value for name, value in content.items() if value or name == "rawQueryString"}
    content["isBase64Encoded"] = is_base64
    return json.dumps(content, separators=COMPACT).encode()


def _split_cookies(value: str) -> "list[str]":
    return [cookie for cookie in (part.strip() for part in value.split(";")) if cookie]


def _headers(request: "HttpRequest") -> "dict[str, str]":
    """Names in lower case; the values of a name are joined with commas. Cookies are in a field of their own."""
    values = headers_in_lower_case(request)
    values.pop("cookie", None)
    return {name: ",".join(found) for name, found in values.items()}


def _context(request: "HttpRequest", path: str, request_id: str, now: float, stage: str) -> "dict[str, object]":
    domain = host_and_port(request)[0]
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
        "stage": stage,
        "time": time_text(now),
        "timeEpoch": int(now * 1000),
    }
