"""Requests to Lambda's Invoke API, checked as Lambda checks them.

The names, limits and patterns are those of Lambda's API reference and of the service model in AWS's SDKs:
https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import json
import re
from base64 import b64decode
from urllib.parse import parse_qs, unquote

from .function_name import NAME_PATTERN, resolve
from .size_limits import TOO_DEEP, event_limit
from .text import decode_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..http_server.header_fields import HeaderFields
    from ..http_server.messages import HttpRequest
    from .function_name import InvokedFunction
    from .served_functions import ServedFunctions

INVALID_CONTENT = "InvalidRequestContentException"
INVALID_PARAMETER = "InvalidParameterValueException"
NOT_FOUND = "ResourceNotFoundException"
VALIDATION = "ValidationException"
TOO_LARGE = "RequestEntityTooLargeException"
INVOCATION_TYPES = ("Event", "RequestResponse", "DryRun")
STREAM_INVOCATION_TYPES = ("RequestResponse", "DryRun")
_LOG_TYPES = ("None", "Tail")
_NAME_LIMIT = 64
_ARN_LIMIT = 256
_QUALIFIER_LIMIT = 128
_QUALIFIER_PATTERN = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
_TENANT_LIMIT = 256
_TENANT_PATTERN = r"[a-zA-Z0-9\._:\/=+\-@ ]+"
_CLIENT_CONTEXT_LIMIT = 3583  # bytes, in Base64
_KNOWN_LIMIT = 1000  # names that are kept
_BOM = b"\xef\xbb\xbf"
_NOT_PRINTABLE_ASCII = re.compile(r"[^\x20-\x7e]")


class InvalidRequest(Exception):
    """A request that Lambda refuses."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type


class FunctionNames:
    """The names that functions are invoked by, each of which is checked once."""

    def __init__(self, functions: "ServedFunctions") -> None:
        self._functions = functions
        self._known: dict[tuple[str, str], InvokedFunction] = {}

    def resolve(self, name: str, query: str) -> "InvokedFunction":
        """The function with a name from the path and a query, both as in the request. Raises `InvalidRequest`."""
        found = self._known.get((name, query))
        if found is None:
            found = self._resolve(name, query)
            if len(self._known) >= _KNOWN_LIMIT:
                self._known.clear()
            self._known[name, query] = found
        return found

    def _resolve(self, name: str, query: str) -> "InvokedFunction":
        name = unquote(decode_text(name), errors="replace")
        qualifier = parse_qs(decode_text(query), errors="replace").get("Qualifier", [""])[0]
        _refuse_violations(
            *_text_violations("functionName", name, NAME_PATTERN, _ARN_LIMIT),
            *_text_violations("qualifier", qualifier, _QUALIFIER_PATTERN, _QUALIFIER_LIMIT),
        )
        function = resolve(name, qualifier, self._functions)
        if len(function.name) > _NAME_LIMIT:
            _refuse_violations(_violation("functionName", name, f"have length less than or equal to {_NAME_LIMIT}"))
        if qualifier and function.qualifier != qualifier:
            message = "The derived qualifier from the function name does not match the specified qualifier."
            raise InvalidRequest(400, INVALID_PARAMETER, message)
        if function.pool is None:
            served = ", ".join(self._functions.names)
            raise InvalidRequest(404, NOT_FOUND, f"Function not found: {function.arn} (there are: {served})")
        return function


class InvokeOptions:
    """What the headers of a request to invoke say."""

    __slots__ = ("client_context", "invocation_type", "invocation_types", "tenant_id", "trace_id", "wants_log_tail")

    def __init__(self, fields: "HeaderFields", invocation_types: "tuple[str, ...]") -> None:
        """`invocation_types` are those that the operation has. Raises `InvalidRequest`."""
        self.invocation_types = invocation_types
        self.invocation_type = fields.first("x-amz-invocation-type") or "RequestResponse"
        self.trace_id = fields.first("x-amzn-trace-id") or ""
        self.tenant_id = fields.first("x-amz-tenant-id") or ""
        log_type = fields.first("x-amz-log-type") or "None"
        self.wants_log_tail = log_type.lower() == "tail"
        _refuse_violations(
            *_enum_violations("invocationType", self.invocation_type, invocation_types),
            *_enum_violations("logType", "Tail" if self.wants_log_tail else log_type, _LOG_TYPES),
            *_text_violations("tenantId", self.tenant_id, _TENANT_PATTERN, _TENANT_LIMIT),
        )
        self.client_context = _decode_client_context(fields.first("x-amz-client-context"))


