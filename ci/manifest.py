"""`release.yaml` to a `Release`: read once, checked whole, every fault reported at once with its position."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

from ci import changelog, manifest_nodes, manifest_rules, versions
from ci.files import write_atomically
from ci.manifest_nodes import Document
from ci.manifest_text import Fault, decode, raise_for
from ci.release import (
    RULES,
    Base,
    ChangelogEntry,
    Homebrew,
    Images,
    Micro,
    Msys2,
    Release,
    Rpm,
    Source,
    Waiver,
)

NAME = "release.yaml"


def load(path: Path) -> Release:
    """Return what a manifest and the changelog beside it tell, or raise ManifestError with every fault."""
    document = _read(path)
    if document.data is not None:
        manifest_rules.check(document)
    entries, unclear = changelog.read(path.with_name(changelog.NAME))
    if document.data is not None:
        values = _typed(document)
        _cross_check(document, values)
        if not unclear:
            _check_newest(document, values, entries)
    # The manifest's own come first, also where it has none: files are listed in the order they are met.
    raise_for(document.faults + unclear)
    return _build(document.data, entries)


def write_source_sha256(path: Path, sha256: str) -> None:
    """Replace the value of `source.sha256` and not another byte; the file is replaced whole or not at all."""
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        msg = f"not a SHA-256 in hexadecimal: {sha256!r}"
        raise ValueError(msg)
    document = _read(path)
    raise_for(document.faults)
    spot = document.values.get(("source", "sha256"))
    if spot is None:
        raise_for([Fault(file=path.name, key="source.sha256", text="missing; the tarball's SHA-256")])
        return
    # The line break that ends a block scalar belongs to it, and stays.
    end = spot.start + len(document.text[spot.start : spot.end].rstrip())
    text = f'{document.text[: spot.start]}"{sha256}"{document.text[end:]}'
    if text != document.text:
        target = path.resolve()
        write_atomically(target, text.encode(), mode=target.stat().st_mode & 0o7777)


def _read(path: Path) -> Document:
    try:
        content = path.read_bytes()
    except OSError as error:
        text = f"cannot be read ({error.strerror}); the manifest, at the root of the repository"
        raise_for([Fault(file=path.name, text=text)])
        raise
    text, faults = decode(content, path.name)
    if faults and not text:
        raise_for(faults)
    document = manifest_nodes.read(text, path.name)
    document.faults[:0] = faults
    return document


def _typed(document: Document) -> dict[str, Any]:
    """Return the values by key, those left out that are at fault; the version as a Version."""
    found: dict[str, Any] = {}
    for path in document.values:
        if path and not document.is_wrong(path) and all(isinstance(part, str) for part in path):
            value = document.data
            for part in path:
                value = value[part]
            found[manifest_nodes.spell(path)] = value
    if "version" in found:
        found["version"] = versions.parse(found["version"])
    return found


def _key(name: str) -> tuple[str, ...]:
    return tuple(name.split("."))


def _cross_check(document: Document, values: dict[str, Any]) -> None:
    for rule in RULES:
        if values.keys() >= set(rule.keys):
            wrong = rule.fault(values)
            if wrong:
                document.fault(_key(rule.keys[0]), wrong)


def _check_newest(document: Document, values: dict[str, Any], entries: tuple[ChangelogEntry, ...]) -> None:
    version, date = values.get("version"), values.get("date")
    if version is None or date is None:
        return
    heading = f'an entry "## [{version}] - {date}" at its top'
    if not entries:
        document.fault(("version",), f"{changelog.NAME} has no released version; {heading}")
    elif entries[0].version != version:
        newest = entries[0].version
        document.fault(("version",), f'"{version}" is not the newest in {changelog.NAME}, "{newest}" is; {heading}')
    elif entries[0].date.isoformat() != date:
        other = entries[0].date
        document.fault(("date",), f'"{date}" is not the day in {changelog.NAME}, "{other}" is; the same in both')


def _build(data: dict[str, Any], entries: tuple[ChangelogEntry, ...]) -> Release:
    images = data["images"]
    single = {
        key: data[key]
        for key in (
            "name",
            "summary",
            "description",
            "license",
            "vendor",
            "maintainer",
            "home",
            "documentation",
            "python",
        )
    }
    return Release(
        **single,
        version=versions.parse(data["version"]),
        date=dt.date.fromisoformat(data["date"]),
        source=Source(**data["source"]),
        rpm=Rpm(**data["rpm"]),
        msys2=Msys2(**data["msys2"] | {"environments": tuple(data["msys2"]["environments"])}),
        homebrew=Homebrew(**data["homebrew"]),
        images=Images(
            registry=images["registry"],
            platforms=tuple(images["platforms"]),
            user=images["user"],
            ubi=Base(**images["ubi"]),
            alpine=Base(**images["alpine"]),
            micro=Micro(**images["micro"]),
        ),
        waivers=tuple(Waiver(**waiver) for waiver in data["waivers"]),
        changelog=entries,
    )
