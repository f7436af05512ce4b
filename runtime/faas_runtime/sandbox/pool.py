"""The execution environments of a function: as many as are needed at once, each used again and again.

If the library is watched, there is a generation of environments for each state of it. An invocation is answered by the
generation that was the newest one when it arrived, or by a newer one, so the first request after a build runs the new
code.
"""

import time

from ..event_loop.tasks import Future, Task, run_in_background, sleep, wait
from . import error_documents
from .environment import KILL_DELAY_S, STARTING, ExecutionEnvironment
from .generation import Generations
from .growth import Growth
from .idle_connections import IdleConnections, environment_of
from .invocation import InvocationOutcome, OutcomeKind
from .invocation_queue import InvocationQueue
from .library_copies import LIMIT_S, LibraryCopies
from .rate_limit import RateLimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from .generation import Generation
    from .invocation import PendingInvocation
    from .invocation_log import InvocationLog
    from .options import SandboxOptions
    from .runtime_api import RuntimeConnection

WATCH_S = 0.5  # between two checks of the library
NOT_STARTED = "the function did not start"
STOPPING = "the emulator is being stopped"
STOP_CHECK_S = 1.0  # how often to check, when stopping, whether queued invocations can still be run
RESTART_IDLE_S = 1.0  # a process that dies after it was idle for this long is replaced without a request


