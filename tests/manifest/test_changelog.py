"""`CHANGELOG.md`: its entries, and every fault with its line."""
# ruff: noqa: E501  (one case, one line)

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ci.manifest import changelog, reader
from tests.support import ROOT

HEAD = "# Changelog\n\n"
GOOD = "## [1.2.0] - 2026-11-23\n\n### Added\n\n- One.\n"


def wrong(text: str | bytes) -> list[str]:
    content = text if isinstance(text, bytes) else text.encode()
    return [str(fault).removeprefix("CHANGELOG.md:") for fault in changelog.parse(content)[1]]


def test_entries(sample: Path) -> None:
    entries = reader.load(sample).changelog
    assert [(str(entry.version), entry.date, entry.lines) for entry in entries] == [
        ("1.2.0", dt.date(2026, 11, 23), ("Added: One thing, told on two lines.", "Fixed: Another thing.")),
        ("1.2.0rc1", dt.date(2026, 11, 1), ("Added: The first thing.",)),
    ]


def test_no_empty_line_splits_a_list_of_this_project() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^(?:- |  ).*\n\n- .*", text, re.MULTILINE) == []


def test_printable_text_is_taken_as_it_is() -> None:
    item = "Text %(id) %{lua:x} #{x} `x` $(x) 'x' \"x\" \\x"
    entries, faults = changelog.parse(GOOD.replace("One.", item).encode())
    assert faults == []
    assert entries[0].lines == (f"Added: {item}",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (HEAD + GOOD, []),
        (HEAD + GOOD.replace("\n", "\r\n"), []),
        (HEAD + "Words about this file.\n\n" + GOOD, []),
        (HEAD + "## [Unreleased]\n\n" + GOOD, []),
        (GOOD + "## [1.1.0] - 2026-11-23\n### Fixed\n- Two.\n\n[1.1.0]: https://example.org/\n", []),
        ("## 1.2.0\n", ['1: "## 1.2.0" is not the heading of a version; expected "## [1.2.0] - 2026-11-23" or "## [Unreleased]"']),
        ("## [1.2.0]\n", ['1: "## [1.2.0]" is not the heading of a version; expected "## [1.2.0] - 2026-11-23" or "## [Unreleased]"']),
        ("## [Unreleased] - 2026-11-23\n", ['1: "## [Unreleased] - 2026-11-23" is not the heading of a version; expected "## [1.2.0] - 2026-11-23" or "## [Unreleased]"']),
        (GOOD.replace("1.2.0", "1.2-rc1"), ['1: "1.2-rc1" is not in the canonical form; write "1.2rc1"']),
        (GOOD.replace("11-23", "11-31"), ['1: "2026-11-31" is not a date; expected one such as "2026-11-23"']),
        (GOOD.replace("2026-11-23", "20261123"), ['1: "20261123" is not a date; expected one such as "2026-11-23"']),
        (GOOD + "## [Unreleased]\n", ["6: [Unreleased] is below a release; move it to the top"]),
        (GOOD + GOOD, ["6: 1.2.0 is below 1.2.0; list the newest version first"]),
        (GOOD + GOOD.replace("1.2.0", "1.3.0"), ["6: 1.3.0 is below 1.2.0; list the newest version first"]),
        (GOOD + GOOD.replace("1.2.0", "1.1.0").replace("23", "24"), ["6: 2026-11-24 is later than 2026-11-23 above it; list the newest date first"]),
        (GOOD + GOOD.replace("1.2.0", "1.1"), ["6: 1.1 has not as many numbers as 1.2.0; expected 3"]),
        (GOOD.replace("Added", "Addde"), ['3: "Addde" is not a section; did you mean "Added"?']),
        (GOOD.replace("Added", "News"), ['3: "News" is not a section; expected one of Added, Changed, Deprecated, Removed, Fixed, Security']),
        (GOOD.replace("### Added\n", ""), ['4: an item outside a section; move it below "### Added" or another one']),
        (GOOD.replace("- One.\n", ""), ['3: "Added" has no item; add a "- item" or remove the section']),
        ("## [1.2.0] - 2026-11-23\n", ['1: 1.2.0 has no items; add a section with a "- item"']),
        (GOOD + "* Two.\n", ['6: "* Two." is not an item; expected "- item", continued on lines indented with two spaces']),
        (GOOD + "two\n", ['6: "two" is not an item; expected "- item", continued on lines indented with two spaces']),
        (GOOD + "  - Two.\n", ['6: "  - Two." is not an item; expected "- item", continued on lines indented with two spaces']),
        (GOOD + "- \n", ["6: an empty item; write what changed"]),
        (GOOD + "- -x\n", ["6: the item begins with a dash, which a tool may read as an option; begin with another character"]),
        (GOOD + "- a\x07b\n", ["6:4: a control character, U+0007; remove it"]),
        (GOOD + "- a\u202eb\n", ["6:4: an invisible or direction-changing character, U+202E; remove it"]),
        (GOOD + "\t- a\n", ["6:1: a tab; use spaces", '6: " - a" is not an item; expected "- item", continued on lines indented with two spaces']),
        (b"\xff", ["1:1: byte 0xff is not UTF-8; save the file as UTF-8"]),
    ],
)  # fmt: skip
def test_faults(text: str | bytes, expected: list[str]) -> None:
    assert wrong(text) == expected


def test_every_fault_at_once(faults: Callable[..., list[str]]) -> None:
    assert faults(None, "## [1.2.0] - 2026-11-23\n### Addde\n- One.\nwords\n## 1.1\n") == [
        'CHANGELOG.md:2: "Addde" is not a section; did you mean "Added"?',
        'CHANGELOG.md:4: "words" is not an item; expected "- item", continued on lines indented with two spaces',
        'CHANGELOG.md:5: "## 1.1" is not the heading of a version; expected "## [1.2.0] - 2026-11-23" or "## [Unreleased]"',
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.replace("1.2.0", "1.1.0"), 'release.yaml:3:10: version: "1.2.0" is not the newest version in CHANGELOG.md, which is "1.1.0"; add an entry "## [1.2.0] - 2026-11-23" at its top'),
        (GOOD.replace("11-23", "11-22"), 'release.yaml:4:7: date: "2026-11-23" is not the date in CHANGELOG.md, which is "2026-11-22"; write the same date in both'),
        ("## [Unreleased]\n", 'release.yaml:3:10: version: CHANGELOG.md has no released version; add an entry "## [1.2.0] - 2026-11-23" at its top'),
    ],
)  # fmt: skip
def test_the_newest_entry_is_the_release(faults: Callable[..., list[str]], text: str, expected: str) -> None:
    assert faults(None, text) == [expected]


def test_a_missing_changelog(sample: Path, faults: Callable[..., list[str]]) -> None:
    sample.with_name("CHANGELOG.md").unlink()
    right = "expected a changelog with an entry for the version"
    assert faults() == [f"CHANGELOG.md: cannot be read (No such file or directory); {right}"]


@given(content=st.one_of(st.binary(), st.text(alphabet="#[]1.2-0 \n*Aded:").map(str.encode)))
def test_anything_gives_entries_and_faults(content: bytes) -> None:
    entries, faults = changelog.parse(content)
    assert all(str(fault).startswith("CHANGELOG.md:") for fault in faults)
    assert all("\n" not in line for entry in entries for line in entry.lines)
