"""Finished artefacts of another release: what `REF_OR_DIST` names on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci.core.checkout import commit_of
from ci.core.errors import UnavailableError, UsageError
from ci.core.state import read_json

_LIST = "artifacts.json"
_NAMED = "name a folder with an artifacts.json, such as another checkout's dist/, or a git revision, such as v0.1.0"


@dataclass(frozen=True, kw_only=True)
class Dist:
    """Finished artefacts: their folder, and the document that lists them. `title` says for people which they are."""

    title: str
    folder: Path
    document: dict[str, Any]

    def paths(self, kind: str) -> list[str]:
        """The paths of the artefacts of a kind that were built, relative to the folder."""
        entries = [entry for entry in self.document["artifacts"] if entry["kind"] == kind]
        return [entry["path"] for entry in entries if (self.folder / entry["path"]).is_file()]


def read(folder: Path, title: str, *, hint: str) -> Dist:
    """The artefacts in a folder; raises `UnavailableError` if it has no list of them that can be read."""
    path = folder / _LIST
    try:
        document = read_json(path)
        names = (document["format"], document["name"], document["version"], document["source"], document["artifacts"])
    except (OSError, TypeError, KeyError, ValueError) as error:
        raise UnavailableError(f"{path}: no list of artefacts that can be read", hint=hint) from error
    if names[0] != 1:
        raise UnavailableError(f"{path}: its format is {names[0]}, this tooling reads 1", hint=hint)
    return Dist(title=title, folder=folder, document=document)


def named(text: str, root: Path) -> Dist | str:
    """What the command line names: a folder with artefacts, or else the commit of a revision of this checkout.

    Raises `UsageError` if it is neither.
    """
    folder = Path(text)
    if (folder / _LIST).is_file():
        return read(folder.resolve(), text, hint="name a folder with an artifacts.json that `nox -s snapshot` wrote")
    if commit := commit_of(root, text):
        return commit
    raise UsageError(f"{text}: neither a folder with artefacts nor a revision", hint=_NAMED)