class Pool:
    """Runs invocations in environments, and starts as many of those as are needed, up to `options.concurrency`."""

    def __init__(self, options: "SandboxOptions", log: "InvocationLog") -> None:
        self._options = options
        self._log = log
        library = options.library
        copies = None if library is None else LibraryCopies(library, min(LIMIT_S, options.timeout_s))
        self._generations = Generations(copies, log.print_message)
        self._idle = IdleConnections()
        self._queue = InvocationQueue()
        self._growth = Growth(
            self, options, log, self._generations, self._queue,
            prepare=self._begin_to_prepare, in_background=self._create_task,
        )  # fmt: skip
        self._not_run = RateLimit(log.print_message, "requests were not run")
        self._tasks: set[Task] = set()
        self._watch_task: Task | None = None
        self._prepare_task: Task | None = None
        self._first_start: Future | None = None
        self._is_stopping = False

    async def start(self) -> None:
        """Start the first environment; returns when it is ready or its init has failed (see `failure`)."""
        self._first_start = Future()
        if self._options.library is not None:
            self._watch_task = self._create_task(self._watch())
        self._growth.grow(1)
        await self._first_start

    async def invoke(self, invocation: "PendingInvocation") -> InvocationOutcome:
        """Wait for a free environment, then for the outcome. Raises nothing, whatever the function does.

        For a streamed response, it returns when the response begins: read `outcome.stream`, then await
        `invocation.finished`. A caller that is cancelled does not end the invocation.
        """
        self.submit(invocation)
        if invocation.outcome is None:
            future = Future()
            invocation.when_outcome(future.set_result)
            await future
        assert invocation.outcome is not None
        return invocation.outcome

    def submit(self, invocation: "PendingInvocation") -> None:
        """Run an invocation in a free environment, now or later; the caller sees its outcome."""
        if self._is_stopping:
            invocation.set_outcome(stopping_outcome())
            invocation.set_finished()
            return
        if self._generations.are_outdated:
            self._renew()
        invocation.generation = self._current.number
        if not self._idle.run(invocation):
            invocation.queued = time.monotonic()
            self._queue.append(invocation)
            self._growth.grow_for_queue()

    async def stop(self) -> None:
        """Let running and queued invocations end, then end all processes: SIGTERM, two seconds later SIGKILL."""
        self._is_stopping = True
        await self._finish_invocations()
        for task in (self._watch_task, self._prepare_task):
            if task is not None:
                task.cancel()
        self._idle.clear()
        for environment in self._environments:
            environment.end_if_idle()
        deadline = time.monotonic() + KILL_DELAY_S + STOP_CHECK_S
        while self._environments and time.monotonic() < deadline:
            await sleep(0.005)
        for environment in self._environments:  # the system has not reported their end
            environment.kill()
        self._set_first_start()
        self._generations.close()

    async def _finish_invocations(self) -> None:
        """Let running and queued invocations end. This itself always ends, whatever has gone wrong."""
        unfinished = self._unfinished
        longest_s = 2 * self._options.timeout_s + STOP_CHECK_S  # for an init, and for an invocation
        deadline = time.monotonic() + longest_s
        while unfinished:
            if self._queue and not self._current.is_starting:  # no environment will run them
                self._fail_queued(self._current.failure or stopping_outcome(), STOPPING)
            else:
                await wait([each.finish_future() for each in unfinished], seconds=STOP_CHECK_S)
            count, unfinished = len(unfinished), self._unfinished
            if len(unfinished) < count:
                deadline = time.monotonic() + longest_s
            elif time.monotonic() > deadline:
                self.kill()
                for invocation in unfinished:
                    invocation.set_outcome(stopping_outcome())
                    invocation.set_finished()
                return

    def kill(self) -> None:
        """End all processes now, with their invocations."""
        self._is_stopping = True
        self._fail_queued(stopping_outcome(), STOPPING)
        for environment in self._environments:
            environment.kill()

    @property
    def is_full(self) -> bool:
        """Whether so many invocations wait that no other one should be added."""
        return self._queue.is_full

    @property
    def failure(self) -> "InvocationOutcome | None":
        """Why the newest environment has not started; None if it has started or is starting."""
        return None if self._current.is_starting else self._current.failure

    @property
    def is_starting(self) -> bool:
        """Whether the newest generation has an environment that is starting, or ready."""
        return self._current.is_starting

    @property
    def is_ready(self) -> bool:
        """Whether the newest generation has an environment that is ready."""
        return self._current.is_ready

    # Reports of environments: EnvironmentOwner

    def next_requested(self, connection: "RuntimeConnection") -> None:
        """A connection waits: it gets the first queued invocation, if its generation is new enough for that."""
        environment = environment_of(connection)
        generation = environment.generation
        if generation == self._current.number:
            self._current.failure = None
            self._set_first_start()
        if self._queue and self._queue.first.generation <= generation and environment.is_active:
            environment.run(connection, self._queue.pop_first())
        elif generation == self._current.number and environment.is_active:
            self._idle.add(connection)
        else:
            environment.end_if_idle()

    def next_cancelled(self, connection: "RuntimeConnection") -> None:
        """An idle connection is closed."""
        self._idle.discard(connection)

    def environment_idle(self, environment: ExecutionEnvironment) -> None:
        """An environment runs nothing any more: an old one ends, unless it may run the first queued invocation."""
        generation = environment.generation
        if generation < self._current.number and not (self._queue and self._queue.first.generation <= generation):
            environment.end_if_idle()

    def environment_ended(self, environment: ExecutionEnvironment) -> None:
        """A process has ended: others replace it if they are needed."""
        self._idle.discard_all_of(environment)
        generation = self._generations.remove(environment)
        if environment.failure is not None:
            if not environment.has_logged_failure:
                reason = error_documents.error_text(environment.failure.payload)
                self._log.print_message(f"{NOT_STARTED}: {reason}")
            generation.failure = environment.failure
        if generation is self._current:
            self._set_first_start()
            if environment.failure is not None:
                self._fail_for_environment(generation, environment.failure)
                return
        self._growth.grow(max(len(self._queue), 1 if self._needs_replacement(environment) else 0))

    # Environments

    @property
    def _current(self) -> "Generation":
        return self._generations.current

    @property
    def _environments(self) -> "list[ExecutionEnvironment]":
        return self._generations.environments

    @property
    def unfinished_count(self) -> int:
        """How many invocations run or wait."""
        return len(self._unfinished)

    @property
    def _unfinished(self) -> "list[PendingInvocation]":
        return [*self._queue, *(each for environment in self._environments for each in environment.invocations)]

    def _needs_replacement(self, environment: ExecutionEnvironment) -> bool:
        """Whether to replace an environment without a request: never twice in a row if the first one did nothing."""
        if self._is_stopping or self._current.environments or environment.generation != self._current.number:
            return False
        ready_s = time.monotonic() - environment.ready_at if environment.ready_at else 0.0
        return bool(environment.ready_at) and (environment.invocation_count > 0 or ready_s > RESTART_IDLE_S)

    def _fail_for_environment(self, generation: "Generation", failure: InvocationOutcome) -> None:
        """An init has failed: the invocation that has waited longest fails. No other environment is started."""
        if not generation.active:
            self._fail_queued(failure)
        elif not self.is_ready:
            self._fail_queued(failure, count=1)

    def _fail_queued(self, outcome: InvocationOutcome, why: str = NOT_STARTED, count: "int | None" = None) -> None:
        for _ in range(len(self._queue) if count is None else min(count, len(self._queue))):
            invocation = self._queue.pop_first()
            self._not_run.print_message(f"request {invocation.request_id} was not run, because {why}")
            invocation.set_outcome(outcome.addressed_to(invocation))
            invocation.set_finished()

    def _set_first_start(self) -> None:
        if self._first_start is not None and not self._first_start.done():
            self._first_start.set_result()

    # Generations

    async def _watch(self) -> None:
        """Start a new generation before the first request for it."""
        while not self._is_stopping:
            await sleep(WATCH_S)
            if self._generations.is_library_there and self._generations.are_outdated:
                self._renew()
                self._growth.grow(1)

    def _renew(self) -> None:
        """The library has changed: from now on, the existing processes get no new invocation."""
        old = self._generations.renew()
        if old is None:
            return
        self._log.print_message("the library has changed; it is loaded again")
        self._idle.end_all()
        if not self._queue:
            for environment in old.active:
                if environment.state is STARTING:
                    environment.end_if_idle()
        self._generations.forget_if_empty(old)

    def _begin_to_prepare(self) -> None:
        self._prepare_task = self._create_task(self._prepare())

    async def _prepare(self) -> None:
        """Copy the library for the newest generation, then start the environments that are needed."""
        generation = self._current
        try:
            await self._generations.prepare()
        except Exception as error:  # of any kind: invocations must not wait for the library without end
            error_type = "Runtime.LibraryNotFound"
            document = error_documents.error_document(error_type, f"the library cannot be copied: {error!r}")
            generation.failure = InvocationOutcome(OutcomeKind.INIT_FAILED, document, error_type=error_type)
            generation.is_preparing = False
        if generation.copy is None:
            assert generation.failure is not None
            self._log.print_message(error_documents.error_text(generation.failure.payload))
            self._fail_queued(generation.failure)
            self._set_first_start()
        else:
            self._growth.grow(max(1, len(self._queue)))

    def _create_task(self, coroutine: "Coroutine[Any, Any, None]") -> Task:
        task = run_in_background(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def stopping_outcome() -> InvocationOutcome:
    """What invocations get that are not run because the emulator is being stopped."""
    error_type = "Runtime.Stopped"
    document = error_documents.error_document(error_type, STOPPING)
    return InvocationOutcome(OutcomeKind.STOPPED, document, error_type=error_type)
