"""The functions that `serve` is asked for: [NAME=]PROGRAM, and options that may be for one of them, [NAME=]VALUE."""

import argparse

from ..errors import UsageError
from . import config_file
from .env_file import EnvFiles
from .function_environment import function_environment, timeout_s
from .options import DEFAULT_CONCURRENCY, FunctionOptions
from .parsers import count
from .programs import find_executable, find_program, find_workspace
from .wanted_function import NAME_PATTERN, WantedFunction, name_fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..library import Handler
    from .options import Executable


def read_functions(given: argparse.Namespace, variables: "Mapping[str, str]") -> "tuple[FunctionOptions, ...]":
    """The functions of the arguments of `serve`. Raises `UsageError`."""
    env_files = EnvFiles()
    if given.config is not None:
        if given.functions:
            raise UsageError(f"--config names the functions; leave out {given.functions[0]!r}, or add it to the file")
        wanted = config_file.read(given.config, env_files)
    elif given.functions:
        wanted = _named_functions(given.functions)
    else:
        wanted = _unnamed_functions(given, variables, env_files)
    options = ScopedOptions(given, [each.name for each in wanted], env_files)
    return tuple(_find(each, options, variables) for each in wanted)


def _named_functions(texts: "Sequence[str]") -> "list[WantedFunction]":
    """What is given as NAME=PROGRAM. If there is one function, it needs no name."""
    found = []
    for text in texts:
        name, equals, program = text.partition("=")
        if not equals or not NAME_PATTERN.fullmatch(name):
            if len(texts) > 1:
                raise UsageError(f"{text!r} has no name; with several functions, each is given as NAME=LIBRARY")
            return [WantedFunction("", text)]
        if not program:
            raise UsageError(f"{text!r} names no library and no executable; expected NAME=LIBRARY")
        found.append(WantedFunction(name, program))
    _check_names([each.name for each in found])
    return found


def _unnamed_functions(
    given: argparse.Namespace, variables: "Mapping[str, str]", env_files: EnvFiles
) -> "list[WantedFunction]":
    """Those of the workspace in the current folder, or else the only function there, whatever it is."""
    environment = dict(variables)
    for path in given.env_file:
        if "=" not in path:  # what is for one function by its name does not say which function is meant
            environment.update(env_files.read(path))
    libraries = find_workspace(environment)
    _check_names(list(libraries))
    return [WantedFunction(name, path) for name, path in libraries.items()] or [WantedFunction("", "")]


def _check_names(names: "Sequence[str]") -> None:
    for fault in filter(None, (name_fault(name, names) for name in names)):
        raise UsageError(fault)


class ScopedOptions:
    """The values of --timeout, --concurrency and --env-file: for all functions, or for one, as NAME=VALUE."""

    def __init__(self, given: argparse.Namespace, names: "Sequence[str]", contents: EnvFiles) -> None:
        self._names = names
        self._contents = contents
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
                    found.update(self._contents.read(path))
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


def _find(wanted: WantedFunction, options: ScopedOptions, variables: "Mapping[str, str]") -> FunctionOptions:
    try:
        return _function(wanted, options, variables)
    except UsageError as error:
        raise UsageError(f"{wanted.source}{error}") from error


def _function(wanted: WantedFunction, options: ScopedOptions, variables: "Mapping[str, str]") -> FunctionOptions:
    """A function with its environment. What the command line says counts more than the file."""
    name = wanted.name
    own = {**wanted.environment, **options.variables(name)}
    environment = function_environment(variables, own, name, options.timeout(name) or wanted.timeout)
    program: Handler | Executable
    if wanted.is_executable:
        program = find_executable(wanted.program, wanted.arguments, environment, wanted.base)
    else:
        program = find_program(wanted.program, environment, wanted.base)
    concurrency = options.concurrency(name) or wanted.concurrency or DEFAULT_CONCURRENCY
    return FunctionOptions(program, environment, name=name, concurrency=concurrency, timeout_s=timeout_s(environment))
