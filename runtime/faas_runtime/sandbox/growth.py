"""Starts execution environments: as many as there are invocations without a free one, within the limit."""

import time

from ..event_loop.loop import running_loop
from .environment import ExecutionEnvironment
from .generation import RETURN_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from ..event_loop.loop import Timer
    from .environment import EnvironmentOwner
    from .generation import Generation, Generations
    from .invocation_log import InvocationLog
    from .invocation_queue import InvocationQueue
    from .options import LaunchCommand, SandboxOptions


class Growth:
    """Adds environments to the newest generation."""

    def __init__(
        self,
        owner: "EnvironmentOwner",
        options: "SandboxOptions",
        log: "InvocationLog",
        generations: "Generations",
        queue: "InvocationQueue",
        *,
        prepare: "Callable[[], None]",
        in_background: "Callable[[Coroutine[Any, Any, None]], object]",
    ) -> None:
        """`prepare` copies the library, if that is needed, and then calls `grow` again."""
        self._owner = owner
        self._options = options
        self._log = log
        self._generations = generations
        self._queue = queue
        self._prepare = prepare
        self._in_background = in_background
        self._timer: Timer | None = None

    def grow(self, wanted: int) -> None:
        """Start environments for this many invocations that have no free one, within the limit."""
        generation = self._generations.current
        if wanted <= 0 or generation.is_preparing:
            return
        if self._generations.needs_copy:
            generation.is_preparing = True
            self._prepare()
            return
        starting, capacity = generation.starting_capacity, generation.capacity
        while starting < wanted and (capacity < self._options.concurrency or not capacity):
            self._start(generation)
            starting += self._options.invocations_per_process
            capacity += self._options.invocations_per_process

    def grow_for_queue(self) -> None:
        """Start environments for what is queued, except for what busy ones will take soon."""
        returning = self._generations.current.returning_capacity
        self.grow(len(self._queue) - returning)
        if returning and self._timer is None:
            self._timer = running_loop().call_later(RETURN_S, self._look_again)

    def _look_again(self) -> None:
        """Start environments if no busy one has taken the first queued invocation for a while."""
        self._timer = None
        if not self._queue:
            return
        left = self._queue.first.queued + RETURN_S - time.monotonic()
        if left <= 0:
            self.grow(len(self._queue))
        self._timer = running_loop().call_later(left if left > 0 else RETURN_S, self._look_again)

    def _start(self, generation: "Generation") -> None:
        options = self._options
        command = options.launch_command(generation.copy)
        environment = ExecutionEnvironment(
            self._owner,
            generation.number,
            self._log,
            timeout_s=options.timeout_s,
            capacity=options.invocations_per_process,
        )
        generation.environments.append(environment)
        self._in_background(_start(environment, command))


async def _start(environment: ExecutionEnvironment, command: "LaunchCommand") -> None:
    """Start an environment, or end it if that fails: otherwise invocations, and `Pool.stop`, would wait for it."""
    try:
        await environment.start(command)
    except Exception as error:
        environment.abandon(error)
        if not isinstance(error, (OSError, ValueError)):  # ValueError: a NUL in a variable
            raise
