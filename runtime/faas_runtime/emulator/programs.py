"""What a function is run from: the library of a handler, or an executable that speaks the Runtime API."""

import os
import sys

from ..command_line import has_folder
from ..errors import InitError, UsageError
from ..library import SUFFIX, Handler
from .options import Executable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_MANIFEST = "Cargo.toml"
_NAMING = ("LAMBDA_TASK_ROOT", "AWS_LAMBDA_FUNCTION_HANDLER", "_HANDLER")
"""The variables of which each says which function is meant, or where it is."""
_WINDOWS_PROGRAMS = (".exe", ".cmd", ".bat")


def find_program(text: str, environment: "dict[str, str]", base: str = "") -> "Handler | Executable":
    """The program that a text names, with the variables that Lambda would set for it. Raises `UsageError`.

    Paths are relative to `base`, a folder; empty: the current one.
    """
    path = os.path.join(base, text)
    if not text or not os.path.isfile(path) or is_library_name(text):
        return find_handler(text, environment, base)
    if not _is_executable(path):
        raise UsageError(
            f"{path} is neither a library, whose name ends in {SUFFIX}, nor executable; if it is a program that "
            "speaks the Runtime API, make it executable"
        )
    return find_executable(text, (), environment, base)


def find_executable(text: str, arguments: "tuple[str, ...]", environment: "dict[str, str]", base: str) -> Executable:
    """An executable, with the variables that Lambda would set for it."""
    path = os.path.abspath(os.path.join(base, text))
    environment["LAMBDA_TASK_ROOT"] = os.path.abspath(environment.get("LAMBDA_TASK_ROOT") or os.path.dirname(path))
    environment["_HANDLER"] = environment.get("_HANDLER") or os.path.basename(path)
    return Executable(path, arguments)


def find_handler(name: str, environment: "dict[str, str]", base: str = "") -> Handler:
    """The handler of a library, found as `check` does, with the variables that Lambda would set for it."""
    root = environment.get("LAMBDA_TASK_ROOT", "") or base
    is_path = bool(name) and (os.path.exists(os.path.join(base, name)) or has_folder(name))
    name = name or environment.get("AWS_LAMBDA_FUNCTION_HANDLER") or environment.get("_HANDLER", "")
    try:
        if not name and not root:
            name = _of_project()
            is_path = bool(name)
        handler = Handler.parse(name, os.path.abspath(base if is_path else root))
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


def find_workspace(variables: "Mapping[str, str]") -> "dict[str, str]":
    """The libraries of the workspace in the current folder, by names; empty if it has not several functions.

    Also empty if the variables, or a library in the folder, say which function is meant. Raises `UsageError`.
    """
    if any(variables.get(name) for name in _NAMING) or not os.path.isfile(_MANIFEST):
        return {}
    try:
        if _has_one_library():
            return {}
    except OSError:
        return {}  # `find_handler` looks into the folder as well, and says what is wrong with it
    from ..project import finder

    return finder.workspace_libraries(os.curdir)


def _of_project() -> str:
    """What the project in the current folder has built; empty if there is none, or if a library is there itself."""
    if _has_one_library():
        return ""
    from ..project import finder

    return finder.library(os.curdir) or ""


def _has_one_library() -> bool:
    return len([name for name in os.listdir() if name.endswith(SUFFIX)]) == 1


def is_library_name(text: str) -> bool:
    """Whether a file of this name is a library, or looks like one with a symbol or a version."""
    return text.endswith(SUFFIX) or f"{SUFFIX}." in os.path.basename(text)


def _is_executable(path: str) -> bool:
    if sys.platform == "win32":
        return path.lower().endswith(_WINDOWS_PROGRAMS)
    return os.access(path, os.X_OK)
