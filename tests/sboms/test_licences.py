"""Licences as SPDX expressions."""

from __future__ import annotations

import re

import pytest

from ci.sboms import licences
from ci.sboms.model import Licence

DEP5 = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("MIT", "MIT"),
        ("mpl-2.0 and mit", "MPL-2.0 AND MIT"),
        ("GPLv2+ and (LGPLv2+ or MIT)", "GPL-2.0-or-later AND (LGPL-2.0-or-later OR MIT)"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"),
    ],
)
def test_what_spdx_lists_is_written_as_spdx_does(text: str, expression: str) -> None:
    assert licences.of_text(text) == Licence(expression=expression)


@pytest.mark.parametrize("text", ["Public-Domain", "BSD with advertising", "MIT AND (BSD", "one two", "custom"])
def test_what_spdx_does_not_list_is_referred_to_with_its_text(text: str) -> None:
    found = licences.of_text(text)
    assert found is not None
    assert re.fullmatch(r"LicenseRef-[A-Za-z0-9.-]+", found.expression)
    assert found.texts == {found.expression: text}


def test_a_word_that_spdx_does_not_list_leaves_the_others_as_they_are() -> None:
    found = licences.of_text("MIT AND custom")
    assert found is not None
    (reference,) = found.texts
    assert found.expression == f"MIT AND {reference}"


@pytest.mark.parametrize("text", ["", " ", "NOASSERTION"])
def test_no_licence_is_none(text: str) -> None:
    assert licences.of_text(text) is None


def test_a_copyright_file_that_programs_can_read() -> None:
    text = (
        f"{DEP5}Files: *\nLicense: GPL-2+ or Artistic\n\nFiles: a\nLicense: Expat\n Permission is granted.\n\n"
        "Files: b\nLicense: own\n\nLicense: own\n Do as you like.\n .\n Always.\n"
    )
    found = licences.of_copyright_file(text.encode())
    assert found is not None
    (reference,) = found.texts
    assert found.expression == f"(GPL-2.0-or-later OR Artistic-1.0-Perl) AND {reference} AND MIT"
    assert found.texts[reference].startswith("Do as you like.")


def test_any_other_copyright_file_is_the_licence_itself() -> None:
    found = licences.of_copyright_file(b"This is free software.\n")
    assert found is not None
    assert found.texts == {found.expression: "This is free software."}
    assert licences.of_copyright_file(b"\n") is None


def test_other_texts_have_other_references() -> None:
    first, second = (licences.of_copyright_file(text) for text in (b"One.", b"Two."))
    assert first is not None
    assert second is not None
    assert first.expression != second.expression
