"""Finds the function that a text such as "ci.builders.rpm:jobs" names."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ci.core.errors import ReleaseError


def resolve(name: str) -> Any:
    """Import the module before the colon, and return what is called there as the rest says.

    A name that leads nowhere raises `ReleaseError`. An error in the module itself stays what it is.
    """
    module, _, attribute = name.partition(":")
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise _leads_nowhere(name, f"there is no module {error.name}") from error
    if not attribute or not hasattr(found, attribute):
        raise _leads_nowhere(name, f"{module} has no {attribute!r}")
    return getattr(found, attribute)


def _leads_nowhere(name: str, why: str) -> ReleaseError:
    return ReleaseError(
        f'"{name}" names no function: {why}',
        hint='correct the name, in ci/kinds.py or ci/commands/__init__.py; the form is "module:function", such as '
        '"ci.builders.rpm:jobs"',
    )
