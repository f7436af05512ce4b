"""The parsers of the command lines of `faas-runtime serve` and `faas-runtime invoke`."""

import argparse
import re
import shlex

from ..command_parser import CommandParser
from ..errors import UsageError
from ..http_server.cors import ANY, normalize_origin
from ..library import SUFFIX
from .function_environment import DEFAULTS
from .options import DEFAULT_CONCURRENCY, DEFAULT_HTTP_FORMAT, DEFAULT_PORT, DEFAULT_STAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NO_CORS = "none"
_DEFAULT = "(default: the only library in the current folder, or what the project there has built)"
_DEFAULTS = f"{_DEFAULT[:-1]}; of a cargo workspace, all its functions, by the names of their crates)"
_PATHS = f"a path such as ./libmine{SUFFIX}, or a name such as mine.handle in $LAMBDA_TASK_ROOT"


def parse_serve(arguments: "Sequence[str]", variables: "Mapping[str, str]") -> argparse.Namespace:
    """The arguments of `serve`; raises `UsageError`, or SystemExit(0) after --help."""
    parser = CommandParser(
        prog="faas-runtime serve",
        description="Run functions behind an emulator of AWS Lambda: the Invoke API, and HTTP for web functions.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "functions",
        metavar="[NAME=]LIBRARY[.HANDLER]",
        nargs="*",
        help=f"{_PATHS}; or the path of an executable that speaks the Runtime API {_DEFAULTS}",
    )
    _add_common_options(parser, variables, "append", "[NAME=]", "; NAME= in front: for this function alone")
    parser.add_argument("--config", metavar="FILE", help="a JSON file that names the functions, and what each needs")
    _add_serve_options(parser)
    given = _refuse_empty(parser.parse_args(arguments), ("build", "config", "host"))
    if given.build is not None and not given.watch:
        parser.error("--build runs when sources change; add --watch")
    if given.build is not None and not given.functions and given.config is None:
        parser.error(
            "--build needs the path of what it makes: "
            f"serve target/debug/libmine{SUFFIX} --watch --build {shlex.quote(given.build)}"
        )
    if given.stage is not None and given.http == "alb":
        parser.error("--stage is for API Gateway; a load balancer has no stages")
    return given


def parse_invoke(arguments: "Sequence[str]", variables: "Mapping[str, str]") -> argparse.Namespace:
    """The arguments of `invoke`; raises `UsageError`, or SystemExit(0) after --help."""
    parser = CommandParser(
        prog="faas-runtime invoke",
        description="Run a function for one event. Its response goes to standard output, its log to standard error.",
        allow_abbrev=False,
    )
    parser.add_argument("function", metavar="LIBRARY[.HANDLER]", nargs="?", help=f"{_PATHS} {_DEFAULT}")
    parser.add_argument(
        "--function", metavar="NAME", dest="name", help="invoke a function of a running `faas-runtime serve` instead"
    )
    parser.add_argument(
        "--address", metavar="HOST:PORT", help=f"where that one listens (default: 127.0.0.1:{DEFAULT_PORT})"
    )
    _add_common_options(parser, variables)
    event = parser.add_mutually_exclusive_group()
    event.add_argument("--event", metavar="FILE", help="the event; - reads it from standard input")
    event.add_argument(
        "--data", metavar="JSON", help="the event itself, such as '{\"a\":1}'; @FILE reads it from a file"
    )
    event.add_argument("--sample", metavar="NAME", help="a sample event as a service sends it: apigw-v2, sqs, …")
    parser.add_argument("--repeat", metavar="N", type=count, default=1, help="invoke N times, and print latencies")
    given = parser.parse_args(arguments)
    _refuse_empty(given, ("event", "data", "sample", "env_file", "timeout", "name", "address"))
    if fault := _invoke_fault(given):
        parser.error(fault)
    return given


def _invoke_fault(given: argparse.Namespace) -> str:
    """What is wrong with the arguments of `invoke` together; empty if nothing is."""
    if given.name is None:
        if given.address is not None:
            return "--address is for --function; name the function, or leave it out"
        return ""
    if given.function is not None:
        return f"--function invokes a running function, so there is nothing to load: leave out {given.function!r}"
    for option, value in (("--timeout", given.timeout), ("--env-file", given.env_file)):
        if value is not None:
            return f"{option} is an option of the running serve; give it there"
    return ""


def _refuse_empty(given: argparse.Namespace, names: "Sequence[str]") -> argparse.Namespace:
    """Refuse options with an empty value, such as that of an unset variable of a shell."""
    for name in names:
        if getattr(given, name) == "":
            option = "function" if name == "name" else name.replace("_", "-")
            raise UsageError(f"--{option} has an empty value; give one, or leave the option out")
    return given


def _add_common_options(
    parser: CommandParser, variables: "Mapping[str, str]", action: str = "store", scope: str = "", more: str = ""
) -> None:
    """Add the options that both commands have. `scope` and `more` say how they are given for one function."""
    default: list[str] | None = [] if action == "append" else None
    timeout = variables.get("AWS_LAMBDA_FUNCTION_TIMEOUT") or DEFAULTS["AWS_LAMBDA_FUNCTION_TIMEOUT"]
    parser.add_argument(
        "--timeout",
        metavar=f"{scope}S",
        action=action,
        default=default,
        help=f"seconds that an invocation may take (default: {timeout}){more}",
    )
    parser.add_argument(
        "--env-file",
        metavar=f"{scope}F",
        action=action,
        default=default,
        help=f"environment variables for the function: KEY=VALUE lines, as docker reads them{more}",
    )


def _add_serve_options(parser: CommandParser) -> None:
    """Add the options that only `serve` has."""
    parser.add_argument("--host", help="address to listen on, * for all addresses (default: 127.0.0.1)")
    parser.add_argument(
        "--port", metavar="P", type=port, help=f"port to listen on, 0 for a free one (default: {DEFAULT_PORT})"
    )
    parser.add_argument(
        "--concurrency",
        metavar="[NAME=]N",
        action="append",
        default=[],
        help=f"most invocations at once of each function (default: {DEFAULT_CONCURRENCY})",
    )
    parser.add_argument("--watch", action="store_true", help="load the library again when it has changed")
    parser.add_argument(
        "--build",
        metavar="COMMAND",
        help="with --watch: build with this command when files below the current folder have changed",
    )
    parser.add_argument(
        "--http",
        choices=("2.0", "1.0", "alb"),
        default=DEFAULT_HTTP_FORMAT,
        help="format of the events for HTTP requests: those of API Gateway, or of a load balancer (default: 2.0)",
    )
    parser.add_argument("--stage", metavar="NAME", type=_stage, help=f"stage of the API (default: {DEFAULT_STAGE})")
    parser.add_argument(
        "--cors",
        metavar="ORIGIN",
        type=_origin,
        action="append",
        default=[],
        help="an origin whose web pages may call, in addition to those of this machine; * for any origin, "
        f"{NO_CORS} to let the function decide; can be given several times",
    )


def port(text: str) -> int:
    """A port from 0 on."""
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; expected a number from 0 to 65535")
    return int(text)


def count(text: str) -> int:
    """A number of at least 1."""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def _stage(text: str) -> str:
    if text != DEFAULT_STAGE and not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a stage; expected letters, digits, - and _, or $default")
    return text


def _origin(text: str) -> str:
    try:
        return text if text == NO_CORS else normalize_origin(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, {ANY} for any, or {NO_CORS}") from error
