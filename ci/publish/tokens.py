"""The tokens of the targets: from a variable that the manifest names, or from a file that `NAME_FILE` names."""

from __future__ import annotations

import os
from pathlib import Path

from ci.core.errors import UsageError
from ci.core.masking import SHORTEST
from ci.core.secrets import Secret, register
from ci.core.state import read_regular

_LARGEST_BYTES = 20_000


def read(name: str, *users: str) -> Secret:
    """The token, masked from now on; with `users` for HTTP's basic authentication.

    `UsageError` if neither NAME nor NAME_FILE is set, or both are, or what they have is not a token.
    """
    value, file = os.environ.get(name, ""), os.environ.get(f"{name}_FILE", "")
    if bool(value) == bool(file):
        what = "both are set" if value else "both are empty" if _in_environment(name) else "neither is set"
        raise UsageError(f"{name} and {name}_FILE: {what}", hint="set one of them: the token, or a file that has it")
    where = f"{name}_FILE: {file}" if file else name
    token = (_content(where, Path(file)) if file else value).strip()
    if fault := _fault(token):
        raise UsageError(f"{where}: {fault}", hint="set it to the token itself, as the server has given it")
    return register(name, token, *users)


def _in_environment(name: str) -> bool:
    return name in os.environ or f"{name}_FILE" in os.environ


def _content(where: str, path: Path) -> str:
    try:
        return read_regular(path, _LARGEST_BYTES).decode()
    except UnicodeDecodeError:
        why = "it is not text"
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
    raise UsageError(f"{where}: it cannot be read: {why}", hint="name a file that can be read, with the token alone")


def _fault(token: str) -> str:
    """Why a text is not a token; empty if it may be one."""
    if not token:
        return "it is empty"
    if len(token.splitlines()) > 1:
        return "it has a line break inside"
    if not token.isprintable():
        return "it has a character that cannot be printed"
    return f"it is too short: {len(token)} characters, and {SHORTEST} at least" if len(token) < SHORTEST else ""
