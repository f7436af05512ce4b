"""The exceptions of the runtime.

`FaasError` and its subclasses end the process with the exit code that they carry; `main` prints them. A
`FunctionError` ends one invocation only.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class FaasError(Exception):
    """Ends the process."""

    exit_code = 1


class UsageError(FaasError):
    """The command line or an environment variable is wrong."""

    exit_code = 2


class RuntimeApiError(FaasError):
    """The Runtime API cannot be reached, or breaks its contract."""

    exit_code = 3


class ConnectionLost(RuntimeApiError):
    """The connection broke before the response was complete; `is_unanswered` if not even its first byte came."""

    def __init__(self, message: str, *, is_unanswered: bool) -> None:
        super().__init__(message)
        self.is_unanswered = is_unanswered


class FunctionError(Exception):
    """The function failed, or returned a response that cannot be sent."""

    hook = ""
    """The hook of the function that failed; empty: none."""

    def __init__(self, error_type: str, message: str, stack_trace: "Sequence[str]" = ()) -> None:
        super().__init__(f"{error_type}: {message}")
        self.error_type = error_type
        self.message = message
        self.stack_trace = tuple(stack_trace)


class InitError(FunctionError, FaasError):
    """The function cannot be loaded or initialised. This is reported to the Runtime API before the process ends."""

    reported_as = ""
    """The error type that the platform expects, whatever the function says; empty: the function's own."""
    path = "/init/error"
    """The path of the Runtime API that it is reported to."""


class Stopped(Exception):
    """The process was asked to end, and no invocation is in progress."""
