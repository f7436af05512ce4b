"""Functions behind HTTP: requests become events of an HTTP API, and a function's response an HTTP response."""

import json
import time

from ..http_server.cors import Cors
from ..http_server.messages import HttpResponse, StreamedBody
from ..sandbox.error_documents import error_text
from ..sandbox.invocation import InvocationOutcome, OutcomeKind, PendingInvocation, StreamBroken
from ..sandbox.invocation_queue import QUEUE_FULL
from .build_failure import failed_build_text
from .collected_stream import collect
from .http_formats import HTTP_FORMATS
from .prelude import CONTENT_TYPE as PRELUDE_TYPE
from .prelude import PreludeParser
from .response_document import InvalidResponseDocument
from .size_limits import EVENT_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from typing import Any

    from ..http_server.listener import AcceptedConnection
    from ..http_server.messages import HttpRequest
    from .options import ServeOptions
    from .served_functions import ServedFunctions

JSON_HEADERS = [("Content-Type", "application/json")]
_MESSAGES = {
    404: "Not Found",
    408: "Request Timeout",
    413: "Request Too Long",
    421: "Misdirected Request",
    431: "Request Header Fields Too Large",
    502: "Internal Server Error",
    503: "Service Unavailable",
    504: "Service Unavailable",
}


class HttpApi:
    """Answers browsers and other HTTP clients of functions."""

    def __init__(
        self,
        options: "ServeOptions",
        functions: "ServedFunctions",
        run_in_background: "Callable[[Coroutine[Any, Any, None]], None]",
        print_message: "Callable[[str], None]",
        report_refusal: "Callable[[int, str], None]",
    ) -> None:
        """Both report to the user: `print_message` why a client got a 502, `report_refusal` a refused request."""
        self._functions = functions
        self._format = HTTP_FORMATS[options.http_format]
        self._stage = options.stage
        self._run_in_background = run_in_background
        self._print_message = print_message
        self._report_refusal = report_refusal
        self._cors = None if options.origins is None else Cors(options.origins)

    def handle(self, request: "HttpRequest", connection: "AcceptedConnection") -> None:
        """Answer a request."""
        cors = self._cors
        if cors is None:
            self._invoke(request, connection.respond)
            return
        response = cors.preflight(request)
        if response is not None:
            connection.respond(response)
            return

        def respond(response: HttpResponse) -> None:
            cors.add_headers(request, response)
            connection.respond(response)

        self._invoke(request, respond)

    def _invoke(self, request: "HttpRequest", respond: "Callable[[HttpResponse], None]") -> None:
        function = self._functions.by_host(request.header("host"))
        if function.pool.is_full:
            self._report_refusal(503, QUEUE_FULL)
            respond(refusal(503))
            return
        invocation = PendingInvocation(b"", function.options.arn(), trace_id=request.header("x-amzn-trace-id") or "")
        event = self._format.encode_event(request, request_id=invocation.request_id, now=time.time(), stage=self._stage)
        if len(event) > EVENT_LIMIT or len(request.body) > self._format.body_limit:
            respond(refusal(413))
            return
        invocation.payload = event

        def received(outcome: InvocationOutcome) -> None:
            if outcome.stream is None:
                respond(self._to_response(invocation, outcome))
            elif self._format.takes_streams:
                self._run_in_background(self._respond_streamed(invocation, outcome, respond))
            else:
                self._run_in_background(self._respond_collected(invocation, outcome, respond))

        invocation.when_outcome(received)
        function.pool.submit(invocation)

    def _to_response(self, invocation: PendingInvocation, outcome: InvocationOutcome) -> HttpResponse:
        """The HTTP response for an outcome that is complete."""
        if outcome.kind is OutcomeKind.TIMED_OUT:
            return refusal(504)
        if outcome.kind is OutcomeKind.STOPPED:
            return refusal(503)
        if text := failed_build_text(outcome):
            return HttpResponse(502, text.encode(), [("Content-Type", "text/plain; charset=utf-8")])
        if not outcome.is_response:
            return refusal(502)  # the reason is in the log already
        try:
            if outcome.content_type == PRELUDE_TYPE:
                if not self._format.takes_streams:
                    raise InvalidResponseDocument(
                        "it is a stream for a function URL or an API; a load balancer takes none"
                    )
                return _with_prelude(outcome.payload)
            limit = self._format.response_limit
            if limit is not None and len(outcome.payload) > limit:
                raise InvalidResponseDocument(f"it has {len(outcome.payload)} bytes, and may have {limit}")
            return self._format.to_response(outcome.payload)
        except InvalidResponseDocument as error:
            return self._fail(invocation, f"its response cannot be sent over HTTP: {error}")

    async def _respond_streamed(
        self, invocation: PendingInvocation, outcome: InvocationOutcome, respond: "Callable[[HttpResponse], None]"
    ) -> None:
        try:
            response = await _to_streamed_response(outcome)
        except InvalidResponseDocument as error:
            response = self._fail(invocation, f"its response cannot be sent over HTTP: {error}")
        except StreamBroken as broken:
            response = self._fail(invocation, error_text(broken.details))
        respond(response)

    async def _respond_collected(
        self, invocation: PendingInvocation, outcome: InvocationOutcome, respond: "Callable[[HttpResponse], None]"
    ) -> None:
        assert outcome.stream is not None
        collected = await collect(invocation, outcome.stream, outcome.content_type)
        if collected.is_response:
            respond(self._to_response(invocation, collected))
        else:
            respond(self._fail(invocation, error_text(collected.payload)))

    def _fail(self, invocation: PendingInvocation, reason: str) -> HttpResponse:
        self._print_message(f"request {invocation.request_id} was answered with 502: {reason}")
        return refusal(502)


def refusal(status: int, message: str = "") -> HttpResponse:
    """An error in the words of API Gateway, or with a message for an error that only the emulator has."""
    content = json.dumps(message or _MESSAGES.get(status, "Bad Request"))
    return HttpResponse(status, b'{"message":%b}' % content.encode(), list(JSON_HEADERS))


def _with_prelude(payload: bytes) -> HttpResponse:
    """The HTTP response for a complete response with a prelude, which gives status and headers."""
    prelude = PreludeParser()
    body = prelude.feed(payload)
    prelude.end()
    assert prelude.head is not None
    return HttpResponse(prelude.head[0], body, prelude.head[1])


async def _to_streamed_response(outcome: InvocationOutcome) -> HttpResponse:
    """The HTTP response for a streamed response; if it has a prelude, that gives status and headers."""
    stream = outcome.stream
    assert stream is not None
    if outcome.content_type != PRELUDE_TYPE:
        return HttpResponse(200, _body(outcome, b""), [("Content-Type", outcome.content_type)])
    prelude = PreludeParser()
    try:
        async for piece in stream:
            body = prelude.feed(piece)
            if prelude.head is not None:
                return HttpResponse(prelude.head[0], _body(outcome, body), prelude.head[1])
        prelude.end()
        raise AssertionError("a prelude without a head")
    except BaseException:
        stream.discard()
        raise


def _body(outcome: InvocationOutcome, first: bytes) -> StreamedBody:
    """The body of a streamed response, which begins with `first`."""
    stream = outcome.stream
    assert stream is not None

    async def pieces() -> "AsyncIterator[bytes]":
        if first:
            yield first
        async for piece in stream:
            yield piece

    return StreamedBody(pieces(), stream.discard)
