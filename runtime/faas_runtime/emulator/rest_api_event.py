"""Turns an HTTP request into an event of format 1.0: that of API Gateway's REST APIs, and of HTTP APIs that choose it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
The API has the resources / and /{proxy+}.
"""

import json

from .http_fields import (
    API_ID,
    COMPACT,
    body_text,
    decoded_path,
    host_and_port,
    parameters,
    time_text,
)
from .options import ACCOUNT, DEFAULT_STAGE
from .text import decode_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..http_server.messages import HttpRequest

_NO_IDENTITY = (
    "accessKey", "accountId", "caller", "cognitoAmr", "cognitoAuthenticationProvider", "cognitoAuthenticationType",
    "cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId", "user", "userArn",
)  # fmt: skip
"""Fields that are null unless the API has an authorizer."""


def encode_event(request: "HttpRequest", *, request_id: str, now: float, stage: str = DEFAULT_STAGE) -> bytes:
    """The event for a request, as JSON; `now` is in seconds since the epoch. What is not there is null."""
    requested = decoded_path(request)
    path = _without_stage(requested, stage)
    headers = _headers(request)
    query = parameters(decode_text(request.query))
    body, is_base64 = body_text(request)
    resource = "/" if path == "/" else "/{proxy+}"
    content = {
        "version": "1.0",
        "resource": resource,
        "path": path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API_ID,
            "domainName": host_and_port(request)[0],
            "domainPrefix": host_and_port(request)[0].partition(".")[0],
            "extendedRequestId": request_id,
            "httpMethod": request.method,
            "identity": {
                **dict.fromkeys(_NO_IDENTITY),
                "sourceIp": request.peer,
                "userAgent": decode_text(request.header("user-agent") or ""),
            },
            "path": requested,
            "protocol": request.version,
            "requestId": request_id,
            "requestTime": time_text(now),
            "requestTimeEpoch": int(now * 1000),
            "resourceId": "local",
            "resourcePath": resource,
            "stage": stage,
        },
        "pathParameters": None if path == "/" else {"proxy": path[1:]},
        "stageVariables": None,
        "body": body or None,
        "isBase64Encoded": is_base64,
    }
    return json.dumps(content, separators=COMPACT).encode()


def _without_stage(path: str, stage: str) -> str:
    """The path within the API: without the stage, which the path begins with unless the API has a domain of its own."""
    if path == f"/{stage}":
        return "/"
    return path[len(stage) + 1 :] if path.startswith(f"/{stage}/") else path


def _headers(request: "HttpRequest") -> "dict[str, list[str]]":
    """All values of each header; its name is as it was sent first."""
    names: dict[str, str] = {}
    values: dict[str, list[str]] = {}
    for name, value in request.headers:
        values.setdefault(names.setdefault(name.lower(), name), []).append(decode_text(value))
    forwarded = names.setdefault("x-forwarded-for", "X-Forwarded-For")
    values[forwarded] = [", ".join([*values.get(forwarded, []), request.peer])]
    values.setdefault(names.setdefault("x-forwarded-proto", "X-Forwarded-Proto"), ["http"])
    values.setdefault(names.setdefault("x-forwarded-port", "X-Forwarded-Port"), [host_and_port(request)[1]])
    return values
