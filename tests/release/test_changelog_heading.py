"""The heading "Unreleased": it becomes a version's, or is put on top; every other byte stays."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from ci.core.errors import ManifestError
from ci.manifest import changelog
from ci.manifest.versions import parse
from ci.release import changelog_heading

DAY = dt.date(2026, 12, 24)
HEAD = "# Changelog\n\nAbout this file, which has ## [Unreleased] in a line.\n\n"
UNRELEASED = "## [Unreleased]\n\n### Fixed\n\n- Two, see ## [Unreleased].\n\n"
BELOW = "## [1.2.0] - 2026-11-23\n\n### Added\n\n- One.\n\n[1.2.0]: https://example.org/\n"


def dos(text: str) -> str:
    return text.replace("\n", "\r\n")


@pytest.mark.parametrize("form", [str, dos], ids=["unix", "dos"])
@pytest.mark.parametrize("spaces", ["", "  "])
def test_it_becomes_the_heading_of_a_version(form: Callable[[str], str], spaces: str) -> None:
    before = form((HEAD + UNRELEASED + BELOW).replace("ed]\n", f"ed]{spaces}\n"))
    after = changelog_heading.released(before, parse("1.3.0rc1"), DAY)
    assert after == before.replace("\n## [Unreleased]", "\n## [1.3.0rc1] - 2026-12-24")
    entries, faults = changelog.parse(after.encode())
    assert (faults, str(entries[0].version)) == ([], "1.3.0rc1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + BELOW, 'CHANGELOG.md: no "## [Unreleased]", and a release says what has changed'),
        ("", 'CHANGELOG.md: no "## [Unreleased]"'),
        (HEAD + "## [Unreleased]\n\n" + BELOW, 'CHANGELOG.md: no item below "## [Unreleased]"'),
        (HEAD + "## [Unreleased]\n\n### Fixed\n\n" + BELOW, "CHANGELOG.md: no item below"),
        (HEAD + UNRELEASED + BELOW.replace("1.2.0", "1.3.0"), "CHANGELOG.md: 1.3.0 has an entry already"),
    ],
)
def test_refused(text: str, said: str) -> None:
    with pytest.raises(ManifestError) as caught:
        changelog_heading.released(text, parse("1.3.0"), DAY)
    assert str(caught.value).startswith(said)
    assert "## [Unreleased]" in caught.value.hint


@pytest.mark.parametrize("form", [str, dos], ids=["unix", "dos"])
def test_an_empty_section_is_put_on_top_once(form: Callable[[str], str]) -> None:
    after = changelog_heading.opened(form(HEAD + BELOW))
    assert after == form(HEAD + "## [Unreleased]\n\n" + BELOW)
    assert changelog.parse(after.encode())[1] == []
    assert changelog_heading.opened(after) == after


def test_without_a_version_it_is_put_at_the_end() -> None:
    assert changelog.unreleased(changelog_heading.opened("# Changelog\n").encode()) == ()


def test_the_section_of_a_version() -> None:
    text = HEAD + UNRELEASED + BELOW
    assert changelog_heading.section(text, parse("1.2.0")) == "### Added\n\n- One."
    assert changelog_heading.section(text, parse("1.2")) == ""
    assert changelog_heading.section(dos(text), parse("1.2.0")) == "### Added\n\n- One."
