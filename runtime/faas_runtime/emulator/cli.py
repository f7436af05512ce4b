"""The command lines of `faas-runtime serve` and `faas-runtime invoke`, read into options."""

import argparse
import os
import re

from ..errors import UsageError
from . import env_file
from .event_input import read_event
from .function_arguments import read_functions
from .function_environment import function_environment, timeout_s
from .function_name import NAME_PATTERN
from .options import DEFAULT_PORT, DEFAULT_STAGE, EventOptions, FunctionOptions, ServeOptions
from .parsers import NO_CORS, parse_invoke, parse_serve, port
from .programs import find_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def run(name: str, arguments: "Sequence[str]") -> int:
    """Run `serve` or `invoke` with its arguments; returns the exit code."""
    if name == "serve":
        from .serve import serve

        return serve(read_serve(arguments, os.environ))
    given = parse_invoke(arguments, os.environ)
    wanted = EventOptions(
        event=given.event or "", data=given.data or "", sample=given.sample or "", repeat=given.repeat
    )
    event = read_event(wanted)
    if given.name is not None:
        from .running_emulator import invoke_running

        return invoke_running(_checked_name(given.name), _running_address(given, os.environ), event, wanted)
    from .invoke import invoke

    return invoke(_only_function(given, os.environ), event, wanted.repeat)


def read_serve(arguments: "Sequence[str]", variables: "Mapping[str, str]") -> ServeOptions:
    """Read the arguments of `serve`; raises UsageError, or SystemExit(0) after --help."""
    given = parse_serve(arguments, variables)
    functions = read_functions(given, variables)
    host, number = _address(given, variables)
    origins = None if NO_CORS in given.cors else tuple(given.cors)
    return ServeOptions(
        functions,
        watch=given.watch,
        host=host,
        port=number,
        origins=origins,
        http_format=given.http,
        stage=given.stage or DEFAULT_STAGE,
        build=given.build or "",
    )


def _only_function(given: argparse.Namespace, variables: "Mapping[str, str]") -> FunctionOptions:
    """The function that `invoke` loads."""
    own = {} if given.env_file is None else env_file.read(given.env_file)
    environment = function_environment(variables, own, timeout=given.timeout)
    program = find_program(given.function or "", environment)
    return FunctionOptions(program, environment, concurrency=1, timeout_s=timeout_s(environment))


def _address(given: argparse.Namespace, variables: "Mapping[str, str]") -> "tuple[str, int]":
    """The host and the port to listen on. FAAS_RUNTIME_LISTEN, which images set, replaces the defaults."""
    host, number = default_address(variables)
    return _host(host if given.host is None else given.host), (number if given.port is None else given.port)


def default_address(variables: "Mapping[str, str]") -> "tuple[str, int]":
    """The host and the port in FAAS_RUNTIME_LISTEN, or those of a `serve` without options."""
    text = variables.get("FAAS_RUNTIME_LISTEN", "")
    if not text:
        return "127.0.0.1", DEFAULT_PORT
    host, _, number = text.rpartition(":")
    try:
        found = port(number)
    except argparse.ArgumentTypeError:
        host = ""
    if not host:
        raise UsageError(f"FAAS_RUNTIME_LISTEN is {text!r}; set it to HOST:PORT, such as 127.0.0.1:8080 or *:8080")
    return host, found


def _checked_name(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name, re.ASCII):
        raise UsageError(f"{name!r} is not the name of a function; expected letters, digits, - and _, or an ARN")
    return name


def _running_address(given: argparse.Namespace, variables: "Mapping[str, str]") -> "tuple[str, int]":
    """Where the emulator listens that is to be asked: as given, or where a `serve` without options listens."""
    host, number = default_address(variables)
    if given.address is not None:
        host, _, digits = given.address.removeprefix("http://").rstrip("/").rpartition(":")
        try:
            number = port(digits)
        except argparse.ArgumentTypeError:
            host = ""
        if not host:
            raise UsageError(f"--address is {given.address!r}; expected HOST:PORT, such as 127.0.0.1:8080")
    host = _host(host)
    return ("127.0.0.1" if host in ("*", "0.0.0.0") else host), number  # noqa: S104


def _host(text: str) -> str:
    """The host without the brackets of an IPv6 address; `*` for IPv6's address of all addresses."""
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    return "*" if ":" in host and not host.strip("0:") else host
