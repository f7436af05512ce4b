"""Lambda's Invoke API: everything that AWS's emulator offers of it, and the rest of its contract.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
"""

import json
import re

from ..http_server.cors import Cors
from ..http_server.messages import HttpResponse, StreamedBody
from ..sandbox.error_documents import error_text
from ..sandbox.invocation import InvocationOutcome, OutcomeKind, PendingInvocation, StreamBroken, StreamedResponse
from ..sandbox.invocation_queue import QUEUE_FULL
from . import event_stream
from .collected_stream import collect
from .invoke_request import (
    INVOCATION_TYPES,
    NOT_FOUND,
    STREAM_INVOCATION_TYPES,
    TOO_LARGE,
    FunctionNames,
    InvalidRequest,
    InvokeRequest,
    too_large_message,
)
from .size_limits import body_limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from typing import Any

    from ..http_server.listener import AcceptedConnection
    from ..http_server.messages import HttpRequest
    from ..http_server.request_head import RequestHead
    from ..sandbox.pool import Pool
    from .built_pool import BuiltPool
    from .served_functions import ServedFunctions

    Respond = Callable[[HttpResponse], None]

# The dates in the paths of Lambda's API, from the service model in AWS's SDKs.
_DATES = (
    "2014-11-13", "2015-03-31", "2016-08-19", "2017-03-31", "2017-10-31", "2018-10-31", "2019-09-25", "2019-09-30",
    "2020-04-22", "2020-06-30", "2021-07-20", "2021-10-31", "2021-11-15", "2024-08-31", "2025-11-30", "2025-12-01",
)  # fmt: skip
_PATH = re.compile(rf"/(?:{'|'.join(_DATES)})(?:[/?].*)?")
_INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations/?")
_STREAM = re.compile(r"/2021-11-15/functions/([^/]+)/response-streaming-invocations/?")
ERROR_TYPE_HEADER = "x-amzn-ErrorType"
TOO_MANY = "TooManyRequestsException"
FORBIDDEN = "AccessDeniedException"
SERVICE_ERROR = "ServiceException"
# Lambda's response to another method: it determines the operation before it checks anything else.
_UNKNOWN_OPERATION = b"""\
<AccessDeniedException>
  <Message>Unable to determine service/operation name to be authorized</Message>
</AccessDeniedException>
"""
_ERROR_TYPES = {
    400: "BadRequest",
    403: FORBIDDEN,
    404: NOT_FOUND,
    408: "RequestTimeout",
    413: TOO_LARGE,
    421: "MisdirectedRequest",
    503: SERVICE_ERROR,
}


class _UnknownOperation(Exception):
    """Lambda has no operation with this method at the path."""


class LambdaApi:
    """Answers the requests of SDKs and curl to Lambda."""

    def __init__(
        self,
        functions: "ServedFunctions",
        origins: "tuple[str, ...]",
        run_in_background: "Callable[[Coroutine[Any, Any, None]], None]",
        report_refusal: "Callable[[int, str], None]",
    ) -> None:
        """`origins`: whose pages may call. `report_refusal` reports a refused request to the user (status, reason)."""
        self._names = FunctionNames(functions)
        self._run_in_background = run_in_background
        self._report_refusal = report_refusal
        self._cors = Cors(origins)

    def handle(self, request: "HttpRequest", connection: "AcceptedConnection") -> None:
        """Answer a request to a path of Lambda. Web pages may send one if CORS allows their origin."""
        response = self._cors.preflight(request)
        if response is not None:
            connection.respond(response)
            return

        def respond(response: HttpResponse) -> None:
            self._cors.add_headers(request, response)
            connection.respond(response)

        if self._cors.forbids(request):
            origin = (request.header("origin") or "another site")[:100]
            reason = f"web pages of {origin} may not invoke the function; allow them with --cors ORIGIN"
            self._report_refusal(403, reason)
            respond(refusal(403, FORBIDDEN, reason))
            return
        try:
            self._route(request, respond)
        except _UnknownOperation:
            headers = [("Content-Type", "application/xml"), (ERROR_TYPE_HEADER, FORBIDDEN)]
            respond(HttpResponse(403, _UNKNOWN_OPERATION, headers))
        except InvalidRequest as invalid:
            respond(refusal(invalid.status, invalid.error_type, str(invalid)))

    def _route(self, request: "HttpRequest", respond: "Respond") -> None:
        if found := _INVOKE.fullmatch(request.path):
            _check_method(request)
            function = self._names.resolve(found[1], request.query)
            self._invoke(InvokeRequest(request, function, INVOCATION_TYPES), respond)
        elif found := _STREAM.fullmatch(request.path):
            _check_method(request)
            function = self._names.resolve(found[1], request.query)
            self._stream(InvokeRequest(request, function, STREAM_INVOCATION_TYPES), respond)
        else:
            message = f"Nothing is at {request.path}; functions are invoked at /2015-03-31/functions/NAME/invocations"
            respond(refusal(404, NOT_FOUND, message))

    def _invoke(self, request: InvokeRequest, respond: "Respond") -> None:
        """Invoke."""
        pool = _pool(request)
        invocation = self._create_invocation(request, pool)
        headers = _common_headers(invocation)
        if request.options.invocation_type == "DryRun":
            respond(HttpResponse(204, b"", headers))
            return
        if request.options.invocation_type == "Event":
            respond(HttpResponse(202, b"", headers))
            invocation.when_outcome(_discard)
            pool.submit(invocation)
            return

        async def respond_collected(stream: StreamedResponse, content_type: str) -> None:
            collected = await collect(invocation, stream, content_type)
            respond(_to_response(invocation, collected, headers))

        def received(outcome: InvocationOutcome) -> None:
            if outcome.stream is None:
                respond(_to_response(invocation, outcome, headers))
            else:
                self._run_in_background(respond_collected(outcome.stream, outcome.content_type))

        invocation.when_outcome(received)
        pool.submit(invocation)

    def _stream(self, request: InvokeRequest, respond: "Respond") -> None:
        """InvokeWithResponseStream."""
        pool = _pool(request)
        invocation = self._create_invocation(request, pool)
        headers = _common_headers(invocation)
        if request.options.invocation_type == "DryRun":
            respond(HttpResponse(204, b"", headers))
            return

        def received(outcome: InvocationOutcome) -> None:
            if outcome.kind is OutcomeKind.STOPPED:
                respond(_refuse_stopped(outcome))
                return
            headers.append(("Content-Type", event_stream.CONTENT_TYPE))
            headers.append(("X-Amzn-Remapped-Content-Type", outcome.content_type))
            discard = outcome.stream.discard if outcome.stream is not None else lambda: None
            respond(HttpResponse(200, StreamedBody(_encode_events(invocation, outcome), discard), headers))

        invocation.when_outcome(received)
        pool.submit(invocation)

    def _create_invocation(self, request: InvokeRequest, pool: "Pool | BuiltPool") -> PendingInvocation:
        if pool.is_full:
            self._report_refusal(429, QUEUE_FULL)
            raise InvalidRequest(429, TOO_MANY, f"Rate Exceeded: {QUEUE_FULL}.")
        options = request.options
        return PendingInvocation(
            request.payload,
            request.function.arn,
            version=request.function.version,
            trace_id=options.trace_id,
            client_context=options.client_context,
            tenant_id=options.tenant_id,
            with_log_tail=options.wants_log_tail,
        )


