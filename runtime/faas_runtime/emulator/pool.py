"""The execution environments of a function: as many as are needed at once, each used again and again.

Under --watch there are generations of them, one for each state of the library. An invocation is answered by the
generation that was the newest when it came, or by a newer one, so the first request after a save sees the new code.
"""

import asyncio
import os
import time

from . import documents
from .environment import READY, STARTING, Environment
from .generation import Generations
from .invocation import INIT_FAILED, Outcome
from .rationed import Rationed
from .source import LIMIT_S, Source
from .waiting import Waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from .command import Options
    from .generation import Generation
    from .invocation import Invocation
    from .lines import Lines
    from .runtime_api import Poller

WATCH_S = 0.5  # between two looks at the library
NOT_UP = "the function did not come up"
SETTLED_S = 1.0  # a process that idled for so long and died is started again by itself
RETURN_S = 0.25  # a process that has answered asks for the next invocation long before; if not, another is started


class Pool:
    """Hands invocations to environments, and starts as many of those as are needed, up to `options.concurrency`."""

    def __init__(self, options: "Options", lines: "Lines") -> None:
        """`lines` writes START/END/REPORT, what the function prints, and what is told to the person."""
        self._options = options
        self._lines = lines
        paths = options.handler.paths
        self._path = next((path for path in paths if os.path.isfile(path)), paths[0])
        source = Source(self._path, min(LIMIT_S, options.timeout_s)) if options.watch else None
        self._generations = Generations(source, lines.say)
        self._idle: list[Poller] = []
        self._waiting = Waiting()
        self._not_run = Rationed(lines.say, "requests were not run")
        self._tasks: set[asyncio.Task[Any]] = set()
        self._watching: list[asyncio.Task[Any]] = []
        self._settled: asyncio.Future[None] | None = None
        self._is_stopping = False
        limit = options.environment.get("AWS_LAMBDA_MAX_CONCURRENCY", "")
        self._places = int(limit) if limit.isascii() and limit.isdigit() and 0 < int(limit[:6]) <= 1024 else 1

    async def start(self) -> None:
        """Start the first environment; returns when it is ready or its init has failed (see `failure`)."""
        self._settled = asyncio.get_running_loop().create_future()
        if self._options.watch:
            self._watching.append(self._run(self._watch()))
        self._grow(1)
        await self._settled

    async def invoke(self, invocation: "Invocation") -> Outcome:
        """Run an invocation: waits for a free environment, then for the outcome. Never raises for what a function does.

        A streamed answer: returns when it begins; read `outcome.stream`, then await `invocation.finished`.
        """
        if self._is_stopping:
            invocation.settle(_stopped())
            invocation.finish()
            return await invocation.outcome
        if self._generations.are_outdated:
            self._renew()
        invocation.generation = self._current.number
        if not self._hand(invocation):
            self._waiting.append(invocation)
            returning = self._returning
            self._grow(len(self._waiting) - returning)
            if returning:
                asyncio.get_running_loop().call_later(RETURN_S, self._grow_for_waiting)
        return await asyncio.shield(invocation.outcome)  # a caller that gives up does not end it

    async def stop(self) -> None:
        """Let running invocations end, then end all processes: SIGTERM, after two seconds SIGKILL."""
        self._is_stopping = True
        while self._unfinished:
            await asyncio.wait([invocation.finished for invocation in self._unfinished])
        for task in self._watching:
            task.cancel()
        self._idle.clear()
        for environment in self._environments:
            environment.retire()
        while self._environments:
            await asyncio.sleep(0.005)
        self._settle()
        self._generations.close()

    def kill(self) -> None:
        """End all processes now, with what they have in hand."""
        self._is_stopping = True
        self._fail_waiting(_stopped(), "the emulator is being stopped")
        for environment in self._environments:
            environment.kill()

    @property
    def is_full(self) -> bool:
        """Whether so many invocations wait that no other one should join them."""
        return self._waiting.is_full

    @property
    def failure(self) -> "Outcome | None":
        """Why the newest environment has not come up; None if it has or is still starting."""
        return None if self._current.alive or self._current.is_preparing else self._current.failure

    @property
    def is_starting(self) -> bool:
        """Whether an environment of the newest generation is on its way."""
        return self._current.is_preparing or bool(self._current.alive)

    @property
    def is_ready(self) -> bool:
        """Whether an environment of the newest generation has come up."""
        return any(environment.state is READY for environment in self._current.environments)

    # What environments tell

    def polled(self, poller: "Poller") -> None:
        """A poller waits: it gets who waits longest, if its generation is new enough for that."""
        environment = _environment(poller)
        generation = environment.generation
        if generation == self._current.number:
            self._current.failure = None
            self._settle()
        if self._waiting and self._waiting.first.generation <= generation and environment.is_alive:
            environment.hand(poller, self._waiting.take())
        elif generation == self._current.number and environment.is_alive:
            self._idle.append(poller)
        else:
            environment.retire()

    def poller_lost(self, poller: "Poller") -> None:
        """One that was idle is gone."""
        if poller in self._idle:
            self._idle.remove(poller)

    def emptied(self, environment: Environment) -> None:
        """What has run in it is over: it ends if it is an old one, unless there is something that it may take."""
        generation = environment.generation
        if generation < self._current.number and not (self._waiting and self._waiting.first.generation <= generation):
            environment.retire()

    def ended(self, environment: Environment) -> None:
        """A process has ended: others take its place if they are needed."""
        self._idle = [poller for poller in self._idle if poller.environment is not environment]
        generation = self._generations.remove(environment)
        if environment.failure is not None:
            if not environment.has_told:
                self._lines.say(f"{NOT_UP}: {documents.told(environment.failure.payload)}")
            generation.failure = environment.failure
        if generation is self._current:
            self._settle()
            if environment.failure is not None:
                self._give_up(generation, environment.failure)
                return
        self._grow(max(len(self._waiting), 1 if self._is_missed(environment) else 0))

    # Environments

    @property
    def _current(self) -> "Generation":
        return self._generations.current

    @property
    def _environments(self) -> "list[Environment]":
        return self._generations.environments

    @property
    def _unfinished(self) -> "list[Invocation]":
        return [*self._waiting, *(each for environment in self._environments for each in environment.invocations)]

    def _hand(self, invocation: "Invocation") -> bool:
        while self._idle:
            poller = self._idle.pop()  # the one that was used last: its memory is warm, and others may rest
            if poller.is_waiting and _environment(poller).is_alive:
                _environment(poller).hand(poller, invocation)
                return True
        return False

    @property
    def _returning(self) -> int:
        """How many invocations those could take that have just come up or answered, as soon as they ask; none idles.

        Who invokes one time after another meets one process, as on Lambda, though the answer is there before it asks.
        """
        since = time.monotonic() - RETURN_S
        ready = [each for each in self._current.environments if each.state is READY and each.freed_at > since]
        return sum(each.places - len(each.invocations) for each in ready)

    def _grow_for_waiting(self) -> None:
        self._grow(len(self._waiting))

    def _grow(self, wanted: int) -> None:
        """Start environments for so many invocations that none is free for, within the limit."""
        generation = self._current
        if wanted <= 0 or generation.is_preparing:
            return
        if self._generations.lack_a_copy:
            generation.is_preparing = True
            self._watching[1:] = [self._run(self._prepare())]
            return
        starting = sum(each.places for each in generation.environments if each.state is STARTING)
        places = sum(each.places for each in generation.alive)
        while starting < wanted and (places < self._options.concurrency or not places):
            self._start(generation)
            starting += self._places
            places += self._places

    def _start(self, generation: "Generation") -> None:
        options = self._options
        environment = Environment(
            self, generation.number, self._lines, timeout_s=options.timeout_s, places=self._places
        )
        generation.environments.append(environment)
        self._run(environment.start(generation.handler(options), generation.variables(options, self._path)))

    def _is_missed(self, environment: Environment) -> bool:
        """Whether another one is started in its place without being asked: never twice in a row for nothing."""
        if self._is_stopping or self._current.environments or environment.generation != self._current.number:
            return False
        lived = time.monotonic() - environment.ready_at if environment.ready_at else 0.0
        return bool(environment.ready_at) and (environment.served > 0 or lived > SETTLED_S)

    def _give_up(self, generation: "Generation", failure: Outcome) -> None:
        """An environment has not come up: who waits longest was to have it. No other is started in its place."""
        if not generation.alive:
            self._fail_waiting(failure)
        elif not self.is_ready:
            self._fail_waiting(failure, count=1)

    def _fail_waiting(self, outcome: Outcome, why: str = NOT_UP, count: "int | None" = None) -> None:
        for _ in range(len(self._waiting) if count is None else min(count, len(self._waiting))):
            invocation = self._waiting.take()
            self._not_run.say(f"request {invocation.request_id} was not run, as {why}")
            invocation.settle(outcome)
            invocation.finish()

    def _settle(self) -> None:
        if self._settled is not None and not self._settled.done():
            self._settled.set_result(None)

    # Generations

    async def _watch(self) -> None:
        """Start a new generation ahead of the first request."""
        while not self._is_stopping:
            await asyncio.sleep(WATCH_S)
            if os.path.isfile(self._path) and self._generations.are_outdated:
                self._renew()
                self._grow(1)

    def _renew(self) -> None:
        """The library has changed: from here on, nothing new goes to the processes that there are."""
        old = self._generations.renew()
        if old is None:
            return
        self._lines.say("the library has changed; it is loaded anew")
        idle, self._idle = self._idle, []
        for poller in idle:
            _environment(poller).retire()
        if not self._waiting:
            for environment in old.alive:
                if environment.state is STARTING:
                    environment.retire()
        self._generations.forget_if_empty(old)

    async def _prepare(self) -> None:
        """Make the newest generation's copy of the library, then start what is needed."""
        generation = self._current
        await self._generations.prepare()
        if generation.copy is None:
            assert generation.failure is not None
            self._lines.say(documents.told(generation.failure.payload))
            self._fail_waiting(generation.failure)
            self._settle()
        else:
            self._grow(max(1, len(self._waiting)))

    def _run(self, coroutine: "Coroutine[Any, Any, None]") -> "asyncio.Task[None]":
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _stopped() -> Outcome:
    kind = "Runtime.Stopped"
    return Outcome(INIT_FAILED, documents.error_document(kind, "the emulator is being stopped"), error_type=kind)


def _environment(poller: "Poller") -> Environment:
    environment = poller.environment
    assert isinstance(environment, Environment)
    return environment
