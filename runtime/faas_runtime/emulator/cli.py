"""The command lines of `faas-runtime serve` and `faas-runtime invoke`, read into `EmulatorOptions`."""

import argparse
import math
import os
import re

from ..command_line import has_folder
from ..errors import InitError, UsageError
from ..http_server.cors import ANY, normalize_origin
from ..library import SUFFIX, Handler
from . import env_file
from .options import DEFAULT_CONCURRENCY, DEFAULT_PORT, DEFAULT_REGION, EmulatorOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

TIMEOUT_LIMIT_S = 86400
NO_CORS = "none"
# The values that AWS's emulator sets.
DEFAULTS = {
    "AWS_LAMBDA_FUNCTION_NAME": "test_function",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
    "AWS_LAMBDA_FUNCTION_TIMEOUT": "300",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/Functions",
    "AWS_LAMBDA_LOG_STREAM_NAME": "$LATEST",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
}
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")  # Lambda sets both, to the same value
# The characters that are allowed in values that become headers.
_IN_HEADERS = {
    "AWS_LAMBDA_FUNCTION_NAME": (re.compile(r"[A-Za-z0-9._-]+"), "letters, digits, `-`, `_` and `.`"),
    "AWS_LAMBDA_FUNCTION_VERSION": (re.compile(r"[A-Za-z0-9$._-]+"), "a number, or $LATEST"),
    **dict.fromkeys(REGIONS, (re.compile(r"[A-Za-z0-9-]+"), "a region such as us-east-1")),
}
# Variables of the emulator itself: a runtime that saw the first one would start an emulator in turn.
PRIVATE = ("FAAS_RUNTIME_LISTEN", "AWS_LAMBDA_RUNTIME_API")


def run(name: str, arguments: "Sequence[str]") -> int:
    """Run `serve` or `invoke` with its arguments; returns the exit code."""
    options = read(name, arguments, os.environ)
    if name == "serve":
        from .serve import serve

        return serve(options)
    from .invoke import invoke

    return invoke(options)


