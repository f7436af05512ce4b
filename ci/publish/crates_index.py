"""What a registry of cargo has of a crate, by its sparse index (the cargo book, "Index Format")."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ci.core import crate_file
from ci.core.cargo_registry import CRATES_IO, is_crates_io
from ci.core.errors import UnavailableError
from ci.core.web import Web, host_of

_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNKNOWN = (404, 410, 451)  # how an index says that it does not have a crate
_LOOK = "look at the address of the index below targets in release.yaml"


@dataclass(frozen=True, kw_only=True)
class IndexedVersion:
    """A version that the index has; and whether it is yanked."""

    version: str
    sha256: str
    yanked: bool


def api_of(web: Web, index: str) -> str:
    """Where the registry's API is, as its index says; `UnavailableError` if it does not say it."""
    what = "the settings of the index"
    url = f"{index.rstrip('/')}/config.json"
    settings = web.ask("GET", url, what).json(what)
    api = settings.get("api") if isinstance(settings, dict) else None
    if not isinstance(api, str) or not api.isprintable():
        raise UnavailableError(f"{what}: the answer of {host_of(url)} names no API", hint=_LOOK)
    return api.rstrip("/")


def ask(web: Web, index: str, name: str) -> dict[str, IndexedVersion] | None:
    """The versions of a crate; None if the index does not know it.

    `UnavailableError` for what is no file of an index, or is about another crate.
    """
    url = f"{index.rstrip('/')}/{crate_file.index_path(name)}"
    what = f"the versions of {name}"
    answer = web.ask("GET", url, what, expect=(200, *_UNKNOWN))
    if answer.status in _UNKNOWN:
        return None
    try:
        return {one.version: one for one in _versions(answer.body.decode(), name)}
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        why = str(error)[:200] if type(error) is ValueError else "something is missing, or of another type"
        raise UnavailableError(
            f"{what}: the answer of {host_of(url)} is not a file of an index: {why}", hint=_LOOK
        ) from None


def _versions(text: str, name: str) -> Iterator[IndexedVersion]:
    for line in filter(None, text.splitlines()):
        yield _version(json.loads(line), name)


def _version(entry: dict[str, Any], name: str) -> IndexedVersion:
    version, sha256 = entry["vers"], entry["cksum"]
    if entry["name"] != name:
        raise ValueError(f"it is about {str(entry['name'])[:80]!a}")
    if not isinstance(version, str) or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError(f"{str(version)[:80]!a} has no sha256")
    return IndexedVersion(version=version, sha256=sha256, yanked=bool(entry.get("yanked")))


def registry_of_dependencies(index: str) -> str | None:
    """What a publication says of where its dependencies are: in crates.io, which says nothing of its own ones."""
    return None if is_crates_io(index) else CRATES_IO
