"""What can go wrong.

`FaasError` and its children end the process, with the exit code that they carry; `main` prints them. A
`FunctionError` ends one invocation only.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class FaasError(Exception):
    """Ends the process."""

    exit_code = 1


class UsageError(FaasError):
    """The command line or the environment does not make sense."""

    exit_code = 2


class RuntimeApiError(FaasError):
    """The Runtime API does not answer, or not as its contract says."""

    exit_code = 3


class ConnectionLost(RuntimeApiError):
    """The connection broke before the answer was complete; `unanswered` if not even its first byte came."""

    def __init__(self, message: str, *, unanswered: bool) -> None:
        super().__init__(message)
        self.unanswered = unanswered


class FunctionError(Exception):
    """The function says that it failed, or answers what cannot be sent."""

    def __init__(self, error_type: str, message: str, stack_trace: "Sequence[str]" = ()) -> None:
        super().__init__(f"{error_type}: {message}")
        self.error_type = error_type
        self.message = message
        self.stack_trace = tuple(stack_trace)


class InitError(FunctionError, FaasError):
    """The function cannot be loaded or initialised: told to the Runtime API, then the process ends."""

    reported_as = ""
    """The type that the platform wants for it, whatever the function says; nothing: the function's own."""
    path = "/init/error"


class BeforeSnapshotError(InitError):
    """The hook before the snapshot failed."""

    exit_code = 64
    reported_as = "Runtime.BeforeSnapshotError"


class AfterRestoreError(InitError):
    """The hook after the restore failed: told to /restore/error."""

    exit_code = 65
    reported_as = "Runtime.AfterRestoreError"
    path = "/restore/error"


class Stopped(Exception):
    """The process was asked to end, and no invocation is in hand."""