def read(name: str, arguments: "Sequence[str]", variables: "Mapping[str, str]") -> EmulatorOptions:
    """Read the arguments of `serve` or `invoke`; raises UsageError, or SystemExit(0) after --help."""
    given = _parser(name, variables).parse_args(arguments)
    _refuse_empty(given)
    environment = _environment(given, variables)
    common = {
        "environment": environment,
        "handler": _handler(given.function, environment),
        "timeout_s": _timeout_s(environment),
        "concurrency": given.concurrency,
    }
    _check_megabytes(environment, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    if name == "invoke":
        return EmulatorOptions(**common, event=given.event or "", sample=given.sample or "", repeat=given.repeat)
    host, port = _address(given, variables)
    origins = None if NO_CORS in given.cors else tuple(given.cors)
    return EmulatorOptions(**common, watch=given.watch, host=host, port=port, origins=origins)


def _refuse_empty(given: argparse.Namespace) -> None:
    """Refuse options with an empty value, such as that of an unset variable of a shell."""
    for name in ("event", "sample", "env_file", "timeout", "host"):
        if getattr(given, name, None) == "":
            raise UsageError(f"--{name.replace('_', '-')} has an empty value; give one, or leave the option out")


class _CommandParser(argparse.ArgumentParser):
    """A parser that leaves printing and exit codes to `main`."""

    def error(self, message: str) -> "NoReturn":
        raise UsageError(f"{message}\n{self.format_usage().rstrip()}")


def _parser(name: str, variables: "Mapping[str, str]") -> _CommandParser:
    descriptions = {
        "serve": "Run a function behind an emulator of AWS Lambda: the Invoke API, and HTTP for web functions.",
        "invoke": "Run a function for one event. Its response goes to standard output, its log to standard error.",
    }
    parser = _CommandParser(prog=f"faas-runtime {name}", description=descriptions[name], allow_abbrev=False)
    parser.add_argument(
        "function",
        metavar="LIBRARY[.HANDLER]",
        nargs="?" if name == "serve" else None,
        default="",
        help=f"a path such as ./libmine{SUFFIX}, or a name such as mine.handle in $LAMBDA_TASK_ROOT"
        + (" (default: the only library in the current folder)" if name == "serve" else ""),
    )
    timeout = variables.get("AWS_LAMBDA_FUNCTION_TIMEOUT") or DEFAULTS["AWS_LAMBDA_FUNCTION_TIMEOUT"]
    parser.add_argument("--timeout", metavar="S", help=f"seconds that an invocation may take (default: {timeout})")
    parser.add_argument(
        "--env-file", metavar="F", help="environment variables for the function: KEY=VALUE lines, as docker reads them"
    )
    if name == "invoke":
        event = parser.add_mutually_exclusive_group()
        event.add_argument("--event", metavar="FILE", help="the event; - reads it from standard input")
        event.add_argument("--sample", metavar="NAME", help="a sample event as a service sends it: apigw-v2, sqs, …")
        parser.add_argument("--repeat", metavar="N", type=_count, default=1, help="invoke N times, and print latencies")
        parser.set_defaults(concurrency=1)
    else:
        _add_serve_options(parser)
    return parser


def _add_serve_options(parser: _CommandParser) -> None:
    """Add the options that only `serve` has."""
    parser.add_argument("--host", help="address to listen on, * for all addresses (default: 127.0.0.1)")
    parser.add_argument(
        "--port", metavar="P", type=_port, help=f"port to listen on, 0 for a free one (default: {DEFAULT_PORT})"
    )
    parser.add_argument(
        "--concurrency",
        metavar="N",
        type=_count,
        default=DEFAULT_CONCURRENCY,
        help=f"most invocations at once (default: {DEFAULT_CONCURRENCY})",
    )
    parser.add_argument("--watch", action="store_true", help="load the library again when it has changed")
    parser.add_argument(
        "--cors",
        metavar="ORIGIN",
        type=_origin,
        action="append",
        default=[],
        help="an origin whose web pages may call, in addition to those of this machine; * for any origin, "
        f"{NO_CORS} to let the function decide; can be given several times",
    )


def _environment(given: argparse.Namespace, variables: "Mapping[str, str]") -> "dict[str, str]":
    """The function's variables: those of this process, those of the file, and those that Lambda always sets.

    The time zone and the language of this machine are left out: on Lambda, the function has others.
    """
    environment = {name: value for name, value in variables.items() if name not in PRIVATE and not _is_locale(name)}
    if given.env_file is not None:
        environment.update(env_file.read(given.env_file))
    _check_headers(environment)
    region = next(filter(None, map(environment.get, REGIONS)), DEFAULT_REGION)
    environment.update(dict.fromkeys(REGIONS, region))
    for name, value in DEFAULTS.items():
        if not environment.get(name):
            environment[name] = value
    if given.timeout is not None:
        environment["AWS_LAMBDA_FUNCTION_TIMEOUT"] = given.timeout
    return environment


def _is_locale(name: str) -> bool:
    return name in ("LANG", "LANGUAGE", "TZ") or name.startswith("LC_")


def _check_headers(environment: "Mapping[str, str]") -> None:
    """Refuse values that would break the headers that they are sent in."""
    for name, (pattern, expected) in _IN_HEADERS.items():
        value = environment.get(name)
        if value and not pattern.fullmatch(value):
            raise UsageError(f"{name} is {value[:80]!r}; set it to {expected}, or not at all")


def _handler(name: str, environment: "dict[str, str]") -> Handler:
    """Find the library as `check` does, and set the variables that Lambda would set for it."""
    root = environment.get("LAMBDA_TASK_ROOT", "")
    is_path = bool(name) and (os.path.exists(name) or has_folder(name))
    name = name or environment.get("AWS_LAMBDA_FUNCTION_HANDLER") or environment.get("_HANDLER", "")
    try:
        handler = Handler.parse(name, os.path.abspath("" if is_path else root))
        root = os.path.abspath(root or (os.path.dirname(handler.paths[0]) if is_path else ""))
    except OSError as error:
        raise UsageError(f"the current folder cannot be determined: {error}. Change to a folder that exists") from error
    except InitError as error:
        if name:
            raise
        fault = error.message.partition("; ")[0]  # what follows is for Lambda, where there is no command line
        raise UsageError(f"{fault}; name one: LIBRARY[.HANDLER]") from error
    environment["LAMBDA_TASK_ROOT"] = root
    stem = os.path.basename(handler.paths[0])[: -len(SUFFIX)]
    environment["_HANDLER"] = name if name and not is_path else f"{stem.removeprefix('lib')}.{handler.symbol}"
    return handler


def _timeout_s(environment: "Mapping[str, str]") -> float:
    text = environment["AWS_LAMBDA_FUNCTION_TIMEOUT"]
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= TIMEOUT_LIMIT_S:
        raise UsageError(
            f"the timeout is {text!r}; set it to a number of seconds above 0 and up to {TIMEOUT_LIMIT_S} (a day), "
            "such as --timeout 30"
        )
    return seconds


def _check_megabytes(environment: "Mapping[str, str]", name: str) -> None:
    text = environment[name]
    if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) < 2**32):
        raise UsageError(f"{name} is {text!r}; set it to a whole number of megabytes, such as 128, or not at all")


def _address(given: argparse.Namespace, variables: "Mapping[str, str]") -> "tuple[str, int]":
    """The host and the port to listen on. FAAS_RUNTIME_LISTEN, which images set, replaces the defaults."""
    host, port = "127.0.0.1", DEFAULT_PORT
    text = variables.get("FAAS_RUNTIME_LISTEN", "")
    if text:
        host, _, number = text.rpartition(":")
        try:
            port = _port(number)
        except argparse.ArgumentTypeError:
            host = ""
        if not host:
            raise UsageError(f"FAAS_RUNTIME_LISTEN is {text!r}; set it to HOST:PORT, such as 127.0.0.1:8080 or *:8080")
    return _host(host if given.host is None else given.host), (port if given.port is None else given.port)


def _host(text: str) -> str:
    """The host without the brackets of an IPv6 address; `*` for IPv6's address of all addresses."""
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    return "*" if ":" in host and not host.strip("0:") else host


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; expected a number from 0 to 65535")
    return int(text)


def _origin(text: str) -> str:
    try:
        return text if text == NO_CORS else normalize_origin(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, {ANY} for any, or {NO_CORS}") from error


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)
