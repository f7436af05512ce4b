"""`serve --build`: runs a command when sources have changed, and holds invocations up until it has ended."""

import os
import sys

from ..errors import UsageError
from ..event_loop.tasks import Future, Task, run_in_background, sleep
from ..sandbox.options import LaunchCommand
from ..sandbox.process import RuntimeProcess
from .build_failure import build_failure
from .source_tree import SourceTree, TooManyFiles, changed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..sandbox.invocation import InvocationOutcome
    from ..sandbox.invocation_log import InvocationLog
    from .source_tree import State

SHOWN = 16 << 10  # bytes at the end of the output that an answer has
WATCH_S = 0.5  # between two looks at the sources
ROUNDS = 3
"""So many builds in a row may have changed files that are no outputs by their names; then they are outputs."""


class SourceBuild:
    """The build of all functions."""

    def __init__(self, command: str, sources: SourceTree, log: "InvocationLog") -> None:
        """Raises `UsageError` if there are too many files."""
        self._command = command
        self._sources = sources
        self._log = log
        self.failure: InvocationOutcome | None = None
        """What invocations get if the last build has failed."""
        self.first_success = Future()
        """Done when a build has succeeded, or none is to be expected any more."""
        self._when_built: list[Callable[[], None]] = []
        self._task: Task | None = None
        self._process: RuntimeProcess | None = None
        self.is_stopping = False
        self._rounds = 0
        try:
            self._seen = sources.state()
        except TooManyFiles as error:
            raise UsageError(str(error)) from error

    def start(self) -> None:
        """Build once, and watch the sources from then on."""
        self._build()
        run_in_background(self._watch())

    @property
    def is_running(self) -> bool:
        """Whether the command is running."""
        return self._task is not None

    def needs_to_run(self) -> bool:
        """Whether invocations have to wait; if sources have changed, a build is started."""
        if self._task is None and self._have_sources_changed():
            self._build()
        return self._task is not None

    def when_built(self, action: "Callable[[], None]") -> None:
        """Call a function when the running build has ended."""
        self._when_built.append(action)

    def stop(self) -> None:
        """End the command, and start no other one."""
        self.is_stopping = True
        self.first_success.set_result()
        if self._process is not None:
            self._process.kill()

    async def _watch(self) -> None:
        while not self.is_stopping:
            await sleep(WATCH_S)
            self.needs_to_run()

    def _have_sources_changed(self) -> bool:
        return bool(changed(self._seen, self._state()))

    def _state(self) -> "State":
        """The present state of the sources. If there are too many files by now, that of the last build."""
        try:
            return self._sources.state()
        except TooManyFiles:
            return self._seen

    def _build(self) -> None:
        if not self.is_stopping:
            self._task = run_in_background(self._run())

    async def _run(self) -> None:
        """Run the command, and again if sources have changed meanwhile."""
        try:
            while not self.is_stopping:
                self.failure = await self._run_once()
                if not self._have_sources_changed():
                    break
        finally:
            self._task = None
            if self.failure is None:
                self.first_success.set_result()
            actions, self._when_built = self._when_built, []
            for action in actions:
                action()

    async def _run_once(self) -> "InvocationOutcome | None":
        """Run the command once; returns the failure."""
        before = self._state()
        self._log.print_message(f"building: {self._command}")
        output = bytearray()
        ended = Future()

        def written(descriptor: int, data: bytes) -> None:
            output.extend(data)
            del output[:-SHOWN]
            self._log.process_output(2, data)

        self._process = RuntimeProcess(written, ended.set_result)
        try:
            await self._process.start(LaunchCommand(_shell(self._command), os.environ), "")
            await ended
            reason = self._process.exit_reason
        except OSError as error:
            reason = f"it cannot be started: {error}"
        self._note(before, self._state())
        if not reason:
            return None
        self._log.print_message(f"the build failed: {reason}")
        return build_failure(self._command, reason, output.decode("utf-8", "replace"))

    def _note(self, before: "State", after: "State") -> None:
        """Decide what the build has covered: a file that changed while it ran may be an edited source, or an output."""
        written = changed(before, after)
        self._rounds = self._rounds + 1 if written else 0
        self._seen = before
        if self._rounds >= ROUNDS:
            self._rounds = 0
            self._seen = after
            self._log.print_message(f"the build changes files each time, such as {written[0]}; it is not repeated")


def _shell(command: str) -> "list[str]":
    return ["cmd", "/c", command] if sys.platform == "win32" else ["/bin/sh", "-c", command]
