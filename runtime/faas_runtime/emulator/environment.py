"""An execution environment: one runtime process, its Runtime API, and the invocations that it has in hand."""

import asyncio
import time

from . import documents
from .child import Child, command
from .invocation import ANSWERED, DIED, ERROR, INIT_FAILED, TIMED_OUT, TOO_LARGE, Outcome, StreamBroken
from .runtime_api import ANSWER_LIMIT, Poller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from .invocation import Invocation, Stream
    from .lines import Lines

    class Owner(Protocol):
        """Who started the environment."""

        def polled(self, poller: Poller) -> None:
            """A poller waits: it is handed an invocation, or kept."""

        def poller_lost(self, poller: Poller) -> None:
            """One that was kept does not wait any more."""

        def emptied(self, environment: "Environment") -> None:
            """It has nothing in hand any more."""

        def ended(self, environment: "Environment") -> None:
            """The process has ended; if it has not come up, `environment.failure` tells why."""


STARTING, READY, ENDING, ENDED = "starting", "ready", "ending", "ended"
END_S = 2.0  # from SIGTERM to SIGKILL, as on Lambda


class Environment:
    """One process of the runtime, from its start to its end."""

    def __init__(self, owner: "Owner", generation: int, lines: "Lines", *, timeout_s: float, places: int) -> None:
        """`places`: how many invocations its runtime takes at once."""
        self.generation = generation
        self.places = places
        self.state = STARTING
        self.failure: Outcome | None = None
        """Why it has not come up."""
        self.has_told = False
        """Whether its runtime has written why to its log."""
        self.ready_at = 0.0
        """When it came up, on the monotonic clock; 0: it has not yet."""
        self.freed_at = 0.0
        """When there was last a place for one more invocation: it came up, or an invocation was over."""
        self.served = 0
        """How many invocations it was handed."""
        self._owner = owner
        self._lines = lines
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._child = Child(self._output, self._ended)
        self._listener: asyncio.AbstractServer | None = None
        self._running: dict[str, tuple[Invocation, asyncio.TimerHandle]] = {}
        self._init_ms: float | None = None
        self._started_at = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None

    async def start(self, handler: str, variables: "Mapping[str, str]") -> None:
        """Start the process; what goes wrong is told to the owner, like its end."""
        self._timer = self._loop.call_later(self._timeout_s, self._late)
        try:
            self._listener = await self._loop.create_server(lambda: Poller(self), "127.0.0.1", 0)
            host, port = self._listener.sockets[0].getsockname()
            self._started_at = time.monotonic()
            await self._child.start(command(handler), {**variables, "AWS_LAMBDA_RUNTIME_API": f"{host}:{port}"})
        except (OSError, ValueError) as error:  # ValueError: a NUL in a variable
            message = f"the runtime's process cannot be started: {error}"
            self._fail_init("Runtime.ProcessNotStarted", documents.error_document("Runtime.ProcessNotStarted", message))
            self._ended()
            return
        if self.state is ENDING:  # meanwhile
            self.kill()

    @property
    def is_alive(self) -> bool:
        """Whether it serves, or will."""
        return self.state in (STARTING, READY)

    @property
    def invocations(self) -> "list[Invocation]":
        """What it has in hand."""
        return [invocation for invocation, _ in self._running.values()]

    def hand(self, poller: Poller, invocation: "Invocation") -> None:
        """Let the runtime have an invocation."""
        self.served += 1
        self._lines.start(invocation)
        invocation.start(self._timeout_s)
        timer = self._loop.call_later(self._timeout_s, self._time_out, invocation)
        self._running[invocation.request_id] = (invocation, timer)
        poller.hand(invocation)

    def retire(self) -> None:
        """End it if it has nothing in hand, or else when it is emptied: again. The owner hands it nothing any more."""
        if self.state is ENDED or self._running:
            return
        if self.state is not ENDING:
            self.state = ENDING
            self._set_timer(END_S, self.kill)
            self._child.terminate()

    def kill(self) -> None:
        """End it now."""
        if self.state is not ENDED:
            self.state = ENDING
            self._child.kill()

    # What its runtime asks and tells

    def polled(self, poller: Poller) -> None:
        """The first time, it has come up."""
        if self.state is STARTING:
            self.state = READY
            self.ready_at = self.freed_at = time.monotonic()
            self._init_ms = (self.ready_at - self._started_at) * 1000
            self._set_timer(None)
            self._child.peak_mb()  # should its first invocation be the end of it
        if self.places == 1 and self._running:
            self._loop.call_soon(self._polled_again, poller)
        else:
            self._owner.polled(poller)

    def poller_lost(self, poller: Poller) -> None:
        """A poller has gone."""
        self._owner.poller_lost(poller)

    def running(self, request_id: str) -> "Invocation | None":
        """An invocation that is in hand."""
        found = self._running.get(request_id)
        return found[0] if found else None

    def answered(self, invocation: "Invocation", payload: bytes, content_type: str) -> None:
        """The function's answer, whole."""
        self._settle(invocation, Outcome(ANSWERED, payload, content_type=content_type))

    def failed(self, invocation: "Invocation", error_type: str, document: bytes) -> None:
        """The function's error."""
        self._settle(invocation, Outcome(ERROR, document, error_type=error_type))

    def too_large(self, invocation: "Invocation", size: int) -> None:
        """An answer that nobody gets."""
        kind = "Function.ResponseSizeTooLarge"
        how_large = f" ({size} bytes)" if size else ""
        text = f"Response payload size{how_large} exceeded maximum allowed payload size ({ANSWER_LIMIT} bytes)."
        self._settle(invocation, Outcome(TOO_LARGE, documents.error_document(kind, text), error_type=kind))

    def stream_begun(self, invocation: "Invocation", stream: "Stream", content_type: str) -> None:
        """The beginning of a streamed answer: its caller can take it from now on."""
        invocation.stream = stream
        invocation.settle(Outcome(ANSWERED, content_type=content_type, stream=stream))

    def stream_ended(self, invocation: "Invocation", error: "StreamBroken | None") -> None:
        """The end of it."""
        if self.running(invocation.request_id) is invocation:
            self._soon(invocation, None, error)

    def init_failed(self, error_type: str, document: bytes) -> None:
        """The function said so; its process writes the same to its log, and ends by itself."""
        self.has_told = True
        self._fail_init(error_type, document)

    # The end of an invocation

    def _settle(self, invocation: "Invocation", outcome: Outcome) -> None:
        self._soon(invocation, outcome, None)

    def _soon(self, invocation: "Invocation", outcome: "Outcome | None", error: "StreamBroken | None") -> None:
        """Close it after what it wrote to its log, which is in the pipes by now.

        The event loop sees that in this step or has seen it before, and hands it on in the next one: after that.
        """
        self._loop.call_soon(self._loop.call_soon, self._close, invocation, outcome, error)

    def _close(self, invocation: "Invocation", outcome: "Outcome | None", error: "StreamBroken | None") -> None:
        """The invocation is over: write its last lines, then tell who waits."""
        found = self._running.pop(invocation.request_id, None)
        if found is None:
            return
        found[1].cancel()
        self.freed_at = time.monotonic()
        duration_ms = min(self.freed_at - invocation.started, self._timeout_s) * 1000
        init_ms, self._init_ms = self._init_ms, None
        self._lines.end(invocation, duration_ms, init_ms, self._child.peak_mb())
        if invocation.stream is not None:
            if outcome is not None:
                error = StreamBroken(outcome.error_type, outcome.payload)
            invocation.stream.end(error)
        elif outcome is not None:
            invocation.settle(outcome)
        invocation.finish()
        if not self._running:
            self._owner.emptied(self)

    def _polled_again(self, poller: Poller) -> None:
        """The runtime asks for more: its last answer is closed by now, unless there was none."""
        for invocation in self.invocations:
            kind = "Runtime.InvalidResponse"
            text = "the runtime asked for the next invocation without an answer to this one"
            document = documents.platform_error(kind, text, invocation)
            self._close(invocation, Outcome(ERROR, document, error_type=kind), None)
        if poller.is_waiting:
            self._owner.polled(poller)

    def _time_out(self, invocation: "Invocation") -> None:
        kind = "Sandbox.Timedout"
        text = documents.timed_out(self._timeout_s)
        invocation.log(f"{invocation.request_id} {text}\n".encode())
        self._lines.say(f"request {invocation.request_id}: {text}; its process is ended")
        self._child.peak_mb()  # as long as there is somebody to ask
        self.kill()
        document = documents.platform_error(kind, text, invocation)
        self._close(invocation, Outcome(TIMED_OUT, document, error_type=kind), None)

    # The end of the process

    def _late(self) -> None:
        """It has not come up in time."""
        text = f"its init was not over after {self._timeout_s:.2f} seconds"
        self._fail_init("Sandbox.Timedout", documents.error_document("Sandbox.Timedout", text))
        self.kill()

    def _fail_init(self, error_type: str, document: bytes) -> None:
        if self.failure is None and not self.ready_at:
            self.failure = Outcome(INIT_FAILED, document, error_type=error_type)

    def _output(self, descriptor: int, data: bytes) -> None:
        for invocation, _ in self._running.values():
            invocation.log(data)
        self._lines.output(descriptor, data)

    def _ended(self) -> None:
        """The process is gone, and its pipes are read."""
        if self.state is ENDED:
            return
        was_ending, self.state = self.state is ENDING, ENDED
        self._set_timer(None)
        if self._listener is not None:
            self._listener.close()
        text = documents.exited(self._child.how_it_ended)
        if not self.ready_at and not was_ending:
            self._fail_init("Runtime.ExitError", documents.error_document("Runtime.ExitError", f"Error: {text}"))
        elif not self._running and not was_ending:
            self._lines.say(f"the function's process {self._child.pid} ended between invocations: {text}")
        for invocation in self.invocations:
            document = documents.platform_error("Runtime.ExitError", text, invocation)
            if not was_ending:
                self._lines.say(f"request {invocation.request_id}: {text}")
            self._close(invocation, Outcome(DIED, document, error_type="Runtime.ExitError"), None)
        self._owner.ended(self)

    def _set_timer(self, seconds: "float | None", then: "object" = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self._loop.call_later(seconds, then)  # type: ignore[arg-type]
