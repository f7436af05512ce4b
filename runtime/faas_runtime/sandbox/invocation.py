"""One invocation on the side of the platform: its event, and its outcome."""

import os
import time
from base64 import b64encode
from collections import deque
from enum import Enum

from ..event_loop.tasks import Future
from ..http_server.messages import BodyIncomplete
from .error_documents import error_document, invocation_error_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

RESPONSE_LIMIT = (6 << 20) + 100  # bytes; the platform's own limit
LOG_TAIL_LIMIT = 4096  # bytes; the most that X-Amz-Log-Result holds


class OutcomeKind(Enum):
    """How an invocation ended."""

    ANSWERED = "answered"
    ERROR = "error"
    """The function returned an error."""
    TIMED_OUT = "timed out"
    DIED = "died"
    """Its process ended during the invocation."""
    INIT_FAILED = "init failed"
    """It was never run: no process was initialised for it, or there is no library to load."""
    TOO_LARGE = "too large"
    """The function's response is over the limit of the platform."""
    STOPPED = "stopped"
    """It was never run, because the pool is being stopped."""


class InvocationOutcome:
    """The outcome of an invocation."""

    __slots__ = ("content_type", "error_type", "kind", "message", "payload", "stream")

    def __init__(
        self,
        kind: OutcomeKind,
        payload: bytes = b"",
        *,
        content_type: str = "application/json",
        error_type: str = "",
        message: str = "",
        stream: "StreamedResponse | None" = None,
    ) -> None:
        self.kind = kind
        self.payload = payload
        """The response; if the kind is not ANSWERED, a document {"errorType", "errorMessage", …} (JSON)."""
        self.content_type = content_type
        self.error_type = error_type
        """For example Function.SomethingWrong; empty if the function answered."""
        self.message = message
        """The platform's message about a failed init. Each invocation gets it with its own id, or else `payload`."""
        self.stream = stream
        """The response of a function that streams it; None if `payload` is the complete response."""

    @property
    def is_response(self) -> bool:
        """Whether the function answered; a streamed response may still break."""
        return self.kind is OutcomeKind.ANSWERED

    def addressed_to(self, invocation: "PendingInvocation") -> "InvocationOutcome":
        """The outcome for this invocation, if several get the same one: `message` becomes a document with its id."""
        if not self.message:
            return self
        document = invocation_error_document(self.error_type, self.message, invocation.request_id)
        return InvocationOutcome(self.kind, document, error_type=self.error_type)


def too_large_outcome(size: int = 0) -> InvocationOutcome:
    """The outcome of an invocation whose response is over the limit; `size` is in bytes, 0: it is unknown."""
    error_type = "Function.ResponseSizeTooLarge"
    size_text = f" ({size} bytes)" if size else ""
    message = f"Response payload size{size_text} exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."
    return InvocationOutcome(OutcomeKind.TOO_LARGE, error_document(error_type, message), error_type=error_type)


class StreamBroken(BodyIncomplete):
    """The function failed, or its process ended, before its streamed response was complete."""

    def __init__(self, error_type: str, details: bytes) -> None:
        """`details` is the error document, in JSON."""
        super().__init__(error_type)
        self.error_type = error_type
        self.details = details


class StreamedResponse:
    """A streamed response: an asynchronous iterator of pieces, which raises `StreamBroken` if it is incomplete.

    The function may be held up until all pieces are taken. A caller that does not need the rest calls `discard`.
    """

    def __init__(self, pause_reading: "Callable[[], None]", resume_reading: "Callable[[], None]") -> None:
        """The callables stop and restart the reading of the connection that feeds the stream."""
        self._pause_reading = pause_reading
        self._resume_reading = resume_reading
        self._pieces: deque[bytes] = deque()
        self._error: StreamBroken | None = None
        self._has_ended = False
        self._is_discarded = False
        self._waiter: Future | None = None

    def __aiter__(self) -> "StreamedResponse":
        return self

    async def __anext__(self) -> bytes:
        """The next piece: everything that has arrived since the last one."""
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._has_ended:
                raise StopAsyncIteration
            self._resume_reading()
            self._waiter = Future()
            await self._waiter
        if len(self._pieces) == 1:
            return self._pieces.popleft()
        pieces = b"".join(self._pieces)
        self._pieces.clear()
        return pieces

    def discard(self) -> None:
        """Let the function run to its end; the rest of the stream is thrown away."""
        self._is_discarded = True
        self._pieces.clear()
        self._resume_reading()

    def feed(self, piece: bytes) -> None:
        """Add a piece, and pause reading until it is taken."""
        if self._is_discarded or self._has_ended:
            return
        self._pieces.append(piece)
        self._pause_reading()
        self._wake()

    def end(self, error: "StreamBroken | None" = None) -> None:
        """End the stream. With an error, it is incomplete."""
        if not self._has_ended:
            self._has_ended = True
            self._error = error
            self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.set_result()