def _pool(request: InvokeRequest) -> "Pool | BuiltPool":
    pool = request.function.pool
    assert pool is not None, "a function that does not exist is refused before"
    return pool


def _discard(outcome: InvocationOutcome) -> None:
    """Nobody waits for the outcome; a failure is in the log."""
    if outcome.stream is not None:
        outcome.stream.discard()


def _to_response(
    invocation: PendingInvocation, outcome: InvocationOutcome, headers: "list[tuple[str, str]]"
) -> HttpResponse:
    """The response of Invoke; `headers` are those that every response has."""
    if outcome.kind is OutcomeKind.STOPPED:
        return _refuse_stopped(outcome)
    headers.append(("Content-Type", outcome.content_type))
    if not outcome.is_response:
        headers.append(("X-Amz-Function-Error", "Unhandled"))
    if (log := invocation.log_result) is not None:
        headers.append(("X-Amz-Log-Result", log))
    return HttpResponse(200, outcome.payload, headers)


def _check_method(request: "HttpRequest") -> None:
    if request.method != "POST":
        raise _UnknownOperation


def _common_headers(invocation: PendingInvocation) -> "list[tuple[str, str]]":
    return [("X-Amzn-RequestId", invocation.request_id), ("X-Amz-Executed-Version", invocation.version)]


def _refuse_stopped(outcome: InvocationOutcome) -> HttpResponse:
    return refusal(503, SERVICE_ERROR, error_text(outcome.payload))


def is_lambda_path(path: str) -> bool:
    """Whether a path belongs to Lambda's API."""
    return path.startswith("/20") and _PATH.fullmatch(path) is not None


def refusal(status: int, error_type: str, message: str) -> HttpResponse:
    """A refusal in the form of Lambda's API."""
    body = json.dumps({"Type": "User" if status < 500 else "Service", "message": message}).encode()
    return HttpResponse(status, body, [("Content-Type", "application/json"), (ERROR_TYPE_HEADER, error_type)])


def refuse_unread(head: "RequestHead | None", status: int, reason: str) -> HttpResponse:
    """The response to a request that was not read completely."""
    message = reason
    if status == 413 and head is not None:
        message = too_large_message(body_limit(head.fields, is_lambda_path=True))
    return refusal(status, _ERROR_TYPES.get(status, _ERROR_TYPES[400]), message)


async def _encode_events(invocation: PendingInvocation, outcome: "InvocationOutcome") -> "AsyncIterator[bytes]":
    """An outcome as events of a stream; the last event has the error, if there is one."""
    code = details = None
    if outcome.stream is not None:
        try:
            async for piece in outcome.stream:
                yield event_stream.payload_chunk(piece)
        except StreamBroken as broken:
            code, details = broken.error_type, broken.details.decode("utf-8", "replace")
    elif outcome.is_response:
        yield event_stream.payload_chunk(outcome.payload)
    else:
        code, details = outcome.error_type, outcome.payload.decode("utf-8", "replace")
    yield event_stream.invoke_complete(code, details, invocation.log_result)
