"""Finds the entry of an artefact's kind in `ci/kinds.py`."""

from __future__ import annotations

from ci import kinds
from ci.core.errors import ReleaseError


def entry_of(kind: str, artifact: str) -> kinds.Kind:
    """The entry of a kind; raises `ReleaseError` with the name of the artefact if there is none."""
    try:
        return kinds.kind_named(kind)
    except KeyError:
        known = ", ".join(one.name for one in kinds.KINDS)
        raise ReleaseError(
            f'{artifact}: there is no kind of artefact "{kind}"; the kinds are {known}',
            hint='add an entry to ci/kinds.py: CONTRIBUTING.md, "To add a kind of artefact"',
        ) from None
