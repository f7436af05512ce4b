"""An execution environment: one process, its Runtime API, and the invocations that it runs."""

import socket
import time
from enum import Enum

from ..event_loop.listening import ListeningSocket, bind
from ..event_loop.loop import running_loop
from ..event_loop.transport import SocketTransport
from ..http_server.timeout import Timeout
from . import error_documents
from .error_documents import error_document, invocation_error_document
from .extensions import registration
from .invocation import InvocationOutcome, OutcomeKind, StreamBroken, too_large_outcome
from .process import RuntimeProcess
from .runtime_api import RuntimeConnection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from ..event_loop.loop import Timer
    from .invocation import PendingInvocation, StreamedResponse
    from .invocation_log import InvocationLog
    from .options import LaunchCommand

    class EnvironmentOwner(Protocol):
        """What has started the environment."""

        def next_requested(self, connection: RuntimeConnection) -> None:
            """A connection waits for an invocation: run one in it, or keep it."""

        def next_cancelled(self, connection: RuntimeConnection) -> None:
            """A connection that was kept does not wait any more."""

        def environment_idle(self, environment: "ExecutionEnvironment") -> None:
            """The environment runs nothing any more."""

        def environment_ended(self, environment: "ExecutionEnvironment") -> None:
            """The process has ended; if it was never ready, `environment.failure` has the reason."""


class EnvironmentState(Enum):
    """The life of an execution environment."""

    STARTING = "starting"
    READY = "ready"
    ENDING = "ending"
    ENDED = "ended"


# Bound once: before Python 3.12, looking a member up in its class is slow.
STARTING, READY, ENDING, ENDED = EnvironmentState
BACKLOG = 128  # connections of a runtime with many pollers, until they are accepted
OUTPUT_S = 0.002  # for threads to read the last output of an invocation (Windows)
KILL_DELAY_S = 2.0  # from SIGTERM to SIGKILL, as on Lambda


