"""The functions that `serve` is asked for: [NAME=]PROGRAM, and options that may be for one of them, [NAME=]VALUE."""

import argparse
import re

from ..errors import UsageError
from . import env_file
from .function_environment import function_environment, timeout_s
from .options import DEFAULT_CONCURRENCY, FunctionOptions
from .parsers import count
from .programs import find_program
from .served_functions import CLASSIC_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FUNCTION_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What a function on Lambda can be named."""


def read_functions(given: argparse.Namespace, variables: "Mapping[str, str]") -> "tuple[FunctionOptions, ...]":
    """The functions of the arguments of `serve`. Raises `UsageError`."""
    programs = _named_programs(given.functions or [""])
    options = ScopedOptions(given, [name for name, _ in programs])
    return tuple(_function(name, program, options, variables) for name, program in programs)


def _named_programs(texts: "Sequence[str]") -> "list[tuple[str, str]]":
    """Names and programs; the name is empty if there is one function, and none is given."""
    found = []
    for text in texts:
        name, equals, program = text.partition("=")
        if not equals or not FUNCTION_NAME.fullmatch(name):
            if len(texts) > 1:
                raise UsageError(f"{text!r} has no name; with several functions, each is given as NAME=LIBRARY")
            return [("", text)]
        if not program:
            raise UsageError(f"{text!r} names no library and no executable; expected NAME=LIBRARY")
        found.append((name, program))
    check_names([name for name, _ in found])
    return found


def check_names(names: "Sequence[str]") -> None:
    """Refuse names that cannot tell functions apart."""
    folded = [name.lower() for name in names]  # the names of hosts do not tell capitals from small letters
    for name in names:
        if folded.count(name.lower()) > 1:
            raise UsageError(f"two functions are named {name}; capital letters make no other name")
        if name == CLASSIC_NAME:
            raise UsageError(f"{CLASSIC_NAME} stands for the first function, whatever its name is; choose another name")


class ScopedOptions:
    """The values of --timeout, --concurrency and --env-file: for all functions, or for one, as NAME=VALUE."""

    def __init__(self, given: argparse.Namespace, names: "Sequence[str]") -> None:
        self._names = names
        self._timeouts = self._split("--timeout", given.timeout)
        self._concurrencies = self._split("--concurrency", given.concurrency)
        self._env_files = self._split("--env-file", given.env_file)

    def timeout(self, name: str) -> "str | None":
        """The time limit of a function as text, if there is one."""
        return _last(self._timeouts, name)

    def concurrency(self, name: str) -> "int | None":
        """The concurrency of a function, if it is given."""
        text = _last(self._concurrencies, name)
        try:
            return None if text is None else count(text)
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"argument --concurrency: {error}") from error

    def variables(self, name: str) -> "dict[str, str]":
        """The variables of a function in files; those of its own files override those of files for all."""
        found: dict[str, str] = {}
        for wanted in ("", name) if name else ("",):
            for scope, path in self._env_files:
                if scope == wanted:
                    found.update(env_file.read(path))
        return found

    def _split(self, option: str, texts: "Sequence[str]") -> "list[tuple[str, str]]":
        found = []
        for text in texts:
            scope, equals, value = text.partition("=")
            if not equals or (scope not in self._names and option == "--env-file"):  # a path may have a `=`
                scope, value = "", text
            if scope and scope not in self._names:
                raise UsageError(f"{option} {text}: there is no function {scope!r}; expected [NAME=]VALUE")
            if not value:
                raise UsageError(f"{option} has an empty value; give one, or leave the option out")
            found.append((scope, value))
        return found


def _last(values: "Sequence[tuple[str, str]]", name: str) -> "str | None":
    """The last value for a function, or else the last one for all."""
    own = [value for scope, value in values if scope == name]
    found = own or [value for scope, value in values if not scope]
    return found[-1] if found else None


def _function(name: str, program: str, options: ScopedOptions, variables: "Mapping[str, str]") -> FunctionOptions:
    environment = function_environment(variables, options.variables(name), name, options.timeout(name))
    found = find_program(program, environment)
    concurrency = options.concurrency(name) or DEFAULT_CONCURRENCY
    return FunctionOptions(found, environment, name=name, concurrency=concurrency, timeout_s=timeout_s(environment))