class InvokeRequest:
    """A valid request to invoke a function."""

    __slots__ = ("function", "options", "payload")

    def __init__(
        self, request: "HttpRequest", function: "InvokedFunction", invocation_types: "tuple[str, ...]"
    ) -> None:
        """`invocation_types` are those that the operation has. Raises `InvalidRequest`."""
        self.function = function
        options = request.fields.memo
        if not isinstance(options, InvokeOptions) or options.invocation_types is not invocation_types:
            options = request.fields.memo = InvokeOptions(request.fields, invocation_types)
        self.options = options
        self.payload = _check_payload(request.body, event_limit(options.invocation_type))


def too_large_message(limit: int) -> str:
    """Lambda's message about an event over the limit, which is in bytes."""
    return f"Request must be smaller than {limit} bytes for the InvokeFunction operation"


def _text_violations(member: str, value: str, pattern: str, limit: int) -> "list[str]":
    """The constraints that a text violates; an empty text is absent, and violates none."""
    if not value:
        return []
    found = []
    if len(value) > limit:
        found.append(_violation(member, value, f"have length less than or equal to {limit}"))
    if not re.fullmatch(pattern, value, re.ASCII):
        found.append(_violation(member, value, f"satisfy regular expression pattern: {pattern}"))
    return found


def _enum_violations(member: str, value: str, values: "tuple[str, ...]") -> "list[str]":
    return [] if value in values else [_violation(member, value, f"satisfy enum value set: [{', '.join(values)}]")]


def _violation(member: str, value: str, constraint: str) -> str:
    return f"Value '{value}' at '{member}' failed to satisfy constraint: Member must {constraint}"


def _refuse_violations(*found: str) -> None:
    if found:
        errors = "error" if len(found) == 1 else "errors"
        raise InvalidRequest(400, VALIDATION, f"{len(found)} validation {errors} detected: {'; '.join(found)}")


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON value")


# JSON allows numbers of any length; their values are not needed.
_decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=len)


def _check_payload(body: bytes, limit: int) -> bytes:
    """The event, without a byte order mark, which JSON parsers may ignore (RFC 8259, section 8.1)."""
    if len(body) > limit:
        raise InvalidRequest(413, TOO_LARGE, too_large_message(limit))
    payload = body.removeprefix(_BOM) or b"{}"
    try:
        _decoder.decode(payload.decode())
    except ValueError as error:
        raise InvalidRequest(400, INVALID_CONTENT, f"Could not parse request body into json: {error}") from error
    except RecursionError as error:
        message = f"Could not parse request body into json: it is {TOO_DEEP}"
        raise InvalidRequest(400, INVALID_CONTENT, message) from error
    return payload


def _decode_client_context(value: "str | None") -> str:
    """The client context as text for a header: JSON, with escapes for everything that is not ASCII."""
    if not value:
        return ""
    if len(value) > _CLIENT_CONTEXT_LIMIT:
        message = f"Client context must be at most {_CLIENT_CONTEXT_LIMIT} bytes of Base64-encoded JSON."
        raise InvalidRequest(400, INVALID_CONTENT, message)
    try:
        text = b64decode(value, validate=True).decode()
        found = json.loads(text, parse_constant=_refuse_constant)
        if isinstance(found, dict) and _NOT_PRINTABLE_ASCII.search(text):
            text = json.dumps(found)
    except ValueError:
        found = None
    except RecursionError as error:
        raise InvalidRequest(400, INVALID_CONTENT, f"Client context is {TOO_DEEP}") from error
    if not isinstance(found, dict):
        message = "Client context must be a valid Base64-encoded JSON object."
        raise InvalidRequest(400, INVALID_CONTENT, message)
    return text
