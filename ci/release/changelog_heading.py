"""The heading of the section "Unreleased" in `CHANGELOG.md`: it becomes that of a version, or is put on top."""

from __future__ import annotations

import datetime as dt
import re

from ci.core.errors import ManifestError
from ci.manifest import changelog
from ci.manifest.versions import Version

_UNRELEASED = "## [Unreleased]"


def released(text: str, version: Version, date: dt.date) -> str:
    """The changelog in which the unreleased changes are those of a version.

    Raises `ManifestError` if there are none, or if the version has an entry already. Faults of the result, such as a
    date before that of the version below, are left to `ci.manifest.reader`.
    """
    entries, _ = changelog.parse(text.encode())
    if any(entry.version == version for entry in entries):
        raise ManifestError(
            f"{changelog.NAME}: {version} has an entry already",
            hint=f'name another version; or, if {version} was never released, move its items below "{_UNRELEASED}" and '
            "remove its heading",
        )
    lines, place = _placed(text)
    if place is None or not changelog.unreleased(text.encode()):
        where = f'no "{_UNRELEASED}"' if place is None else f'no item below "{_UNRELEASED}"'
        raise ManifestError(
            f"{changelog.NAME}: {where}, and a release says what has changed",
            hint=f'write at least one "- item" below "{_UNRELEASED}" and "### {changelog.SECTIONS[0]}", or another of '
            'its sections, and commit it; after a release candidate, even "- Nothing." will do',
        )
    lines[place] = lines[place].replace(_UNRELEASED, f"## [{version}] - {date}")
    return "\n".join(lines)


def opened(text: str) -> str:
    """The changelog with an empty section for what is not released yet, above the newest version."""
    lines, place = _placed(text)
    if place is not None:
        return text
    first = next((number for number, line in enumerate(lines) if line.startswith("## ")), len(lines))
    end = "\r" if lines[0].endswith("\r") else ""
    return "\n".join([*lines[:first], f"{_UNRELEASED}{end}", end, *lines[first:]])


def section(text: str, version: Version) -> str:
    """What is below the heading of a version, without the links at the end; empty without such a heading."""
    found = re.search(rf"(?ms)^## \[{re.escape(str(version))}\][^\n]*\n(.*?)(?=^## |^\[[^\]\n]+\]: |\Z)", text)
    return found[1].replace("\r", "").strip() if found else ""


def _placed(text: str) -> tuple[list[str], int | None]:
    """The lines, and the place of the heading among them."""
    lines = text.split("\n")
    return lines, next((number for number, line in enumerate(lines) if line.rstrip(" \r") == _UNRELEASED), None)
