"""The names of files on a release page.

GitHub stores an asset under another name without a word: each character that it does not take becomes a full stop. RPM
and pacman use such characters (`~` in versions, `^` after them, `:` after epochs). So each file gets a name that stays
as it is, before it is named in checksums, SBOMs and statements.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ci.core.errors import VerificationError

_CHANGED = re.compile(r"[^A-Za-z0-9._+@-]")


def safe(name: str) -> str:
    """The name of a file on the release page: what GitHub would change is a full stop already."""
    return _CHANGED.sub(".", name)


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """From each name to the one on the release page; raises `VerificationError` if two files would get the same."""
    found: dict[str, str] = {}
    taken: dict[str, str] = {}
    for name in names:
        found[name] = safe(name)
        if other := taken.get(found[name]):
            raise VerificationError(
                f"{name} and {other} would both be {found[name]} on the release page",
                hint="rename one of the artefacts",
            )
        taken[found[name]] = name
    return found