def new_request_id() -> str:
    """A random UUID (RFC 9562, version 4)."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


class PendingInvocation:
    """An event for the function, from its arrival to its outcome."""

    __slots__ = (
        "_when_finished",
        "_when_outcome",
        "arn",
        "client_context",
        "deadline",
        "generation",
        "is_answered",
        "is_finished",
        "log_tail",
        "outcome",
        "payload",
        "queued",
        "request_id",
        "started",
        "stream",
        "tenant_id",
        "trace_id",
        "version",
    )

    def __init__(
        self,
        payload: bytes,
        arn: str,
        *,
        request_id: str = "",
        version: str = "",
        trace_id: str = "",
        client_context: str = "",
        tenant_id: str = "",
        with_log_tail: bool = False,
    ) -> None:
        """An event, in JSON, for the function that was invoked as `arn`.

        The texts become headers: they hold no control characters, and nothing beyond Latin-1. `with_log_tail`: keep
        the end of the log.
        """
        self.payload = payload
        self.arn = arn
        self.request_id = request_id or new_request_id()
        self.version = version
        """The version of the function that was invoked; empty: the configured one."""
        self.trace_id = trace_id
        self.client_context = client_context
        self.tenant_id = tenant_id
        self.log_tail: bytearray | None = bytearray() if with_log_tail else None
        self.outcome: InvocationOutcome | None = None
        """Set when the response begins (streamed) or is complete (all others)."""
        self.is_finished = False
        """Whether everything is done and the REPORT line is written; for a stream, that is after the outcome."""
        self._when_outcome: Callable[[InvocationOutcome], None] | None = None
        self._when_finished: list[Future] = []
        self.stream: StreamedResponse | None = None
        self.queued = 0.0
        """When it began to wait for an environment, on the monotonic clock."""
        self.started = 0.0
        """When the runtime received it, on the monotonic clock; 0 before that."""
        self.deadline = 0.0
        """When its time is up, in seconds since the epoch; 0 before it is started."""
        self.is_answered = False
        """Whether the runtime has sent a response or an error, or has begun to stream a response."""
        self.generation = 0
        """The oldest generation of the library that may answer it."""

    def start(self, timeout_s: float) -> None:
        """Start its time."""
        self.started = time.monotonic()
        self.deadline = time.time() + timeout_s

    def append_log(self, data: bytes) -> None:
        """Keep the end of the log, if it is wanted."""
        if self.log_tail is not None:
            self.log_tail += data
            del self.log_tail[:-LOG_TAIL_LIMIT]

    @property
    def log_result(self) -> "str | None":
        """The end of the log in Base64; None if it was not requested."""
        return None if self.log_tail is None else b64encode(self.log_tail).decode()

    def when_outcome(self, action: "Callable[[InvocationOutcome], None]") -> None:
        """Call a function with the outcome as soon as there is one, at once if there is one already."""
        if self.outcome is None:
            self._when_outcome = action
        else:
            action(self.outcome)

    async def finished(self) -> None:
        """Wait until it is finished."""
        if not self.is_finished:
            await self.finish_future()

    def finish_future(self) -> Future:
        """A future that is done when the invocation is finished, which it must not be yet."""
        self._when_finished.append(Future())
        return self._when_finished[-1]

    def set_outcome(self, outcome: InvocationOutcome) -> None:
        """Set the outcome; only the first one counts."""
        if self.outcome is None:
            self.outcome = outcome
            action, self._when_outcome = self._when_outcome, None
            if action is not None:
                action(outcome)

    def set_finished(self) -> None:
        """Set `is_finished`."""
        self.is_finished = True
        for future in self._when_finished:
            future.set_result()
