"""The environments of one state of the library, what their processes are told, and the states that there are."""

import os

from ..library import SUFFIX
from . import documents
from .invocation import INIT_FAILED, Outcome
from .source import NotThere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .command import Options
    from .environment import Environment
    from .source import Source

# Where the system's loader looks for what a library needs: beside the original, not beside its copy.
_SEARCHED = ("PATH",) if os.name == "nt" else ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class Generation:
    """The environments of one state of the library."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.environments: list[Environment] = []
        self.copy: str | None = None
        """The private copy of the library, under --watch, when it is made."""
        self.is_preparing = False
        self.failure: Outcome | None = None
        """Why the last environment that was started, or the copy, has failed."""

    @property
    def alive(self) -> "list[Environment]":
        """Those that serve, or will."""
        return [environment for environment in self.environments if environment.is_alive]

    def handler(self, options: "Options") -> str:
        """The name that lets the child load the very file."""
        paths, symbol = options.handler.paths, options.handler.symbol
        path = self.copy or next((path for path in paths if os.path.isfile(path)), "")
        if not path:  # a name that lets the child tell all the places where it looked
            path = paths[-1][: -len(SUFFIX)] if len(paths) > 1 else paths[0]
        return f"{path}.{symbol}"

    def variables(self, options: "Options", original: str) -> "dict[str, str]":
        """The child's environment variables; `original` is the path of the library that may have been copied."""
        variables = dict(options.environment)
        for name in _SEARCHED if self.copy is not None else ():
            variables[name] = os.pathsep.join(filter(None, (os.path.dirname(original), variables.get(name))))
        return variables


class Generations:
    """The newest generation, and older ones that have something in hand yet. Without a source, there is just one."""

    def __init__(self, source: "Source | None", say: "Callable[[str], None]") -> None:
        self.current = Generation(0)
        self._old: list[Generation] = []
        self._source = source
        self._say = say
        self._has_told_of_waiting = False

    @property
    def environments(self) -> "list[Environment]":
        """All that there are."""
        return [each for generation in (self.current, *self._old) for each in generation.environments]

    @property
    def are_outdated(self) -> bool:
        """Whether the library is not the one any more that the newest generation was made of."""
        return self._source is not None and not self.current.is_preparing and self._source.changed()

    @property
    def lack_a_copy(self) -> bool:
        """Whether the newest generation has to be prepared before anything of it can be started."""
        return self._source is not None and self.current.copy is None

    def renew(self) -> "Generation | None":
        """Begin a new generation; returns the one that it follows, or None if that one is not even made yet."""
        old = self.current
        if old.copy is None and not old.environments:
            return None
        self.current = Generation(old.number + 1)
        self._old.append(old)
        return old

    async def prepare(self) -> None:
        """Make the newest generation's copy of the library, or find out why there can be none: its `failure`.

        Who calls it has said that it `is_preparing`, so until then no other generation follows it.
        """
        generation, source = self.current, self._source
        assert source is not None
        if not self._has_told_of_waiting and not os.path.isfile(source.path):
            self._has_told_of_waiting = True
            self._say(f"waiting for {source.path}")
        try:
            generation.copy = await source.copy()
            self._has_told_of_waiting = False
        except (NotThere, OSError) as error:
            document = documents.error_document("Runtime.LibraryNotFound", str(error))
            generation.failure = Outcome(INIT_FAILED, document, error_type="Runtime.LibraryNotFound")
        generation.is_preparing = False

    def remove(self, environment: "Environment") -> "Generation":
        """Take out an environment that has ended; returns the generation that it was of."""
        generation = next(each for each in (self.current, *self._old) if environment in each.environments)
        generation.environments.remove(environment)
        self.forget_if_empty(generation)
        return generation

    def forget_if_empty(self, generation: Generation) -> None:
        """An old one that has no environment any more needs no copy of the library."""
        if generation.environments or generation not in self._old:
            return
        self._old.remove(generation)
        if generation.copy is not None and self._source is not None:
            self._source.discard(generation.copy)

    def close(self) -> None:
        """Remove all copies of the library."""
        if self._source is not None:
            self._source.close()
