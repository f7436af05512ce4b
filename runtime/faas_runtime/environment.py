"""The runtime's settings: environment variables, read once.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html

The module `os` takes longer to import than all the rest of the runtime; `posix`, beneath it, is built in.
"""

import sys

if sys.platform == "win32":
    import nt

    system = nt
else:
    import posix

    system = posix

from .errors import UsageError

HTTP_PORT = 80
CONCURRENCY_LIMIT = 1024  # threads; a larger number is a mistake
_PORT_DIGITS = 5
_NUMBER_DIGITS = 11

NO_RUNTIME_API = """\
AWS_LAMBDA_RUNTIME_API is not set, so there is no Lambda Runtime API to take invocations from. AWS Lambda sets it.
On your own machine, run the function in the emulator: faas-runtime serve LIBRARY, or for one event: faas-runtime
invoke LIBRARY. For another emulator, set the variable to its HOST:PORT. All commands: faas-runtime --help"""


class Endpoint:
    """The address of the Runtime API; `authority` is its text as it was given, for the header Host."""

    __slots__ = ("authority", "host", "port")

    def __init__(self, authority: str, host: str, port: int) -> None:
        self.authority = authority
        self.host = host
        self.port = port

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """Read HOST, HOST:PORT, [IPV6] or [IPV6]:PORT; raises `UsageError` for anything else."""
        host, port = _split_port(text)
        if not host or any(character in host for character in "/?#@ \t\r\n[]") or not text.isascii():
            raise _not_an_address(text)
        if not port:
            return cls(text, host, HTTP_PORT)
        if not (port.isdigit() and len(port) <= _PORT_DIGITS and 0 < int(port) < 65536):
            raise _not_an_address(text)
        return cls(text, host, int(port))


def _split_port(text: str) -> "tuple[str, str]":
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or rest[:1] not in ("", ":") or rest == ":":
            raise _not_an_address(text)
        return host, rest[1:]
    host, colon, port = text.partition(":")
    if colon and not port:
        raise _not_an_address(text)
    return host, port


def _not_an_address(text: str) -> UsageError:
    return UsageError(
        f"AWS_LAMBDA_RUNTIME_API is {text!r}, which is not an address. "
        "Set it to HOST:PORT without a scheme, such as 127.0.0.1:9001 or [::1]:9001"
    )


class Settings:
    """What to run, and what the platform says about the function; what is not given is None (numbers: 0)."""

    __slots__ = (
        "concurrency",
        "function_name",
        "function_version",
        "handler",
        "initialization",
        "log_group",
        "log_stream",
        "memory_limit_mb",
        "pipelining",
        "runtime_api",
        "task_root",
    )

    def __init__(self, handler: "str | None" = None) -> None:
        """Read the variables; a handler from the command line overrides _HANDLER. Raises `UsageError`."""
        runtime_api = variable("AWS_LAMBDA_RUNTIME_API")
        if not runtime_api:
            raise UsageError(NO_RUNTIME_API)
        self.runtime_api = Endpoint.parse(runtime_api)
        self.handler = handler or variable("_HANDLER")
        self.task_root = _absolute(variable("LAMBDA_TASK_ROOT") or ".")
        self.function_name = _bytes("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = _bytes("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_mb = _number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 2**32 - 1)
        self.log_group = _bytes("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream = _bytes("AWS_LAMBDA_LOG_STREAM_NAME")
        self.initialization = variable("AWS_LAMBDA_INITIALIZATION_TYPE")
        self.concurrency = _concurrency()
        self.pipelining = _pipelining()
        """Whether a response and the request for the next event are sent together, where the server can take that. It
        becomes false for good when a server has closed the connection instead (RFC 9112, section 9.3.2)."""

    @property
    def is_managed(self) -> bool:
        """Whether this is a Lambda Managed Instance: logs have to be JSON, and failures are retried."""
        return self.concurrency > 1 or self.initialization == "lambda-managed-instances"


def variable(name: str) -> str:
    """The value of an environment variable when the process started; empty if it was not set."""
    if sys.platform == "win32":
        return system.environ.get(name, "")
    return system.environ.get(name.encode(), b"").decode(sys.getfilesystemencoding(), "surrogateescape")


def is_absolute(path: str) -> bool:
    """Whether a path is absolute."""
    return path.startswith("/") or (sys.platform == "win32" and (path[1:2] == ":" or path.startswith("\\")))


def _bytes(name: str) -> "bytes | None":
    """The variable's bytes, as they are in the C environment."""
    if sys.platform == "win32":
        return variable(name).encode() or None
    return system.environ.get(name.encode()) or None


def _absolute(folder: str) -> str:
    if is_absolute(folder):
        return folder
    try:
        return f"{system.getcwd()}/{folder}".removesuffix("/.")
    except OSError as error:
        raise UsageError(
            f"the current folder cannot be determined: {error}. Set LAMBDA_TASK_ROOT to the absolute path of the "
            "folder with the function's library, or start in a folder that exists"
        ) from error


def _pipelining() -> bool:
    name = "FAAS_RUNTIME_PIPELINING"
    value = variable(name)
    if value not in ("", "on", "off"):
        raise UsageError(f"{name} is {value[:80]!r}. Set it to on or off, or leave it unset for on")
    return value != "off"


def _concurrency() -> int:
    name = "AWS_LAMBDA_MAX_CONCURRENCY"
    concurrency = _number(name, CONCURRENCY_LIMIT)
    if variable(name) and not concurrency:
        raise UsageError(
            f"{name} is {variable(name)[:80]!r}, which is not a number of invocations at once. "
            f"Set it to a number from 1 to {CONCURRENCY_LIMIT}, or leave it unset for one"
        )
    return concurrency or 1


def _number(name: str, limit: int) -> int:
    text = variable(name)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _NUMBER_DIGITS and int(text) <= limit else 0
