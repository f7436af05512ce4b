"""What a pool of execution environments needs to know. What is specific to a runtime comes in as callables."""

from enum import Enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import BinaryIO


class LibraryState(Enum):
    """What the bytes of a library file are."""

    COMPLETE = "complete"
    TRUNCATED = "truncated"
    """A library that is not written completely yet."""
    UNKNOWN_FORMAT = "unknown format"


class WatchedLibrary:
    """A library, or an executable, that is watched for changes. Each generation of environments may have a copy."""

    __slots__ = ("inspect", "is_copied", "path")

    def __init__(self, path: str, inspect: "Callable[[BinaryIO], LibraryState]", *, is_copied: bool = True) -> None:
        self.path = path
        self.is_copied = is_copied
        """False: environments run the file itself. An executable may need the files that lie beside it."""
        self.inspect = inspect
        """What the content of an open file is. It may leave the file at any place."""


class LaunchCommand:
    """How to start a process of the runtime."""

    __slots__ = ("arguments", "variables")

    def __init__(self, arguments: "list[str]", variables: "Mapping[str, str]") -> None:
        self.arguments = arguments
        """The program and its arguments."""
        self.variables = variables
        """Its environment variables. AWS_LAMBDA_RUNTIME_API is added: each process has its own."""


class SandboxOptions:
    """The processes of a pool."""

    __slots__ = ("concurrency", "invocations_per_process", "launch_command", "library", "timeout_s")

    def __init__(
        self,
        launch_command: "Callable[[str | None], LaunchCommand]",
        concurrency: int,
        timeout_s: float,
        *,
        invocations_per_process: int = 1,
        library: "WatchedLibrary | None" = None,
    ) -> None:
        self.launch_command = launch_command
        """The command for a new process. It gets the path of the library's copy, or None if nothing is watched."""
        self.concurrency = concurrency
        """The highest number of invocations at once."""
        self.timeout_s = timeout_s
        """How long an invocation may take, and an init as well."""
        self.invocations_per_process = invocations_per_process
        """How many invocations a process takes at once."""
        self.library = library
        """None: nothing is watched or copied."""
