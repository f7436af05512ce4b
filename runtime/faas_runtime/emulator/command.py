"""The command lines of `faas-runtime serve` and `faas-runtime invoke`, read into `Options`."""

import argparse
import math
import os
from dataclasses import dataclass

from ..check import has_folder
from ..errors import InitError, UsageError
from ..library import SUFFIX, Handler
from . import env_file
from .cors import ANY, normal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

PORT = 8080
CONCURRENCY = 10
TIMEOUT_LIMIT_S = 86400
ACCOUNT = "012345678912"
NO_CORS = "none"
# What AWS's emulator gives a function that was told nothing.
DEFAULTS = {
    "AWS_LAMBDA_FUNCTION_NAME": "test_function",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
    "AWS_LAMBDA_FUNCTION_TIMEOUT": "300",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/Functions",
    "AWS_LAMBDA_LOG_STREAM_NAME": "$LATEST",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
}
# What is the emulator's own: a runtime that saw it would start an emulator in turn.
PRIVATE = ("FAAS_RUNTIME_LISTEN", "AWS_LAMBDA_RUNTIME_API")


@dataclass(frozen=True)
class Options:
    """What is run and how; the function's part is the same for both commands."""

    handler: Handler
    """Where the library may lie (absolute paths, the first that exists counts), and the symbol."""
    environment: "Mapping[str, str]"
    """The child's environment variables, but for those that each process gets for itself."""
    concurrency: int = CONCURRENCY
    """Invocations at once, at most."""
    timeout_s: float = 300.0
    """The time that an invocation may take, and an init as well."""
    watch: bool = False
    """Whether the library is loaded anew when it changed."""
    host: str = "127.0.0.1"
    """An IP address or a host's name; `*`: all addresses."""
    port: int = PORT
    """0: a free one."""
    origins: "tuple[str, ...] | None" = ()
    """Origins that browsers may call from, beside those on this machine; None: CORS is the function's own business."""
    event: str = ""
    """invoke: a file with the event, `-` for standard input; nothing: none given."""
    sample: str = ""
    """invoke: the name of a sample event; nothing: none given."""
    repeat: int = 1
    """invoke: how often."""

    @property
    def function_name(self) -> str:
        """The configured name, as the child sees it."""
        return self.environment["AWS_LAMBDA_FUNCTION_NAME"]

    @property
    def version(self) -> str:
        """The function's version, such as $LATEST."""
        return self.environment["AWS_LAMBDA_FUNCTION_VERSION"]

    @property
    def memory_mb(self) -> int:
        """The memory size that lines and functions are told; nothing enforces it."""
        return int(self.environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])

    def arn(self, name: str = "", qualifier: str = "") -> str:
        """The ARN of the function under a name that it was called by; nothing: the configured one."""
        region = self.environment.get("AWS_REGION") or "us-east-1"
        arn = f"arn:aws:lambda:{region}:{ACCOUNT}:function:{name or self.function_name}"
        return f"{arn}:{qualifier}" if qualifier else arn


def run(name: str, arguments: "Sequence[str]") -> int:
    """Run `serve` or `invoke` with its arguments; returns the exit code."""
    options = read(name, arguments, os.environ)
    if name == "serve":
        from .serve import serve

        return serve(options)
    from .invoke import run as invoke

    return invoke(options)


