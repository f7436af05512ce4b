"""The file of `serve --config`: functions in JSON.

    {"functions": {"api": {"library": "target/release/libapi.so", "timeout": 30, "environment": {"TABLE": "orders"}}}}

Each fault is reported with the path of its key. Paths in the file are relative to its folder.
"""

import json
import os

from ..errors import UsageError
from .function_environment import TIMEOUT_LIMIT_S
from .size_limits import TOO_DEEP
from .wanted_function import WantedFunction, name_fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .env_file import EnvFiles

FUNCTIONS = "functions"
KEYS = ("library", "executable", "arguments", "environment", "environmentFile", "timeout", "concurrency")
_TEXT, _OBJECT = "a text", "an object"
_BYTE_ORDER_MARK = "\ufeff"  # which some editors put first
_SECONDS = f"a number of seconds above 0 and up to {TIMEOUT_LIMIT_S} (a day)"


class _DuplicateKey(Exception):
    """Two keys of one object are the same."""


def read(path: str, env_files: "EnvFiles") -> "list[WantedFunction]":
    """Read the file. One `UsageError` reports all its faults, each as `FILE: KEY: fault`."""
    content = _parse(path)
    faults = _Faults(path)
    found = faults.take(content, "", FUNCTIONS, _OBJECT, _is_object)
    if isinstance(content, dict):
        faults.refuse_others(content, "", (FUNCTIONS,))
    functions = []
    if isinstance(found, dict):
        if not found:
            faults.add(FUNCTIONS, "is empty; name at least one function")
        for name, entry in found.items():
            functions.append(_function(name, entry, list(found), path, env_files, faults))
    if faults.lines:
        raise UsageError("\n".join(faults.lines))
    return functions


def _parse(path: str) -> object:
    try:
        with open(path, "rb") as file:
            text = file.read().decode("utf-8")
        return json.loads(text.removeprefix(_BYTE_ORDER_MARK), object_pairs_hook=_object)
    except OSError as error:
        raise UsageError(f"{path}: the file of functions cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}:{error.lineno}:{error.colno}: it is not JSON: {error.msg}") from error
    except _DuplicateKey as error:
        raise UsageError(f"{path}: the key {str(error)!r} is there twice in one object") from error
    except ValueError as error:
        raise UsageError(f"{path}: it is not JSON: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{path}: it is {TOO_DEEP}") from error


def _object(pairs: "list[tuple[str, object]]") -> "dict[str, object]":
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise _DuplicateKey(name)
        found[name] = value
    return found


class _Faults:
    """What is wrong with the file."""

    def __init__(self, path: str) -> None:
        self.lines: list[str] = []
        self._path = path

    def add(self, key: str, fault: str) -> None:
        """Add a fault of the value at a key, such as `functions.api.timeout`."""
        self.lines.append(f"{self._path}: {key or 'the file'}: {fault}")

    def take(
        self, holder: object, at: str, name: str, expected: str, is_right: "Callable[[object], bool]"
    ) -> "object | None":
        """The value of a key in the object at `at`; None if there is none, or a wrong one, which is a fault."""
        if not isinstance(holder, dict):
            self.add(at, f"is {_shown(holder)}; expected an object")
            return None
        key = f"{at}.{name}" if at else name
        value: object = holder.get(name)
        if name not in holder:
            if name == FUNCTIONS:
                self.add(key, "is missing; expected an object with a key for each function")
            return None
        if not is_right(value):
            self.add(key, f"is {_shown(value)}; expected {expected}")
            return None
        return value

    def refuse_others(self, holder: "dict[str, object]", at: str, known: "tuple[str, ...]") -> None:
        """Refuse keys that nothing reads, such as those with a typing error."""
        for name in holder:
            if name not in known:
                self.add(f"{at}.{name}" if at else name, f"is not a key; the keys are {', '.join(known)}")


def _function(
    name: str, entry: object, names: "list[str]", path: str, env_files: "EnvFiles", faults: _Faults
) -> WantedFunction:
    at, base = f"{FUNCTIONS}.{name}", os.path.dirname(path)
    fault = name_fault(name, names)
    if fault:
        faults.add(at, fault)
    library = faults.take(entry, at, "library", _TEXT, _is_text)
    if not isinstance(entry, dict):
        return WantedFunction(name, "")
    executable = faults.take(entry, at, "executable", _TEXT, _is_text)
    if ("library" in entry) == ("executable" in entry):
        faults.add(at, "needs either library or executable")
    arguments = faults.take(entry, at, "arguments", "a list of texts", _is_list_of_texts)
    if arguments is not None and "executable" not in entry:
        faults.add(f"{at}.arguments", "is for an executable only")
    timeout = faults.take(entry, at, "timeout", _SECONDS, _is_time_limit)
    concurrency = faults.take(entry, at, "concurrency", "a whole number of at least 1", _is_count)
    faults.refuse_others(entry, at, KEYS)
    return WantedFunction(
        name,
        str(executable or library or ""),
        is_executable=executable is not None,
        arguments=arguments if isinstance(arguments, list) else (),
        environment=_environment(entry, at, base, env_files, faults),
        timeout=None if timeout is None else str(timeout),
        concurrency=concurrency if isinstance(concurrency, int) else None,
        base=base,
        source=f"{path}: {at}: ",
    )


def _environment(
    entry: "dict[str, object]", at: str, base: str, env_files: "EnvFiles", faults: _Faults
) -> "dict[str, str]":
    """The variables of a file, and those in the entry itself, which override them."""
    variables: dict[str, str] = {}
    file = faults.take(entry, at, "environmentFile", _TEXT, _is_text)
    if isinstance(file, str):
        try:
            variables.update(env_files.read(os.path.join(base, file)))
        except UsageError as error:
            faults.add(f"{at}.environmentFile", str(error))
    given = faults.take(entry, at, "environment", _OBJECT, _is_object)
    for name, value in given.items() if isinstance(given, dict) else ():
        if not name or "=" in name or "\0" in name:
            faults.add(f"{at}.environment", f"{name!r:.80} cannot be the name of a variable")
        elif not isinstance(value, str) or "\0" in value:
            faults.add(f"{at}.environment.{name}", f"is {_type(value)}; expected a text without NUL, in quotes")
        else:
            variables[name] = value
    return variables


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and "\0" not in value


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) and "\0" not in each for each in value)


def _is_time_limit(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= TIMEOUT_LIMIT_S


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9


def _shown(value: object) -> str:
    """A value as it is in JSON, if it is short."""
    text = json.dumps(value)
    return text if len(text) <= 40 else _type(value)


def _type(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
