"""A function that `serve` is asked for, on the command line or in a file, before it is looked for."""

import re

from .served_functions import CLASSIC_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What a function on Lambda can be named."""


class WantedFunction:
    """A name, a program, and what is for this function alone."""

    def __init__(
        self,
        name: str,
        program: str,
        *,
        is_executable: bool = False,
        arguments: "Sequence[str]" = (),
        environment: "Mapping[str, str] | None" = None,
        timeout: "str | None" = None,
        concurrency: "int | None" = None,
        base: str = "",
        source: str = "",
    ) -> None:
        self.name = name
        """Empty: it has none."""
        self.program = program
        """A handler, or the path of an executable."""
        self.is_executable = is_executable
        """Whether it is an executable, also if its file is not there yet."""
        self.arguments = tuple(arguments)
        """Those of the executable."""
        self.environment = environment or {}
        self.timeout = timeout
        self.concurrency = concurrency
        self.base = base
        """The folder that paths are relative to; empty: the current one."""
        self.source = source
        """Where it is written, as the beginning of a message; empty: on the command line."""


def name_fault(name: str, names: "Sequence[str]") -> str:
    """Why a function cannot have this name, beside others; empty if it can. `names` has its own as well."""
    if name == CLASSIC_NAME:
        return f"{CLASSIC_NAME} stands for the first function, whatever its name is; choose another name"
    if not NAME_PATTERN.fullmatch(name):
        return f"{name!r:.80} cannot be the name of a function; choose up to 64 letters, digits, - and _"
    if [each.lower() for each in names].count(name.lower()) > 1:  # the names of hosts do not tell them apart
        return f"two functions are named {name}; capital letters make no other name"
    return ""
