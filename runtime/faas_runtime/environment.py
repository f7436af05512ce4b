"""The environment variables that tell the runtime what to run, read once.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

import os

from .errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

HTTP_PORT = 80
TRACE_ID = "_X_AMZN_TRACE_ID"

NO_RUNTIME_API = """\
AWS_LAMBDA_RUNTIME_API is not set, so there is no Lambda Runtime API to take invocations from.
AWS Lambda sets it. Elsewhere start an emulator of the Runtime API and set it to that one's HOST:PORT, such as
    AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001 faas-runtime simple_handler.handle"""


class Address:
    """Where the Runtime API listens; `authority` is the text as it was given, for the header Host."""

    __slots__ = ("authority", "host", "port")

    def __init__(self, authority: str, host: str, port: int) -> None:
        self.authority = authority
        self.host = host
        self.port = port

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read HOST, HOST:PORT, [IPV6] or [IPV6]:PORT."""
        host, port = _split_port(text)
        if not host or any(character in host for character in "/?#@ \t\r\n[]") or not text.isascii():
            raise _not_an_address(text)
        if not port:
            return cls(text, host, HTTP_PORT)
        if not (port.isdigit() and 0 < int(port) < 65536):
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


class Environment:
    """What the process is told about the function; what is not given is None (the memory limit: 0)."""

    __slots__ = (
        "function_name",
        "function_version",
        "handler",
        "log_group",
        "log_stream",
        "memory_limit_mb",
        "runtime_api",
        "task_root",
    )

    def __init__(self, runtime_api: Address, handler: str, variables: "Mapping[str, str]") -> None:
        self.runtime_api = runtime_api
        self.handler = handler
        self.task_root = os.path.abspath(variables.get("LAMBDA_TASK_ROOT") or os.curdir)
        self.function_name = _native(variables, "AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = _native(variables, "AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_mb = _megabytes(variables.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", ""))
        self.log_group = _native(variables, "AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream = _native(variables, "AWS_LAMBDA_LOG_STREAM_NAME")

    @classmethod
    def read(cls, variables: "Mapping[str, str]", handler: "str | None" = None) -> "Environment":
        """Read the variables; a handler given on the command line goes before _HANDLER."""
        runtime_api = variables.get("AWS_LAMBDA_RUNTIME_API")
        if not runtime_api:
            raise UsageError(NO_RUNTIME_API)
        return cls(Address.parse(runtime_api), handler or variables.get("_HANDLER", ""), variables)


def _native(variables: "Mapping[str, str]", name: str) -> "bytes | None":
    """The bytes that the variable has in the C environment, as the function is to see them."""
    value = variables.get(name)
    return os.fsencode(value) if value else None


def _megabytes(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and int(text) < 2**32 else 0
