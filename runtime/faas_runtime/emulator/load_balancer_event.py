"""Turns an HTTP request into the event of an Application Load Balancer.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
The target group has no headers with several values, which is the default: the last value of a name counts.
"""

import base64
import json

from .http_fields import COMPACT, body_text, headers_in_lower_case
from .options import ACCOUNT, DEFAULT_REGION
from .text import decode_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..http_server.messages import HttpRequest

_TARGET_GROUP = f"arn:aws:elasticloadbalancing:{DEFAULT_REGION}:{ACCOUNT}:targetgroup/local/0123456789abcdef"


def encode_event(request: "HttpRequest", *, request_id: str, now: float, stage: str = "") -> bytes:
    """The event for a request, as JSON. A load balancer decodes neither the path nor the query, and has no stages."""
    if request.header("content-encoding"):
        body, is_base64 = base64.b64encode(request.body).decode(), bool(request.body)
    else:
        body, is_base64 = body_text(request)
    content = {
        "requestContext": {"elb": {"targetGroupArn": _TARGET_GROUP}},
        "httpMethod": request.method,
        "path": decode_text(request.path),
        "queryStringParameters": _parameters(decode_text(request.query)),
        "headers": _headers(request),
        "body": body,
        "isBase64Encoded": is_base64,
    }
    return json.dumps(content, separators=COMPACT).encode()


def _parameters(query: str) -> "dict[str, str]":
    pairs = (part.partition("=") for part in query.split("&") if part)
    return {name: value for name, _, value in pairs}


def _headers(request: "HttpRequest") -> "dict[str, str]":
    """Names in lower case, each with its last value; the addresses of X-Forwarded-For are joined."""
    values = headers_in_lower_case(request)
    forwarded = ", ".join(values["x-forwarded-for"])
    return {**{name: found[-1] for name, found in values.items()}, "x-forwarded-for": forwarded}
