"""The tokens of the targets: from a variable that the manifest names, or from a file that `NAME_FILE` names."""

from __future__ import annotations

import os
from pathlib import Path

from ci.core.errors import HostError, UsageError
from ci.core.secrets import Secret, register
from ci.core.state import read_regular

_LARGEST_BYTES = 20_000


def is_given(name: str) -> bool:
    """Whether there is a token under this name, in a variable or a file."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def read(name: str, *users: str) -> Secret:
    """The token, masked from now on; with `users` for HTTP's basic authentication.

    `UsageError` if neither NAME nor NAME_FILE is set, or both are; `HostError` if the file cannot be read.
    """
    value, file = os.environ.get(name, ""), os.environ.get(f"{name}_FILE", "")
    if bool(value) == bool(file):
        what = "both are set" if value else "neither is set"
        raise UsageError(f"{name} and {name}_FILE: {what}", hint="set one of them: the token, or a file that has it")
    if file:
        try:
            value = read_regular(Path(file), _LARGEST_BYTES).decode()
        except (OSError, ValueError) as error:
            raise HostError(f"{name}_FILE: {file}: it cannot be read: {error}", hint="name a readable file") from None
    return register(name, value.strip(), *users)