def read(name: str, arguments: "Sequence[str]", variables: "Mapping[str, str]") -> Options:
    """Read the arguments of `serve` or `invoke`; raises UsageError, or SystemExit(0) after --help."""
    given = _parser(name, variables).parse_args(arguments)
    environment = _environment(given, variables)
    common = {
        "environment": environment,
        "handler": _handler(given.function, environment),
        "timeout_s": _seconds(environment),
        "concurrency": given.concurrency,
    }
    _number(environment, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    if name == "invoke":
        return Options(**common, event=given.event, sample=given.sample, repeat=given.repeat)
    host, port = _listen(given, variables)
    origins = None if NO_CORS in given.cors else tuple(given.cors)
    return Options(**common, watch=given.watch, host=host, port=port, origins=origins)


class _Parser(argparse.ArgumentParser):
    """One that leaves printing and exit codes to `main`."""

    def error(self, message: str) -> "NoReturn":
        raise UsageError(f"{message}\n{self.format_usage().rstrip()}")


def _parser(name: str, variables: "Mapping[str, str]") -> _Parser:
    about = {
        "serve": "Run a function behind an emulator of AWS Lambda: its Invoke API, and HTTP for web functions.",
        "invoke": "Run a function for one event: its answer goes to standard output, its log to standard error.",
    }
    parser = _Parser(prog=f"faas-runtime {name}", description=about[name], allow_abbrev=False)
    parser.add_argument(
        "function",
        metavar="LIBRARY[.HANDLER]",
        nargs="?" if name == "serve" else None,
        default="",
        help=f"a path such as ./libmine{SUFFIX}, or a name such as mine.handle in $LAMBDA_TASK_ROOT (default: here)",
    )
    timeout = variables.get("AWS_LAMBDA_FUNCTION_TIMEOUT") or DEFAULTS["AWS_LAMBDA_FUNCTION_TIMEOUT"]
    parser.add_argument("--timeout", metavar="S", help=f"seconds that an invocation may take (default: {timeout})")
    parser.add_argument(
        "--env-file", metavar="F", help="environment variables for the function: KEY=VALUE lines, as docker reads them"
    )
    if name == "invoke":
        event = parser.add_mutually_exclusive_group()
        event.add_argument("--event", metavar="FILE", default="", help="the event; - reads it from standard input")
        event.add_argument(
            "--sample", metavar="NAME", default="", help="an event as a service sends it: apigw-v2, sqs, …"
        )
        parser.add_argument(
            "--repeat", metavar="N", type=_count, default=1, help="invoke so many times, and tell latencies"
        )
        parser.set_defaults(concurrency=1)
    else:
        _add_listening(parser)
    return parser


def _add_listening(parser: _Parser) -> None:
    """The options of `serve` alone."""
    parser.add_argument("--host", help="address to listen on, * for all (default: 127.0.0.1)")
    parser.add_argument(
        "--port", metavar="P", type=_port, help=f"port to listen on, 0 for a free one (default: {PORT})"
    )
    parser.add_argument(
        "--concurrency",
        metavar="N",
        type=_count,
        default=CONCURRENCY,
        help=f"invocations at once, at most (default: {CONCURRENCY})",
    )
    parser.add_argument("--watch", action="store_true", help="load the library anew when it changed")
    parser.add_argument(
        "--cors",
        metavar="ORIGIN",
        type=_origin,
        action="append",
        default=[],
        help="an origin that browsers may call from beside this machine's own, * for any, "
        f"{NO_CORS} to leave it to the function; may be given several times",
    )


def _environment(given: argparse.Namespace, variables: "Mapping[str, str]") -> "dict[str, str]":
    """What the function sees: what the emulator itself was given, the file's variables, and what Lambda always sets."""
    environment = {name: value for name, value in variables.items() if name not in PRIVATE}
    if given.env_file is not None:
        environment.update(env_file.read(given.env_file))
    for name, value in DEFAULTS.items():
        if not environment.get(name):
            environment[name] = value
    if given.timeout is not None:
        environment["AWS_LAMBDA_FUNCTION_TIMEOUT"] = given.timeout
    return environment


def _handler(name: str, environment: "dict[str, str]") -> Handler:
    """Find the library as `check` does, and tell the child what Lambda would tell it."""
    root = environment.get("LAMBDA_TASK_ROOT", "")
    is_path = bool(name) and (os.path.exists(name) or has_folder(name))
    name = name or environment.get("AWS_LAMBDA_FUNCTION_HANDLER") or environment.get("_HANDLER", "")
    try:
        handler = Handler.parse(name, os.path.abspath("" if is_path else root))
        root = os.path.abspath(root or (os.path.dirname(handler.paths[0]) if is_path else ""))
    except OSError as error:
        raise UsageError(f"the current folder cannot be told: {error}. Go to one that exists") from error
    except InitError as error:
        if name:
            raise
        what = error.message.partition("; ")[0]  # its remedy is for those who give no command line
        raise UsageError(f"{what}; name one: LIBRARY[.HANDLER]") from error
    environment["LAMBDA_TASK_ROOT"] = root
    stem = os.path.basename(handler.paths[0])[: -len(SUFFIX)]
    environment["_HANDLER"] = name if name and not is_path else f"{stem.removeprefix('lib')}.{handler.symbol}"
    return handler


def _seconds(environment: "Mapping[str, str]") -> float:
    text = environment["AWS_LAMBDA_FUNCTION_TIMEOUT"]
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= TIMEOUT_LIMIT_S:
        raise UsageError(
            f"the time limit is {text!r}; give --timeout seconds above 0 and up to {TIMEOUT_LIMIT_S} (a day), "
            "such as --timeout 30"
        )
    return seconds


def _number(environment: "Mapping[str, str]", name: str) -> None:
    text = environment[name]
    if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) < 2**32):
        raise UsageError(f"{name} is {text!r}; set it to a whole number of megabytes, such as 128, or not at all")


def _listen(given: argparse.Namespace, variables: "Mapping[str, str]") -> "tuple[str, int]":
    """Where to listen: what the command line leaves open is FAAS_RUNTIME_LISTEN's, as in an image."""
    host, port = "127.0.0.1", PORT
    text = variables.get("FAAS_RUNTIME_LISTEN", "")
    if text:
        host, _, number = text.rpartition(":")
        host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        try:
            port = _port(number)
        except argparse.ArgumentTypeError:
            host = ""
        if not host:
            raise UsageError(f"FAAS_RUNTIME_LISTEN is {text!r}; set it to HOST:PORT, such as 127.0.0.1:8080 or *:8080")
    return (host if given.host is None else given.host), (port if given.port is None else given.port)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def _origin(text: str) -> str:
    try:
        return text if text == NO_CORS else normal(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, {ANY} for any, or {NO_CORS}") from error


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of one or more")
    return int(text)
