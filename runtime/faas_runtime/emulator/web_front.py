"""The HTTP front: requests become events of API Gateway, and what the function answers becomes an HTTP answer."""

import json
import time

from . import documents, web
from .invocation import TIMED_OUT, Invocation, StreamBroken
from .messages import Answer, Pieces
from .prelude import CONTENT_TYPE as PRELUDE_TYPE
from .waiting import FULL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .command import Options
    from .invocation import Outcome
    from .messages import Request
    from .pool import Pool

PAYLOAD_LIMIT = 6 << 20  # bytes of the event
JSON = [("Content-Type", "application/json")]


class WebFront:
    """Answers browsers and other clients of a web function."""

    def __init__(
        self, options: "Options", pool: "Pool", say: "Callable[[str], None]", refused: "Callable[[int, str], None]"
    ) -> None:
        """`say` tells the person why a client got a 502, `refused` that a request was not taken (status, reason)."""
        self._options = options
        self._pool = pool
        self._say = say
        self._refused = refused
        self._cors = None if options.origins is None else web.Cors(options.origins)

    async def handle(self, request: "Request") -> Answer:
        """Answer a request."""
        if self._cors is None:
            return await self._handle(request)
        answer = self._cors.preflight(request)
        if answer is None:
            answer = await self._handle(request)
            self._cors.add(request, answer)
        return answer

    async def _handle(self, request: "Request") -> Answer:
        if self._pool.is_full:
            self._refused(503, FULL)
            return refusal(503)
        invocation = Invocation(b"", self._options.arn(), trace_id=request.header("x-amzn-trace-id") or "")
        event = web.event(request, request_id=invocation.request_id, now=time.time())
        if len(event) > PAYLOAD_LIMIT:
            return refusal(413)
        invocation.payload = event
        outcome = await self._pool.invoke(invocation)
        if outcome.kind == TIMED_OUT:
            return refusal(504)
        if not outcome.is_answer:
            return refusal(502)  # why has been told
        try:
            if outcome.stream is None and outcome.content_type != PRELUDE_TYPE:
                return web.answer(outcome.payload)
            return await _streamed(outcome)
        except web.BadAnswer as error:
            return self._failed(invocation, f"its answer cannot be sent over HTTP: {error}")
        except StreamBroken as broken:
            return self._failed(invocation, documents.told(broken.details))

    def _failed(self, invocation: Invocation, why: str) -> Answer:
        self._say(f"request {invocation.request_id} was answered with 502: {why}")
        return refusal(502)


def refusal(status: int, reason: str = "") -> Answer:
    """An error as API Gateway words it, unless there is a reason that only an emulator has."""
    messages = {
        404: "Not Found",
        408: "Request Timeout",
        413: "Request Too Long",
        421: "Misdirected Request",
        431: "Request Header Fields Too Large",
        502: "Internal Server Error",
        503: "Service Unavailable",
        504: "Service Unavailable",
    }
    message = json.dumps(reason or messages.get(status, "Bad Request"))
    return Answer(status, b'{"message":%b}' % message.encode(), list(JSON))


async def _streamed(outcome: "Outcome") -> Answer:
    """The answer of a function that streams: with what its prelude says, if it has one."""
    stream = outcome.stream
    if outcome.content_type != PRELUDE_TYPE:
        assert stream is not None
        return Answer(200, _pieces(outcome, b""), [("Content-Type", outcome.content_type)])
    prelude = web.Prelude()
    try:
        if stream is None:
            body = prelude.feed(outcome.payload)
            prelude.end()
            assert prelude.head is not None
            return Answer(prelude.head[0], body, prelude.head[1])
        body = b""
        async for piece in stream:
            body = prelude.feed(piece)
            if prelude.head is not None:
                return Answer(prelude.head[0], _pieces(outcome, body), prelude.head[1])
        prelude.end()
        raise AssertionError("a prelude without a head")
    except BaseException:
        if stream is not None:
            stream.drop()
        raise


def _pieces(outcome: "Outcome", first: bytes) -> Pieces:
    stream = outcome.stream
    assert stream is not None

    async def pieces() -> "AsyncIterator[bytes]":
        if first:
            yield first
        async for piece in stream:
            yield piece

    return Pieces(pieces(), stream.drop)
