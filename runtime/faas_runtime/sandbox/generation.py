"""Generations of execution environments: one for each state of the library."""

import time

from .environment import READY, STARTING
from .error_documents import error_document
from .invocation import InvocationOutcome, OutcomeKind
from .library_copies import LibraryUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .environment import ExecutionEnvironment
    from .library_copies import LibraryCopies

RETURN_S = 0.25
"""A process that has answered requests the next invocation long before this time; if not, another one is started."""


class Generation:
    """The environments of one state of the library."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.environments: list[ExecutionEnvironment] = []
        self.copy: str | None = None
        """The path of the library's private copy, if the library is watched and the copy is made."""
        self.is_preparing = False
        """Whether the copy is being made."""
        self.failure: InvocationOutcome | None = None
        """Why the copy, or the init of the last environment, has failed."""

    @property
    def active(self) -> "list[ExecutionEnvironment]":
        """The environments that take invocations, or will."""
        return [environment for environment in self.environments if environment.is_active]

    @property
    def is_ready(self) -> bool:
        """Whether an environment is ready."""
        return any(environment.state is READY for environment in self.environments)

    @property
    def is_starting(self) -> bool:
        """Whether the copy is being made, or an environment is starting or ready."""
        return self.is_preparing or bool(self.active)

    @property
    def capacity(self) -> int:
        """How many invocations the active environments take at once."""
        return sum(environment.capacity for environment in self.active)

    @property
    def starting_capacity(self) -> int:
        """How many invocations the environments take at once that are not ready yet."""
        return sum(environment.capacity for environment in self.environments if environment.state is STARTING)

    @property
    def returning_capacity(self) -> int:
        """How many invocations those environments can take that have just become ready or answered.

        They will request an invocation very soon. A client that invokes one time after another meets the same
        process, as on Lambda, although the response arrives before the process requests the next invocation.
        """
        since = time.monotonic() - RETURN_S
        return sum(
            environment.capacity - len(environment.invocations)
            for environment in self.environments
            if environment.state is READY and environment.last_freed_at > since
        )


class Generations:
    """The newest generation, and older ones that still run something. Without copies, there is one generation."""

    def __init__(self, copies: "LibraryCopies | None", print_message: "Callable[[str], None]") -> None:
        """`copies`: None if the library is not watched."""
        self.current = Generation(0)
        self._old: list[Generation] = []
        self._copies = copies
        self._print_message = print_message
        self._has_reported_waiting = False

    @property
    def environments(self) -> "list[ExecutionEnvironment]":
        """The environments of all generations."""
        return [environment for generation in (self.current, *self._old) for environment in generation.environments]

    @property
    def are_outdated(self) -> bool:
        """Whether the library has changed since the newest generation was made."""
        return self._copies is not None and not self.current.is_preparing and self._copies.has_changed()

    @property
    def is_library_there(self) -> bool:
        """Whether there is a library to make a generation of."""
        return self._copies is not None and self._copies.is_library_there

    @property
    def needs_copy(self) -> bool:
        """Whether `prepare` has to be called before an environment can be started."""
        copy = self.current.copy
        return self._copies is not None and (copy is None or self._copies.is_missing(copy))

    def renew(self) -> "Generation | None":
        """Begin a new generation; returns the previous one, or None if that one has nothing yet and is kept."""
        old = self.current
        if old.copy is None and not old.environments:
            return None
        self.current = Generation(old.number + 1)
        self._old.append(old)
        return old

    async def prepare(self) -> None:
        """Copy the library for the newest generation, or set the generation's `failure`.

        The caller has set `is_preparing`, so no other generation follows until then.
        """
        generation, copies = self.current, self._copies
        assert copies is not None
        generation.copy = None
        if not self._has_reported_waiting and not copies.is_library_there:
            self._has_reported_waiting = True
            self._print_message(f"waiting for {copies.path}")
        try:
            generation.copy = await copies.create()
            self._has_reported_waiting = False
        except (LibraryUnavailable, OSError) as error:
            error_type = "Runtime.LibraryNotFound"
            document = error_document(error_type, str(error))
            generation.failure = InvocationOutcome(OutcomeKind.INIT_FAILED, document, error_type=error_type)
        generation.is_preparing = False

    def remove(self, environment: "ExecutionEnvironment") -> Generation:
        """Remove an environment that has ended; returns its generation."""
        generation = next(each for each in (self.current, *self._old) if environment in each.environments)
        generation.environments.remove(environment)
        self.forget_if_empty(generation)
        return generation

    def forget_if_empty(self, generation: Generation) -> None:
        """Forget an old generation without environments, and remove its copy of the library."""
        if generation.environments or generation not in self._old:
            return
        self._old.remove(generation)
        if generation.copy is not None and self._copies is not None:
            self._copies.discard(generation.copy)

    def close(self) -> None:
        """Remove all copies of the library."""
        if self._copies is not None:
            self._copies.close()
