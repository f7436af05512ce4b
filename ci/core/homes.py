"""Where programs keep what is a user's own: a folder that a variable names, or one in the home folder."""

from __future__ import annotations

import os
from pathlib import Path

from ci.core.errors import UsageError


def home_of(variable: str, usual: str, *, option: str = "") -> Path:
    """The folder that a variable names or, without it, the usual one in the home folder.

    A user of a container often has no entry in /etc/passwd, and so no home. `UsageError` says then what to set instead,
    with the `option` of the command that names the folder, too.
    """
    if named := os.environ.get(variable):
        return Path(named)
    try:
        return Path.home() / usual
    except RuntimeError:
        ways = ", or ".join(filter(None, ("HOME", variable, option and f"name the folder with {option}")))
        raise UsageError(
            f"{variable}: this user has no home folder: HOME is not set, and the system knows none", hint=f"set {ways}"
        ) from None
