"""A version under development: the section "Unreleased" of the changelog stands for it."""
# ruff: noqa: E501  (one case, one line)

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.manifest import changelog, reader

OPEN = '"1.3.0.dev0"'
HEAD = "# Changelog\n\n"
UNRELEASED = "## [Unreleased]\n\n"
BELOW = "## [1.2.0] - 2026-11-23\n\n### Added\n\n- One.\n"


@pytest.fixture
def opened(right: str) -> str:
    """A manifest with an open version."""
    return right.replace('"1.2.0"', OPEN).replace("v1.2.0/sample_tool-1.2.0", "v1.3.0.dev0/sample_tool-1.3.0.dev0")


@pytest.mark.parametrize("items", ["", "### Fixed\n\n- Two.\n\n"])
def test_its_entry_is_the_same_whatever_is_unreleased(sample: Path, opened: str, items: str) -> None:
    sample.write_text(opened)
    sample.with_name("CHANGELOG.md").write_text(HEAD + UNRELEASED + items + BELOW)
    entries = reader.load(sample).changelog
    assert [(str(entry.version), entry.date) for entry in entries] == [
        ("1.3.0.dev0", dt.date(2026, 11, 23)),
        ("1.2.0", dt.date(2026, 11, 23)),
    ]
    line = "Changed: This version is under development; CHANGELOG.md has its changes below [Unreleased]."
    assert entries[0].lines == (line,)


def test_it_can_be_the_first(sample: Path, opened: str) -> None:
    sample.write_text(opened)
    sample.with_name("CHANGELOG.md").write_text(HEAD + UNRELEASED)
    assert [str(entry.version) for entry in reader.load(sample).changelog] == ["1.3.0.dev0"]


def test_it_can_have_a_heading_of_its_own(sample: Path, opened: str) -> None:
    sample.write_text(opened)
    sample.with_name("CHANGELOG.md").write_text(HEAD + UNRELEASED + BELOW.replace("1.2.0", "1.3.0.dev0"))
    assert reader.load(sample).changelog[0].lines == ("Added: One.",)


@pytest.mark.parametrize(
    ("change", "history", "expected"),
    [
        (("", ""), HEAD + BELOW, 'version: "1.3.0.dev0" is not the newest version in CHANGELOG.md, which is "1.2.0"; add an entry "## [Unreleased]" at its top'),
        (("", ""), HEAD, 'version: CHANGELOG.md has no released version; add an entry "## [Unreleased]" at its top'),
        (("", ""), HEAD + UNRELEASED + BELOW.replace("1.2.0", "1.3.0"), 'version: "1.3.0.dev0" is before 1.3.0, which CHANGELOG.md has as released'),
        (("", ""), HEAD + UNRELEASED + BELOW.replace("11-23", "11-24"), 'date: "2026-11-23" is before 2026-11-24, the newest date in CHANGELOG.md'),
        (("1.3.0.dev0", "1.3.dev0"), HEAD + UNRELEASED + BELOW, 'version: "1.3.dev0" has not as many numbers as 1.2.0; expected 3'),
        (("1.3.0.dev0", "1.3.0"), HEAD + UNRELEASED + BELOW, 'version: "1.3.0" is not the newest version in CHANGELOG.md, which is "1.2.0"; add an entry "## [1.3.0] - 2026-11-23" at its top'),
    ],
)  # fmt: skip
def test_faults(
    faults: Callable[..., list[str]], opened: str, change: tuple[str, str], history: str, expected: str
) -> None:
    (fault,) = faults(opened.replace(*change), history)
    assert fault.split(": ", 1)[1] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD + BELOW, None),
        ("", None),
        (HEAD + UNRELEASED + BELOW, ()),
        (HEAD + UNRELEASED + "### Fixed\n\n- Two,\n  still.\n\n### Added\n\n- 3.\n\n" + BELOW, ("Fixed: Two, still.", "Added: 3.")),
        ((HEAD + UNRELEASED + "### Fixed\n\n- Two.\n" + BELOW).replace("\n", "\r\n"), ("Fixed: Two.",)),
        (HEAD + BELOW + UNRELEASED + "### Fixed\n\n- Two.\n", None),
    ],
)  # fmt: skip
def test_what_is_unreleased(text: str, expected: tuple[str, ...] | None) -> None:
    assert changelog.unreleased(text.encode()) == expected
