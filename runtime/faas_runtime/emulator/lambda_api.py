"""Lambda's Invoke API, as AWS's emulator offers it, and the rest of its contract.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html
"""

import json
import re
from base64 import b64decode
from urllib.parse import parse_qs, unquote

from . import documents, event_stream
from .cors import Cors
from .invocation import DIED, INIT_FAILED, TIMED_OUT, Invocation, StreamBroken
from .messages import Answer, Pieces
from .waiting import FULL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from typing import Any

    from .command import Options
    from .heads import Head
    from .invocation import Outcome
    from .messages import Request
    from .pool import Pool

PAYLOAD_LIMIT = 6 << 20  # bytes
EVENT_LIMIT = 1 << 20  # bytes, of an asynchronous invocation
CLASSIC_NAME = "function"  # in the path that everybody knows; it stands for the configured name
_PATH = re.compile(r"/20[0-9]{2}-[01][0-9]-[0-3][0-9](/.*)?")
_INVOKE = re.compile(r"/2015-03-31/functions/([^/]+)/invocations/?")
_STREAM = re.compile(r"/2021-11-15/functions/([^/]+)/response-streaming-invocations/?")
_ARN = re.compile(r"(?:arn:[^:]+:lambda:[^:]+:)?(?:[0-9]{12}:function:|function:)([^:]+)(?::([^:]+))?")
_NOT_IN_HEADERS = re.compile(r"[^\x20-\x7e]")

INVALID_CONTENT = "InvalidRequestContentException"
INVALID_PARAMETER = "InvalidParameterValueException"
TOO_LARGE = "RequestEntityTooLargeException"
NOT_FOUND = "ResourceNotFoundException"
TOO_MANY = "TooManyRequestsException"
FORBIDDEN = "AccessDeniedException"
_NAMES = {
    400: "BadRequest",
    403: FORBIDDEN,
    404: NOT_FOUND,
    408: "RequestTimeout",
    413: TOO_LARGE,
    421: "MisdirectedRequest",
}


class _Wrong(Exception):
    """A request that Lambda refuses."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.answer = refusal(status, kind, message)


class LambdaApi:
    """Answers what SDKs and curl ask of Lambda."""

    def __init__(
        self,
        options: "Options",
        pool: "Pool",
        run: "Callable[[Coroutine[Any, Any, None]], None]",
        refused: "Callable[[int, str], None]",
    ) -> None:
        """`run` lets a coroutine run in the background, `refused` tells the person (status, reason)."""
        self._options = options
        self._pool = pool
        self._run = run
        self._refused = refused
        self._cors = Cors(options.origins or ())  # what --cors none leaves to the function is only what it gets to see

    async def handle(self, request: "Request") -> Answer:
        """Answer a request below Lambda's paths; of web pages, those that may call can do so."""
        answer = self._cors.preflight(request)
        if answer is not None:
            return answer
        if self._cors.forbids(request):
            origin = (request.header("origin") or "another site")[:100]
            reason = f"web pages of {origin} may not invoke the function; allow them with --cors ORIGIN"
            self._refused(403, reason)
            return refusal(403, FORBIDDEN, reason)
        answer = await self._handle(request)
        self._cors.add(request, answer)
        return answer

    async def _handle(self, request: "Request") -> Answer:
        try:
            if found := _INVOKE.fullmatch(request.path):
                return await self._invoke(request, found[1])
            if found := _STREAM.fullmatch(request.path):
                return await self._invoke_streaming(request, found[1])
        except _Wrong as wrong:
            return wrong.answer
        return refusal(
            404,
            NOT_FOUND,
            f"Nothing is at {request.path}; functions are invoked at /2015-03-31/functions/NAME/invocations",
        )

    async def _invoke(self, request: "Request", name: str) -> Answer:
        kind = request.header("x-amz-invocation-type") or "RequestResponse"
        if kind not in ("RequestResponse", "Event", "DryRun"):
            raise _Wrong(400, INVALID_PARAMETER, f"The invocation type {kind} is not RequestResponse, Event or DryRun.")
        invocation = self._invocation(request, name)
        headers = [("X-Amzn-RequestId", invocation.request_id), ("X-Amz-Executed-Version", self._options.version)]
        if kind == "DryRun":
            return Answer(204, b"", headers)
        if kind == "Event":
            self._run(self._invoke_alone(invocation))
            return Answer(202, b"", headers)
        return self._answer(invocation, await self._pool.invoke(invocation), headers)

    async def _invoke_alone(self, invocation: Invocation) -> None:
        """An asynchronous invocation: nobody waits for what becomes of it; a failure is in the log."""
        outcome = await self._pool.invoke(invocation)
        if outcome.stream is not None:
            outcome.stream.drop()

    def _answer(self, invocation: Invocation, outcome: "Outcome", headers: "list[tuple[str, str]]") -> Answer:
        if outcome.kind == TIMED_OUT:  # the very words of AWS's emulator, in place of a document
            headers.append(("Content-Type", "text/plain; charset=utf-8"))
            body: bytes | Pieces = documents.timed_out(self._options.timeout_s).encode()
        else:
            headers.append(("Content-Type", outcome.content_type))
            body = outcome.payload if outcome.stream is None else Pieces(outcome.stream, outcome.stream.drop)
        if not outcome.is_answer:
            headers.append(("X-Amz-Function-Error", "Unhandled"))
        if outcome.stream is None and (log := invocation.log_result) is not None:
            headers.append(("X-Amz-Log-Result", log))
        return Answer(502 if outcome.kind in (DIED, INIT_FAILED) else 200, body, headers)

    async def _invoke_streaming(self, request: "Request", name: str) -> Answer:
        kind = request.header("x-amz-invocation-type") or "RequestResponse"
        if kind not in ("RequestResponse", "DryRun"):
            raise _Wrong(400, INVALID_PARAMETER, f"The invocation type {kind} is not RequestResponse or DryRun.")
        invocation = self._invocation(request, name)
        headers = [("X-Amzn-RequestId", invocation.request_id), ("X-Amz-Executed-Version", self._options.version)]
        if kind == "DryRun":
            return Answer(204, b"", headers)
        outcome = await self._pool.invoke(invocation)
        if outcome.kind == INIT_FAILED:
            return self._answer(invocation, outcome, headers)
        headers.append(("Content-Type", event_stream.CONTENT_TYPE))
        headers.append(("X-Amzn-Remapped-Content-Type", outcome.content_type))
        drop = outcome.stream.drop if outcome.stream is not None else lambda: None
        return Answer(200, Pieces(_events(invocation, outcome), drop), headers)

    def _invocation(self, request: "Request", name: str) -> Invocation:
        if self._pool.is_full:
            self._refused(429, FULL)
            raise _Wrong(429, TOO_MANY, f"Rate Exceeded: {FULL}.")
        payload = request.body or b"{}"
        if len(payload) > _limit(request.header("x-amz-invocation-type")):
            raise _Wrong(413, TOO_LARGE, _too_large(_limit(request.header("x-amz-invocation-type"))))
        _check_json(payload)
        return Invocation(
            payload,
            self._arn(unquote(name), parse_qs(request.query).get("Qualifier", [""])[0]),
            trace_id=request.header("x-amzn-trace-id") or "",
            client_context=_client_context(request.header("x-amz-client-context")),
            tenant_id=request.header("x-amz-tenant-id") or "",
            with_tail=(request.header("x-amz-log-type") or "").lower() == "tail",
        )

    def _arn(self, name: str, qualifier: str) -> str:
        """The ARN that was invoked; any name is one of this function."""
        found = _ARN.fullmatch(name)
        if found:
            name, qualifier = found[1], qualifier or found[2] or ""
        elif not qualifier:
            name, _, qualifier = name.partition(":")
        if _NOT_IN_HEADERS.search(name + qualifier) or not name or len(name + qualifier) > 300:
            raise _Wrong(400, INVALID_PARAMETER, "The function's name has to be printable ASCII.")
        return self._options.arn("" if name == CLASSIC_NAME else name, qualifier)


