"""`dist/publish.json`: what a publication has to remember because no server can be asked for it.

For instance the number of a draft, or the place of an upload that has begun. Everything else is asked anew. The file is
written to the disk before and after each step that it remembers something of.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from ci.core.errors import UsageError
from ci.core.files import write_atomically
from ci.core.state import read_json

FORMAT = 1
NAME = "publish.json"


class PublicationLedger:
    """What is remembered of the publication of one version. A file about another version begins anew."""

    def __init__(self, path: Path, version: str) -> None:
        self._path = path
        self._version = version
        self._targets = _read(path, version)

    def get(self, target: str, key: str) -> str:
        """What is remembered; empty if nothing is."""
        return self._targets.get(target, {}).get(key, "")

    def remember(self, target: str, key: str, value: str) -> None:
        """Remember something. It is on the disk when this returns."""
        self._targets.setdefault(target, {})[key] = value
        self._write()

    def forget(self, target: str, key: str) -> None:
        """Forget something, if it is there."""
        if self._targets.get(target, {}).pop(key, None) is not None:
            self._write()

    def _write(self) -> None:
        document = {"format": FORMAT, "version": self._version, "targets": self._targets}
        write_atomically(self._path, json.dumps(document, indent=2, sort_keys=True).encode() + b"\n")
        for path, flags in ((self._path, os.O_RDONLY), (self._path.parent, os.O_RDONLY | os.O_DIRECTORY)):
            descriptor = os.open(path, flags)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _read(path: Path, version: str) -> dict[str, dict[str, str]]:
    document = read_json(path)
    if not isinstance(document, dict) or document.get("version") != version:
        return {}
    if document.get("format") != FORMAT:
        raise UsageError(
            f"{path}: its format is {document.get('format')!r}, and {FORMAT} is known", hint="move it away"
        )
    targets = document.get("targets")
    if not isinstance(targets, dict) or not all(isinstance(one, dict) for one in targets.values()):
        return {}
    return {name: {str(key): str(value) for key, value in one.items()} for name, one in targets.items()}
