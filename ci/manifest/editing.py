"""Changes single values of `release.yaml`: all other bytes stay, and the file is replaced as a whole or not at all."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path

from ci.core.files import write_atomically
from ci.manifest.reader import read_document
from ci.manifest.text import ManifestFault, raise_for
from ci.manifest.yaml_nodes import KeyPath, YamlDocument, key_text


def edited(path: Path, values: Mapping[KeyPath, str]) -> tuple[str, str]:
    """The text of the manifest as it is, and with other values. A value is written as in YAML, with quotes.

    A key that is not there gets a line of its own, below the mapping's other keys. Raises `ManifestError` if the
    manifest cannot be read, or if there is no such mapping.
    """
    document = read_document(path)
    raise_for(document.faults)
    changes = [_change(document, key, value) for key, value in values.items()]
    raise_for([change for change in changes if isinstance(change, ManifestFault)])
    text = document.text
    for start, end, new in sorted(
        (change for change in changes if not isinstance(change, ManifestFault)), reverse=True
    ):
        text = text[:start] + new + text[end:]
    return document.text, text


def write_values(path: Path, values: Mapping[KeyPath, str]) -> None:
    """Write other values into the manifest, see `edited`; nothing is written if they are there already."""
    before, after = edited(path, values)
    if after != before:
        target = path.resolve()
        write_atomically(target, after.encode(), mode=target.stat().st_mode & 0o7777)


def difference(name: str, before: str, after: str) -> str:
    """A unified diff of two texts of a file; empty if they are equal."""
    texts = (before.splitlines(keepends=True), after.splitlines(keepends=True))
    return "".join(difflib.unified_diff(*texts, f"a/{name}", f"b/{name}"))


def write_source_sha256(path: Path, sha256: str) -> None:
    """Replace the value of `source.sha256`."""
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        msg = f"not a SHA-256 in hexadecimal: {sha256!r}"
        raise ValueError(msg)
    document = read_document(path)
    raise_for(document.faults)
    if ("source", "sha256") not in document.values:
        raise_for(
            [ManifestFault(file=path.name, key="source.sha256", text="is missing; expected the tarball's SHA-256")]
        )
    write_values(path, {("source", "sha256"): f'"{sha256}"'})


def _change(document: YamlDocument, key: KeyPath, value: str) -> tuple[int, int, str] | ManifestFault:
    """Start and end of what is replaced in the text, and by what."""
    position = document.values.get(key)
    if position is not None:
        return position.start, _end(document, key), value
    siblings = [other for other in document.keys if other[:-1] == key[:-1]]
    if not siblings:
        return ManifestFault(file=document.file, key=key_text(key[:-1]), text=f"is missing; expected it with {key[-1]}")
    last = max(siblings, key=lambda other: document.values[other].start)
    end = _end(document, last)
    if document.text[document.values[key[:-1]].start] == "{":
        return end, end, f", {key[-1]}: {value}"
    key_start = document.keys[last].start
    indent = document.text[document.text.rfind("\n", 0, key_start) + 1 : key_start]
    newline = "\r\n" if "\r\n" in document.text else "\n"
    line_end = document.text.find("\n", end)
    if line_end < 0:
        return len(document.text), len(document.text), f"{newline}{indent}{key[-1]}: {value}"
    return line_end + 1, line_end + 1, f"{indent}{key[-1]}: {value}{newline}"


def _end(document: YamlDocument, key: KeyPath) -> int:
    """Where a value ends; the line break that ends a block scalar belongs to it, and stays."""
    position = document.values[key]
    return position.start + len(document.text[position.start : position.end].rstrip())
