"""Reads `CHANGELOG.md`, which has the form of Keep a Changelog, to entries; every fault has its line."""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import re
from pathlib import Path

from ci.core.state import read_regular
from ci.manifest import versions
from ci.manifest.release import ChangelogEntry
from ci.manifest.text import LARGEST_BYTES, REPORTED, ManifestFault, decode, shown, text_fault

NAME = "CHANGELOG.md"
SECTIONS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")

_HEADING = re.compile(r"## \[(?P<version>[^\]]*)\](?: - (?P<date>.*))?")
_REFERENCE = re.compile(r"\[[^\]]+\]: \S+")
_ITEM_FORM = '"- item", continued on lines indented with two spaces'
_HEADING_FORM = '"## [1.2.0] - 2026-11-23" or "## [Unreleased]"'


@dataclasses.dataclass(kw_only=True)
class _Entry:
    """A version while its lines are read; `version` is None if it is not released or not valid."""

    line: int
    version: versions.Version | None = None
    date: dt.date | None = None
    section: str = ""
    section_line: int = 0
    items: list[tuple[int, str, list[str]]] = dataclasses.field(default_factory=list)
    unreleased: bool = False

    def lines(self) -> tuple[str, ...]:
        return tuple(f"{section}: {' '.join(lines)}" for _, section, lines in self.items)


def read(path: Path) -> tuple[tuple[ChangelogEntry, ...], list[ManifestFault]]:
    """Return the released versions, newest first, and the faults of the file."""
    try:
        content = read_regular(path, LARGEST_BYTES)
    except OSError as error:
        text = f"cannot be read ({error.strerror}); expected a changelog with an entry for the version"
        return (), [ManifestFault(file=path.name, text=text)]
    return parse(content, path.name)


def parse(content: bytes, file: str = NAME) -> tuple[tuple[ChangelogEntry, ...], list[ManifestFault]]:
    """Return the released versions in the bytes of a changelog, newest first, and their faults."""
    text, faults = decode(content, file)
    parser = _parsed(text, file)
    return parser.released(), faults + parser.faults


def unreleased(content: bytes) -> tuple[str, ...] | None:
    """Return the items that are not released yet, in the form of `ChangelogEntry.lines`; None without that section."""
    parser = _parsed(decode(content, NAME)[0], NAME)
    if not parser.entries or not parser.entries[0].unreleased:
        return None
    return parser.entries[0].lines()


def _parsed(text: str, file: str) -> _ChangelogParser:
    parser = _ChangelogParser(file)
    for number, line in enumerate(text.split("\n"), start=1):
        parser.line(number, line.removesuffix("\r").rstrip(" "))
    parser.end()
    return parser


class _ChangelogParser:
    """Reads a changelog line by line."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[ManifestFault] = []
        self.entries: list[_Entry] = []

    def fault(self, line: int, text: str) -> None:
        self.faults.append(ManifestFault(file=self.file, line=line, text=text))

    def line(self, number: int, line: str) -> None:
        if line.startswith("## "):
            self._close()
            self.entries.append(self._heading(number, line))
        elif not self.entries:
            return  # the title and the introduction
        elif line.startswith("### "):
            self._section(number, line.removeprefix("### "))
        elif line == "-" or line.startswith("- "):
            self._item(number, line.removeprefix("-"))
        elif line.startswith("  ") and self.entries[-1].items and not re.match(r" +[-*+] ", line):
            self.entries[-1].items[-1][2].append(line.strip())
        elif line and not _REFERENCE.fullmatch(line):
            self.fault(number, f"{shown(line)} is not an item; expected {_ITEM_FORM}")

    def _heading(self, number: int, line: str) -> _Entry:
        entry = _Entry(line=number)
        found = _HEADING.fullmatch(line)
        if not found or (found["version"] == "Unreleased") != (found["date"] is None):
            self.fault(number, f"{shown(line)} is not the heading of a version; expected {_HEADING_FORM}")
            return entry
        if found["version"] == "Unreleased":
            entry.unreleased = True
            if len(self.entries) > 0:
                self.fault(number, "[Unreleased] is below a release; move it to the top")
            return entry
        try:
            entry.version = versions.parse(found["version"])
        except ValueError as error:
            self.fault(number, f"{shown(found['version'])} {error}")
        entry.date = _day(found["date"])
        if entry.date is None:
            self.fault(number, f'{shown(found["date"])} is not a date; expected one such as "2026-11-23"')
        self._order(entry)
        return entry

    def _order(self, entry: _Entry) -> None:
        newer = next((other for other in reversed(self.entries) if other.version and other.date), None)
        if not (newer and newer.version and newer.date and entry.version and entry.date):
            return
        if entry.version >= newer.version:
            self.fault(entry.line, f"{entry.version} is below {newer.version}; list the newest version first")
        elif entry.date > newer.date:
            self.fault(entry.line, f"{entry.date} is later than {newer.date} above it; list the newest date first")
        # Package managers do not read 1.2 as 1.2.0: they order as PEP 440 does only versions with as many numbers.
        if entry.version.release.count(".") != newer.version.release.count("."):
            numbers = newer.version.release.count(".") + 1
            self.fault(
                entry.line,
                f"{entry.version} has not as many numbers as {newer.version}; expected {numbers}",
            )

    def _section(self, number: int, name: str) -> None:
        entry = self.entries[-1]
        self._close_section()
        entry.section, entry.section_line = name, number
        if name not in SECTIONS:
            near = difflib.get_close_matches(name.title(), SECTIONS, n=1)
            right = f'did you mean "{near[0]}"?' if near else "expected one of " + ", ".join(SECTIONS)
            self.fault(number, f"{shown(name)} is not a section; {right}")

    def _item(self, number: int, text: str) -> None:
        entry = self.entries[-1]
        if not entry.section:
            self.fault(number, f'an item outside a section; move it below "### {SECTIONS[0]}" or another one')
        entry.items.append((number, entry.section, [text.strip()]))

    def _close_section(self) -> None:
        entry = self.entries[-1]
        if entry.section and all(number < entry.section_line for number, _, _ in entry.items):
            self.fault(entry.section_line, f'"{entry.section}" has no item; add a "- item" or remove the section')

    def _close(self) -> None:
        if not self.entries:
            return
        self._close_section()
        entry = self.entries[-1]
        if entry.version and not entry.items and not entry.section:
            self.fault(entry.line, f'{entry.version} has no items; add a section with a "- item"')
        for number, _, lines in entry.items:
            text = " ".join(lines)
            wrong = text_fault(text)
            if not text:
                self.fault(number, "an empty item; write what changed")
            elif wrong and REPORTED not in text:
                self.fault(number, f"the item {wrong}")

    def end(self) -> None:
        self._close()

    def released(self) -> tuple[ChangelogEntry, ...]:
        return tuple(
            ChangelogEntry(version=entry.version, date=entry.date, lines=entry.lines())
            for entry in self.entries
            if entry.version and entry.date
        )


def _day(text: str) -> dt.date | None:
    try:
        date = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return date if date.isoformat() == text else None