def is_lambda_path(path: str) -> bool:
    """Whether a path belongs to Lambda's API."""
    return _PATH.fullmatch(path) is not None


def limit(head: "Head") -> int:
    """How large the body of a request below Lambda's paths may be."""
    return _limit(next((value for name, value in head.fields if name.lower() == "x-amz-invocation-type"), None))


def refusal(status: int, kind: str, message: str) -> Answer:
    """A refusal as Lambda's API words it."""
    body = json.dumps({"Type": "User" if status < 500 else "Service", "message": message}).encode()
    return Answer(status, body, [("Content-Type", "application/json"), ("x-amzn-ErrorType", kind)])


def refuse(head: "Head | None", status: int, reason: str) -> Answer:
    """The answer to a request that is not even read."""
    message = _too_large(limit(head)) if status == 413 and head is not None else reason
    return refusal(status, _NAMES.get(status, _NAMES[400]), message)


async def _events(invocation: Invocation, outcome: "Outcome") -> "AsyncIterator[bytes]":
    """An outcome as events; errors come in the last one."""
    code = details = None
    if outcome.stream is not None:
        try:
            async for piece in outcome.stream:
                yield event_stream.payload_chunk(piece)
        except StreamBroken as broken:
            code, details = broken.error_type, broken.details.decode("utf-8", "replace")
    elif outcome.is_answer:
        yield event_stream.payload_chunk(outcome.payload)
    else:
        code, details = outcome.error_type, outcome.payload.decode("utf-8", "replace")
    yield event_stream.invoke_complete(code, details, invocation.log_result)


def _limit(kind: "str | None") -> int:
    return EVENT_LIMIT if kind == "Event" else PAYLOAD_LIMIT


def _too_large(allowed: int) -> str:
    return f"Request must be smaller than {allowed} bytes for the InvokeFunction operation"


def _reject(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON value")


# Numbers of any length are JSON, and nobody needs them here.
_decoder = json.JSONDecoder(parse_constant=_reject, parse_int=len)


def _check_json(payload: bytes) -> None:
    try:
        _decoder.decode(payload.decode())
    except (ValueError, RecursionError) as error:
        raise _Wrong(400, INVALID_CONTENT, f"Could not parse request body into json: {error}") from error


def _client_context(value: "str | None") -> str:
    """The client context as text that fits into a header: JSON with what is not ASCII escaped."""
    if not value:
        return ""
    try:
        text = b64decode(value, validate=True).decode()
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _Wrong(
            400, INVALID_CONTENT, f"Client context must be a valid Base64-encoded JSON object: {error}"
        ) from error
    return json.dumps(found) if _NOT_IN_HEADERS.search(text) else text
