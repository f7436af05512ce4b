"""A pool of a function that is built from sources: invocations wait for the build, or fail with its errors."""

from ..sandbox.invocation_queue import InvocationQueue
from ..sandbox.pool import stopping_outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..sandbox.invocation import InvocationOutcome, PendingInvocation
    from ..sandbox.pool import Pool
    from .source_build import SourceBuild


class BuiltPool:
    """What `serve` needs of a pool."""

    def __init__(self, pool: "Pool", build: "SourceBuild") -> None:
        self._pool = pool
        self._build = build
        self._queue = InvocationQueue()

    async def start(self) -> None:
        """Start the first environment when a build has succeeded."""
        await self._build.first_success
        if not self._build.is_stopping:
            await self._pool.start()

    def submit(self, invocation: "PendingInvocation") -> None:
        """Run an invocation with what is built of the present sources."""
        if self._build.needs_to_run():
            if not len(self._queue):
                self._build.when_built(self._built)
            self._queue.append(invocation)
        else:
            self._pass_on(invocation)

    async def stop(self) -> None:
        """End the build, then stop the pool."""
        self._stop_build()
        await self._pool.stop()

    def kill(self) -> None:
        """End everything now."""
        self._stop_build()
        self._pool.kill()

    @property
    def is_full(self) -> bool:
        """Whether so many invocations wait that no other one should be added."""
        return self._queue.is_full or self._pool.is_full

    @property
    def failure(self) -> "InvocationOutcome | None":
        """Why the last build has failed, or the newest environment."""
        return self._build.failure or self._pool.failure

    @property
    def is_starting(self) -> bool:
        """Whether the build is running, or an environment is starting."""
        return self._build.is_running or (self._build.failure is None and self._pool.is_starting)

    @property
    def is_ready(self) -> bool:
        """Whether an environment is ready, and the sources are built."""
        return not self._build.is_running and self._build.failure is None and self._pool.is_ready

    @property
    def unfinished_count(self) -> int:
        """How many invocations run or wait."""
        return len(self._queue) + self._pool.unfinished_count

    def _built(self) -> None:
        while len(self._queue):
            self._pass_on(self._queue.pop_first())

    def _pass_on(self, invocation: "PendingInvocation") -> None:
        failure = self._build.failure
        if failure is None:
            self._pool.submit(invocation)
        else:
            invocation.set_outcome(failure)
            invocation.set_finished()

    def _stop_build(self) -> None:
        self._build.stop()
        while len(self._queue):
            invocation = self._queue.pop_first()
            invocation.set_outcome(stopping_outcome())
            invocation.set_finished()
