"""What can go wrong, and the document that tells the Runtime API about it.

`FaasError` and its children end the process, with the exit code that they carry; `main` prints them. A
`FunctionError` ends one invocation only.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN_TYPE = "Function.Unknown"
_ORIGINS = ("Runtime", "Function")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

# JSON wants these escaped, and nothing else (RFC 8259, section 7).
_ESCAPES = {code: f"\\u{code:04x}" for code in range(0x20)}
_ESCAPES.update({ord('"'): '\\"', ord("\\"): "\\\\", ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"})


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


def header_type(error_type: str) -> str:
    """The type for the header Lambda-Runtime-Function-Error-Type.

    The platform takes `(Runtime|Function).[A-Z][a-zA-Z]+` only. What a function calls its errors otherwise
    stays in the body, where callers look for it.
    """
    origin, _, name = error_type.partition(".")
    fits = origin in _ORIGINS and len(name) > 1 and name[0].isupper() and _LETTERS.issuperset(name)
    return error_type if fits else UNKNOWN_TYPE


def error_document(error: FunctionError) -> bytes:
    """The JSON body of an error, written by hand: the module `json` alone would double the start-up time."""
    frames = ",".join(_quote(frame) for frame in error.stack_trace)
    message, kind = _quote(error.message), _quote(error.error_type)
    text = f'{{"errorMessage":{message},"errorType":{kind},"stackTrace":[{frames}]}}'
    return text.encode("utf-8", "replace")


def _quote(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'
