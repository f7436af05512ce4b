"""Reads `release.yaml` to a `Release`, or reports all its faults at once, each with its position."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ci.core.files import write_atomically
from ci.core.state import read_regular
from ci.manifest import changelog, versions, yaml_nodes
from ci.manifest.release import (
    RULES,
    AttestationKey,
    Base,
    Budgets,
    ChangelogEntry,
    Homebrew,
    Images,
    Keys,
    MayNotRun,
    Micro,
    Msys2,
    PackageKey,
    Release,
    Rpm,
    Source,
    Waiver,
)
from ci.manifest.targets import (
    Copr,
    CratesAccess,
    FloatingTag,
    GitHubPage,
    PyPIAccess,
    RegistryAccess,
    Repositories,
    TapAccess,
    Targets,
)
from ci.manifest.text import LARGEST_BYTES, ManifestFault, decode, raise_for
from ci.manifest.yaml_nodes import KeyPath, YamlDocument, key_text

NAME = "release.yaml"
_OPEN = "Changed: This version is under development; CHANGELOG.md has its changes below [Unreleased]."


def load(path: Path, known: Path | None = None) -> Release:
    """Read a manifest and the changelog in the same folder; raises `ManifestError` with every fault of both.

    `known` is a file that remembers the last manifest in which the rules found no fault.
    """
    document = read_document(path)
    if document.data is not None:
        _check(document, known)
    entries, unclear = changelog.read(path.with_name(changelog.NAME))
    if document.data is not None:
        values = _typed(document)
        _cross_check(document, values)
        _check_waivers(document, values.get("date"))
        _check_keys(document)
        if not unclear:
            entries = _with_open_version(values, entries, path.with_name(changelog.NAME))
            _check_newest(document, values, entries)
    # The order of the files in the report is that of this list.
    raise_for(document.faults + unclear)
    return _build(document.data, entries)


def _check(document: YamlDocument, known: Path | None) -> None:
    """Add the faults that the rules find. A manifest that is known to have none is not checked again."""
    digest = _digest(document)
    with contextlib.suppress(OSError):
        if known and read_regular(known, len(digest)) == digest:
            return
    from ci.manifest import rules  # its libraries take a quarter of the time of an RPM with nothing to do

    rules.check(document)
    if known and not document.faults:
        with contextlib.suppress(OSError):  # a plan can be made where nothing can be written
            write_atomically(known, digest)


def _digest(document: YamlDocument) -> bytes:
    """A hash of all that the answer of the rules depends on: the manifest, the schema, and the code of this package."""
    digest = hashlib.sha256(document.text.encode())
    for file in sorted(Path(__file__).parent.iterdir()):
        if file.suffix in (".py", ".json"):
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest().encode()


def read_document(path: Path) -> YamlDocument:
    """The manifest with the position of each value, and the faults of its form; `ManifestError` without any text."""
    try:
        content = read_regular(path, LARGEST_BYTES)
    except OSError as error:
        text = f"cannot be read ({error.strerror}); expected the manifest at the root of the repository"
        raise_for([ManifestFault(file=path.name, text=text)])
        raise
    text, faults = decode(content, path.name)
    if faults and not text:
        raise_for(faults)
    document = yaml_nodes.read(text, path.name)
    document.faults[:0] = faults
    return document


def _typed(document: YamlDocument) -> dict[str, Any]:
    """Return the values that have no fault by their keys; the version as a `Version`."""
    found: dict[str, Any] = {}
    for path in document.values:
        if path and not document.is_wrong(path) and all(isinstance(part, str) for part in path):
            value = document.data
            for part in path:
                value = value[part]
            found[yaml_nodes.key_text(path)] = value
    if "version" in found:
        found["version"] = versions.parse(found["version"])
    return found


def _key(name: str) -> tuple[str, ...]:
    return tuple(name.split("."))


def _cross_check(document: YamlDocument, values: dict[str, Any]) -> None:
    for rule in RULES:
        if values.keys() >= set(rule.keys):
            wrong = rule.fault(values)
            if wrong:
                document.fault(_key(rule.keys[0]), wrong)


def _check_waivers(document: YamlDocument, date: str | None) -> None:
    """Each waiver must still hold on the release's date; today's does not matter, so an old tag can be built again."""
    if date is None:
        return
    for path in document.values:
        if path[:1] == ("waivers",) and path[2:] == ("until",) and not document.is_wrong(path):
            until = document.data["waivers"][path[1]]["until"]
            if until < date:  # both in the form 2026-11-23
                advice = "fix the finding and remove the waiver, or set a later day if its reason still holds"
                document.fault(path, f"the waiver ended on {until}, before this release's date {date}; {advice}")


def _check_keys(document: YamlDocument) -> None:
    """No key may be listed twice: neither a fingerprint nor a file."""
    first: dict[str, KeyPath] = {}
    for path in document.values:
        if path[:1] == ("keys",) and path[3:] in (("openpgp",), ("file",), ("ed25519",)):
            if document.is_wrong(path):
                continue
            value = document.data["keys"][path[1]][path[2]][path[3]]
            if value in first:
                document.fault(path, f'"{value}" is the same as {key_text(first[value])}; list each key once')
            first.setdefault(value, path)


def _with_open_version(
    values: dict[str, Any], entries: tuple[ChangelogEntry, ...], path: Path
) -> tuple[ChangelogEntry, ...]:
    """The entries of the changelog; an open version has one on top that stands for what is not released yet.

    Packages need an entry for their version, and the items below "Unreleased" change from commit to commit.
    """
    version, date = values.get("version"), values.get("date")
    if version is None or date is None or not version.is_open or (entries and entries[0].version >= version):
        return entries
    if changelog.unreleased(path.read_bytes()) is None:
        return entries
    return (ChangelogEntry(version=version, date=dt.date.fromisoformat(date), lines=(_OPEN,)), *entries)


def _check_newest(document: YamlDocument, values: dict[str, Any], entries: tuple[ChangelogEntry, ...]) -> None:
    version, date = values.get("version"), values.get("date")
    if version is None or date is None:
        return
    heading = "## [Unreleased]" if version.is_open else f"## [{version}] - {date}"
    advice = f'add an entry "{heading}" at its top'
    if not entries:
        document.fault(("version",), f"{changelog.NAME} has no released version; {advice}")
    elif version.is_open and entries[0].version > version:
        document.fault(
            ("version",), f'"{version}" is before {entries[0].version}, which {changelog.NAME} has as released'
        )
    elif entries[0].version != version:
        newest = f'the newest version in {changelog.NAME}, which is "{entries[0].version}"'
        document.fault(("version",), f'"{version}" is not {newest}; {advice}')
    elif entries[0].date.isoformat() != date:
        other = f'the date in {changelog.NAME}, which is "{entries[0].date}"'
        document.fault(("date",), f'"{date}" is not {other}; write the same date in both')
    elif version.is_open and len(entries) > 1:
        _check_open(document, *entries[:2])


def _check_open(document: YamlDocument, entry: ChangelogEntry, before: ChangelogEntry) -> None:
    """An open version has no heading that the changelog's own rules could compare with the one below."""
    if before.date > entry.date:
        document.fault(("date",), f'"{entry.date}" is before {before.date}, the newest date in {changelog.NAME}')
    numbers = before.version.release.count(".") + 1
    if entry.version.release.count(".") + 1 != numbers:
        wrong = f'"{entry.version}" has not as many numbers as {before.version}; expected {numbers}'
        document.fault(("version",), wrong)


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
        waivers=tuple(
            Waiver(**waiver | {"until": dt.date.fromisoformat(waiver["until"])}) for waiver in data["waivers"]
        ),
        keys=Keys(
            packages=tuple(
                PackageKey(**key | {"until": dt.date.fromisoformat(key["until"])}) for key in data["keys"]["packages"]
            ),
            attestations=tuple(AttestationKey(**key) for key in data["keys"]["attestations"]),
        ),
        targets=_targets(data["targets"]),
        may_not_run=tuple(MayNotRun(**one) for one in data["may_not_run"]),
        budgets=Budgets(**{name: int(limit.removesuffix("%")) for name, limit in data["budgets"].items()}),
        changelog=entries,
    )


def _targets(data: Mapping[str, Any]) -> Targets:
    registry = None
    if "registry" in data:
        floating = tuple(FloatingTag(**one) for one in data["registry"]["floating"])
        registry = RegistryAccess(**data["registry"] | {"floating": floating})
    return Targets(
        repositories=Repositories(**data["repositories"]),
        copr=Copr(**data["copr"] | {"chroots": tuple(data["copr"]["chroots"])}),
        github=GitHubPage(**data["github"]) if "github" in data else None,
        registry=registry,
        tap=TapAccess(**data["tap"]) if "tap" in data else None,
        pypi=PyPIAccess(**data["pypi"]) if "pypi" in data else None,
        crates=CratesAccess(**data["crates"]) if "crates" in data else None,
    )
