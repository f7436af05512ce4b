"""Puts a key into `keys` of `release.yaml`, or moves it to the front, and changes no other line; comments stay."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ci.core.errors import ManifestError
from ci.core.files import write_atomically
from ci.manifest import yaml_nodes
from ci.manifest.reader import read_document
from ci.manifest.text import raise_for
from ci.manifest.yaml_nodes import YamlDocument

_SECTION = "keys"


def put(path: Path, use: str, entry: Mapping[str, str], *, first: bool) -> None:
    """Add a key behind those of its list, if it is not in it, and make it the first, which signs, if it is to be.

    `use` is the list, "packages" or "attestations". `entry` are the values of a key; the first one says which key it
    is. Raises `ManifestError` if the lists are in a form that cannot be changed without touching other lines.
    """
    before = read_document(path)
    raise_for(before.faults)
    name = next(iter(entry))
    listed = [key.get(name) for key in before.data[_SECTION][use]]
    text = before.text
    if entry[name] not in listed:
        text = _with_added(before, use, entry)
        listed.append(entry[name])
    index = listed.index(entry[name])
    if first and index:
        text = _with_first(_parsed(text, path.name), use, index)
    if text == before.text:
        return
    _require_only_that(before, _parsed(text, path.name), use, entry, first=first)
    target = path.resolve()
    write_atomically(target, text.encode(), mode=target.stat().st_mode & 0o7777)


def _parsed(text: str, name: str) -> YamlDocument:
    document = yaml_nodes.read(text, name)
    raise_for(document.faults)
    return document


def _flow(entry: Mapping[str, str]) -> str:
    # Without quotes, a fingerprint or a date may be read as a number.
    quoted = {key: f'"{value}"' if key in ("openpgp", "until") else value for key, value in entry.items()}
    return "{" + ", ".join(f"{key}: {value}" for key, value in quoted.items()) + "}"


def _with_added(document: YamlDocument, use: str, entry: Mapping[str, str]) -> str:
    text, place = document.text, document.values[_SECTION, use]
    newline = "\r\n" if "\r\n" in text else "\n"
    indent = " " * (document.keys[_SECTION, use].column + 1)
    count = len(document.data[_SECTION][use])
    line_end = _line_end(text, place.end)
    if count and text[place.start] != "[":
        last = _dash(document, use, count - 1)
        end = _line_end(text, _item_end(document, use, count - 1))
        return f"{text[:end]}{newline}{text[_line_start(text, last) : last]}- {_flow(entry)}{text[end:]}"
    if count:
        end = _item_end(document, use, count - 1)
        return f"{text[:end]},{newline}{indent}{_flow(entry)}{text[end:]}"
    rest = text[place.end : line_end].strip()
    if rest and not rest.startswith("#"):  # within a mapping on one line
        return f"{text[: place.start]}[{_flow(entry)}]{text[place.end :]}"
    before = text[: place.start].rstrip(" ")
    return f"{before}{text[place.end : line_end]}{newline}{indent}- {_flow(entry)}{text[line_end:]}"


def _with_first(document: YamlDocument, use: str, index: int) -> str:
    text = document.text
    if text[document.values[_SECTION, use].start] == "[":
        spans = [(document.values[_SECTION, use, i].start, _item_end(document, use, i)) for i in range(index + 1)]
        items = [text[start:end] for start, end in spans]
        for (start, end), item in reversed(list(zip(spans, [items[-1], *items[:-1]], strict=True))):
            text = text[:start] + item + text[end:]
        return text
    # The comments right above a key, below the one before it, move with it.
    start = _line_end(text, _item_end(document, use, index - 1)) + 1
    end = _line_end(text, _item_end(document, use, index)) + 1
    front = _line_start(text, _dash(document, use, 0))
    moved = text[start:end]
    newline = "" if moved.endswith("\n") else "\n"
    return text[:front] + moved + newline + text[front:start] + text[end:]


def _dash(document: YamlDocument, use: str, index: int) -> int:
    return document.text.rindex("-", 0, document.values[_SECTION, use, index].start)


def _item_end(document: YamlDocument, use: str, index: int) -> int:
    """Where a key ends. The end of a mapping over several lines would include the comments below it."""
    item = (_SECTION, use, index)
    place = document.values[item]
    if document.text[place.start] == "{":
        return place.end
    values = (document.values[one] for one in document.values if one[:3] == item and len(one) > len(item))
    return max(one.start + len(document.text[one.start : one.end].rstrip()) for one in values)


def _line_start(text: str, position: int) -> int:
    return text.rfind("\n", 0, position) + 1


def _line_end(text: str, position: int) -> int:
    """The position of the line break, or the end of the text."""
    found = text.find("\n", position)
    end = len(text) if found < 0 else found
    return end - 1 if text[:end].endswith("\r") else end


def _require_only_that(
    before: YamlDocument, after: YamlDocument, use: str, entry: Mapping[str, str], *, first: bool
) -> None:
    """Raise `ManifestError` if anything else changes than the list."""
    expected: dict[str, Any] = copy.deepcopy(before.data)
    keys, name = expected[_SECTION][use], next(iter(entry))
    own = next((key for key in keys if key.get(name) == entry[name]), dict(entry))
    others = [key for key in keys if key is not own]
    place = 0 if first else next((i for i, key in enumerate(keys) if key is own), len(others))
    expected[_SECTION][use] = [*others[:place], own, *others[place:]]
    if after.data != expected:
        raise ManifestError(
            f"{before.file}: {_SECTION}.{use} has a form in which no key can be put without changing other lines",
            hint=f"write this key there by hand: {_flow(entry)}",
        )
