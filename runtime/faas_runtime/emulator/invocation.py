"""One invocation on its way: the event with what comes with it, and what becomes of it."""

import asyncio
import time
from base64 import b64encode
from collections import deque
from uuid import uuid4

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

TAIL_LIMIT = 4096  # bytes of the log that X-Amz-Log-Result holds at most

ANSWERED = "answered"
ERROR = "error"
"""The function says that it failed."""
TIMED_OUT = "timed out"
DIED = "died"
"""Its process ended in the middle."""
INIT_FAILED = "init failed"
"""It was never run: no process came up for it, or there is no library to load."""
TOO_LARGE = "too large"
"""The function's answer is over the limit of the platform."""


class Outcome:
    """What became of an invocation."""

    __slots__ = ("content_type", "error_type", "kind", "payload", "stream")

    def __init__(
        self,
        kind: str,
        payload: bytes = b"",
        *,
        content_type: str = "application/json",
        error_type: str = "",
        stream: "Stream | None" = None,
    ) -> None:
        self.kind = kind
        """One of the constants of this module."""
        self.payload = payload
        """The answer; for what is not ANSWERED, a document {"errorType", "errorMessage", …} (JSON)."""
        self.content_type = content_type
        self.error_type = error_type
        """Such as Function.SomethingWrong; nothing if the function answered."""
        self.stream = stream
        """The answer of a function that streams it; None if `payload` is all of it."""

    @property
    def is_answer(self) -> bool:
        """Whether the function answered (the stream may still break)."""
        return self.kind == ANSWERED


class StreamBroken(Exception):
    """The function failed, ended or was ended in the middle of its streamed answer."""

    def __init__(self, error_type: str, details: bytes) -> None:
        """`details` is the error's document, JSON."""
        super().__init__(error_type)
        self.error_type = error_type
        self.details = details


class Stream:
    """A streamed answer: an asynchronous iterator of pieces, which raises `StreamBroken` if it does not end well.

    The function may not go on before the last piece is taken: whoever has no use for the rest calls `drop`.
    """

    def __init__(self, pause: "Callable[[], None]", resume: "Callable[[], None]") -> None:
        """`pause` and `resume` hold and release the one who feeds the stream."""
        self._pause = pause
        self._resume = resume
        self._pieces: deque[bytes] = deque()
        self._error: StreamBroken | None = None
        self._is_over = False
        self._is_dropped = False
        self._waiter: asyncio.Future[None] | None = None

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> bytes:
        """The next piece: what has come since the last one."""
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._is_over:
                raise StopAsyncIteration
            self._resume()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if len(self._pieces) == 1:
            return self._pieces.popleft()
        pieces = b"".join(self._pieces)
        self._pieces.clear()
        return pieces

    def drop(self) -> None:
        """Let the function go on to its end: nobody takes the rest."""
        self._is_dropped = True
        self._pieces.clear()
        self._resume()

    def feed(self, piece: bytes) -> None:
        """Add a piece, and hold the one who feeds until it is taken."""
        if self._is_dropped or self._is_over:
            return
        self._pieces.append(piece)
        self._pause()
        self._wake()

    def end(self, error: "StreamBroken | None" = None) -> None:
        """There is no more; with an error, it is not whole."""
        if not self._is_over:
            self._is_over = True
            self._error = error
            self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Invocation:
    """An event for the function."""

    __slots__ = (
        "arn",
        "client_context",
        "deadline",
        "finished",
        "generation",
        "outcome",
        "payload",
        "request_id",
        "started",
        "stream",
        "tail",
        "tenant_id",
        "trace_id",
    )

    def __init__(
        self,
        payload: bytes,
        arn: str,
        *,
        request_id: str = "",
        trace_id: str = "",
        client_context: str = "",
        tenant_id: str = "",
        with_tail: bool = False,
    ) -> None:
        """An event, as JSON, for the function that was invoked as `arn`; to be made while an event loop runs.

        The texts become headers: they hold no control characters, and nothing beyond Latin-1. `with_tail`: keep the
        end of what is logged.
        """
        self.payload = payload
        self.arn = arn
        self.request_id = request_id or str(uuid4())
        self.trace_id = trace_id
        self.client_context = client_context
        self.tenant_id = tenant_id
        self.tail: bytearray | None = bytearray() if with_tail else None
        loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[Outcome] = loop.create_future()
        """Set when the answer begins (streamed) or is there (all else)."""
        self.finished: asyncio.Future[None] = loop.create_future()
        """Set when all is over, with the REPORT line written; with a stream that is later than the outcome."""
        self.stream: Stream | None = None
        self.started = 0.0
        """When the runtime got it, on the monotonic clock; 0 before."""
        self.deadline = 0.0
        """When its time is up, in seconds since the epoch; 0 before it is started."""
        self.generation = 0
        """The oldest generation of the library that may answer it."""

    def start(self, timeout_s: float) -> None:
        """Let the time run."""
        self.started = time.monotonic()
        self.deadline = time.time() + timeout_s

    def log(self, data: bytes) -> None:
        """Keep the end of what is logged, if it is wanted."""
        if self.tail is not None:
            self.tail += data
            del self.tail[:-TAIL_LIMIT]

    @property
    def log_result(self) -> "str | None":
        """The end of the log in Base64; None if it was not asked for."""
        return None if self.tail is None else b64encode(self.tail).decode()

    def settle(self, outcome: Outcome) -> None:
        """Tell who waits what became of it; the first outcome counts."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def finish(self) -> None:
        """Tell that all is over."""
        if not self.finished.done():
            self.finished.set_result(None)