class ExecutionEnvironment:
    """One process of the runtime, from its start to its end."""

    def __init__(
        self, owner: "EnvironmentOwner", generation: int, log: "InvocationLog", *, timeout_s: float, capacity: int
    ) -> None:
        """`capacity`: how many invocations the process takes at once; `timeout_s`: for an init and an invocation."""
        self.generation = generation
        self.capacity = capacity
        self.state = STARTING
        self.failure: InvocationOutcome | None = None
        """Why its init has failed."""
        self.has_logged_failure = False
        """Whether the process has written the reason to its log."""
        self.ready_at = 0.0
        """When it became ready, on the monotonic clock; 0 before that."""
        self.last_freed_at = 0.0
        """When it last became able to take one more invocation: it became ready, or an invocation ended."""
        self.invocation_count = 0
        """How many invocations it has run."""
        self._owner = owner
        self._log = log
        self._timeout_s = timeout_s
        self._loop = running_loop()
        self._process = RuntimeProcess(self._process_output, self._process_ended)
        self._address = ""
        self._listener: ListeningSocket | None = None
        self._running: dict[str, PendingInvocation] = {}
        """By their ids, in the order in which they were started."""
        self._deadline = Timeout(self._loop, self._check_deadlines)
        self.registration = b""
        """What an extension learns of the function."""
        self._init_ms: float | None = None
        self._started_at = time.monotonic()
        self._timer: Timer | None = None

    async def start(self, command: "LaunchCommand") -> None:
        """Start the process. If this raises anything, call `abandon`."""
        self._timer = self._loop.call_later(self._timeout_s, self._init_timed_out)
        bound = bind(socket.AF_INET, ("127.0.0.1", 0))
        host, port = bound.getsockname()
        self._address = f"{host}:{port}"
        self.registration = registration(command.variables)
        self._listener = ListeningSocket(bound, BACKLOG, self._accept)
        self._started_at = time.monotonic()
        await self._process.start(command, self._address)
        if self.state is ENDING:  # it was ended while the process was being started
            self.kill()

    def _accept(self, connected: socket.socket, peer: str) -> None:
        connection = RuntimeConnection(self, self._address)
        connection.connection_made(SocketTransport(connected, connection, peer))

    def abandon(self, error: Exception) -> None:
        """End an environment that could not be started. `environment_ended` is called, as at any other end."""
        error_type = "Runtime.ProcessNotStarted"
        document = error_document(error_type, f"the runtime's process cannot be started: {error}")
        self._set_init_failure(error_type, document)
        self._process.kill()
        self._process_ended()

    @property
    def is_active(self) -> bool:
        """Whether it takes invocations, or will."""
        return self.state is STARTING or self.state is READY

    @property
    def invocations(self) -> "list[PendingInvocation]":
        """The running invocations."""
        return list(self._running.values())

    def run(self, connection: RuntimeConnection, invocation: "PendingInvocation") -> None:
        """Run an invocation: send it over a waiting connection of the process."""
        self.invocation_count += 1
        invocation.start(self._timeout_s)
        if not self._running:
            self._deadline.restart(self._timeout_s)
        self._running[invocation.request_id] = invocation
        connection.send_invocation(invocation)
        self._log.invocation_started(invocation)

    def end_if_idle(self) -> None:
        """Ask the process to end, unless an invocation is running; then call this again in `environment_idle`.

        The owner runs nothing more in it.
        """
        if self.state is ENDED or self._running:
            return
        if self.state is not ENDING:
            self.state = ENDING
            self._set_timer(KILL_DELAY_S, self.kill)
            self._process.terminate()

    def kill(self) -> None:
        """End the process now."""
        if self.state is not ENDED:
            self.state = ENDING
            self._process.kill()

    # Requests of the runtime: RuntimeApiHandler

    def next_requested(self, connection: RuntimeConnection) -> None:
        """A connection waits for an invocation. The first such request ends the init."""
        if self.state is STARTING:
            self.state = READY
            self.ready_at = self.last_freed_at = time.monotonic()
            self._init_ms = (self.ready_at - self._started_at) * 1000
            self._set_timer(None)
            self._process.peak_mb()  # in case the process dies in its first invocation
        if self.capacity == 1 and self._running:
            self._loop.call_later(OUTPUT_S, self._next_requested_early, connection)
        else:
            self._owner.next_requested(connection)

    def next_cancelled(self, connection: RuntimeConnection) -> None:
        """A waiting connection is closed."""
        self._owner.next_cancelled(connection)

    def find_invocation(self, request_id: str) -> "PendingInvocation | None":
        """The running invocation with this id."""
        return self._running.get(request_id)

    def response_received(self, invocation: "PendingInvocation", payload: bytes, content_type: str) -> None:
        """The function answered with a complete response."""
        outcome = InvocationOutcome(OutcomeKind.ANSWERED, payload, content_type=content_type)
        self._end_after_output(invocation, outcome, None)

    def error_received(self, invocation: "PendingInvocation", error_type: str, document: bytes) -> None:
        """The function failed."""
        self._end_after_output(invocation, InvocationOutcome(OutcomeKind.ERROR, document, error_type=error_type), None)

    def response_too_large(self, invocation: "PendingInvocation", size: int) -> None:
        """The function's response was refused for its size."""
        self._end_after_output(invocation, too_large_outcome(size), None)

    def stream_started(self, invocation: "PendingInvocation", stream: "StreamedResponse", content_type: str) -> None:
        """A streamed response begins: the caller can read it from now on."""
        invocation.stream = stream
        invocation.set_outcome(InvocationOutcome(OutcomeKind.ANSWERED, content_type=content_type, stream=stream))

    def stream_ended(self, invocation: "PendingInvocation", error: "StreamBroken | None") -> None:
        """A streamed response has ended."""
        if self.find_invocation(invocation.request_id) is invocation:
            self._end_after_output(invocation, None, error)

    def init_failed(self, error_type: str, document: bytes) -> None:
        """The runtime reports that its init has failed. It has written the same to its log, and will exit."""
        self.has_logged_failure = True
        self._set_init_failure(error_type, document)

    # The end of an invocation

    def _end_after_output(
        self, invocation: "PendingInvocation", outcome: "InvocationOutcome | None", error: "StreamBroken | None"
    ) -> None:
        """End an invocation after its last output, which is in the pipes by now."""
        if self._process.read_output():
            if invocation.stream is None:
                self._end_invocation(invocation, outcome, error)
            else:  # its reader gets the last piece first
                self._loop.call_soon(self._end_invocation, invocation, outcome, error)
        else:  # it is passed on in one of the next steps of the event loop
            self._loop.call_later(OUTPUT_S, self._end_invocation, invocation, outcome, error)

    def _end_invocation(
        self, invocation: "PendingInvocation", outcome: "InvocationOutcome | None", error: "StreamBroken | None"
    ) -> None:
        """Write the last log lines of an invocation, then set its outcome."""
        if self._running.pop(invocation.request_id, None) is None:
            return
        self.last_freed_at = time.monotonic()
        duration_s = min(self.last_freed_at - invocation.started, self._timeout_s)
        init_ms, self._init_ms = self._init_ms, None
        self._log.invocation_ended(invocation, duration_s * 1000, init_ms, self._process.recent_peak_mb(duration_s))
        if invocation.stream is not None:
            if outcome is not None:
                error = StreamBroken(outcome.error_type, outcome.payload)
            invocation.stream.end(error)
        elif outcome is not None:
            invocation.set_outcome(outcome)
        invocation.set_finished()
        if not self._running:
            self._owner.environment_idle(self)

    def _next_requested_early(self, connection: RuntimeConnection) -> None:
        """The runtime asks for the next invocation. Its last one has ended by now, unless there was no response."""
        for invocation in self.invocations:
            error_type = "Runtime.InvalidResponse"
            message = "the runtime requested the next invocation without a response to this one"
            document = invocation_error_document(error_type, message, invocation.request_id)
            self._end_invocation(
                invocation, InvocationOutcome(OutcomeKind.ERROR, document, error_type=error_type), None
            )
        if connection.is_waiting:
            self._owner.next_requested(connection)

    def _check_deadlines(self) -> None:
        """The time of the oldest invocation is up, unless that one has ended: then another one is the oldest."""
        now = time.monotonic()
        for invocation in self.invocations:
            left = invocation.started + self._timeout_s - now
            if left > 0:
                self._deadline.restart(left)
                return
            self._invocation_timed_out(invocation)

    def _invocation_timed_out(self, invocation: "PendingInvocation") -> None:
        error_type = error_documents.TIMED_OUT
        message = error_documents.timeout_message(self._timeout_s)
        invocation.append_log(f"{invocation.request_id} {message}\n".encode())
        self._log.print_message(f"request {invocation.request_id}: {message}; its process is ended")
        self._process.peak_mb()  # while the process still exists
        self.kill()
        document = invocation_error_document(error_type, message, invocation.request_id)
        self._end_invocation(
            invocation, InvocationOutcome(OutcomeKind.TIMED_OUT, document, error_type=error_type), None
        )

    # The end of the process

    def _init_timed_out(self) -> None:
        error_type = error_documents.TIMED_OUT
        document = error_document(error_type, f"its init was not complete after {self._timeout_s:.2f} seconds")
        self._set_init_failure(error_type, document, error_documents.timeout_message(self._timeout_s))
        self.kill()

    def _set_init_failure(self, error_type: str, document: bytes, message: str = "") -> None:
        """Set the failure, unless there is one. `message`: what invocations get instead of it, with their ids."""
        if self.failure is None and not self.ready_at:
            self.failure = InvocationOutcome(OutcomeKind.INIT_FAILED, document, error_type=error_type, message=message)

    def _process_output(self, descriptor: int, data: bytes) -> None:
        for invocation in self._running.values():
            invocation.append_log(data)
        self._log.process_output(descriptor, data)

    def _process_ended(self) -> None:
        """The process has ended, and its pipes are read."""
        if self.state is ENDED:
            return
        was_expected = self.state is ENDING
        self.state = ENDED
        self._set_timer(None)
        self._deadline.cancel()
        if self._listener is not None:
            self._listener.close()
        error_type = error_documents.EXITED
        message = error_documents.exit_message(self._process.exit_reason)
        if not self.ready_at and not was_expected:
            self._set_init_failure(error_type, error_document(error_type, f"Error: {message}"), message)
        elif not self._running and not was_expected:
            self._log.print_message(f"the function's process {self._process.pid} ended between invocations: {message}")
        for invocation in self.invocations:
            document = invocation_error_document(error_type, message, invocation.request_id)
            if not was_expected:
                self._log.print_message(f"request {invocation.request_id}: {message}")
            self._end_invocation(invocation, InvocationOutcome(OutcomeKind.DIED, document, error_type=error_type), None)
        self._owner.environment_ended(self)

    def _set_timer(self, seconds: "float | None", action: "Callable[[], None] | None" = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None or action is None else self._loop.call_later(seconds, action)
