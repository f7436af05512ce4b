"""The environments of one state of the library, and what their processes are told."""

import os

from ..library import SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .command import Options
    from .environment import Environment
    from .invocation import Outcome

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
