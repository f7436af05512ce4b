"""The links of the pages lead somewhere, they contain no paths of a machine, and their blocks are read correctly."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path, PurePosixPath

import pytest

from tests.docs.pages import ANY, DOCS, Block, blocks, pattern, steps
from tests.support import ROOT

PAGES = sorted(path.name for path in DOCS.glob("*.md"))
BESIDE = tuple(f"../{path.name}" for path in sorted(ROOT.glob("*.md")))
WIDTH = 120
LINK = re.compile(r"\[[^]]+\]\(([^)\s]+)\)")
MACHINE = re.compile(r"/root/|/home/\w|/Users/\w|/work/|/nix/|\.nox|pytest-of")


def outside_blocks(page: str) -> str:
    return re.sub(r"(?ms)^```.*?^```$", "", (DOCS / page).read_text())


def anchors(path: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    headings = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?ms)^```.*?^```$", "", path.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, *BESIDE])
def test_links_lead_to_existing_pages(page: str) -> None:
    for link in LINK.findall(outside_blocks(page)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (DOCS / page).parent / path if path else DOCS / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES)
def test_every_section_is_in_the_contents(page: str) -> None:
    text = (DOCS / page).read_text()
    listed = re.findall(r"(?m)^- \[(.+)\]\(#", text)
    assert listed in ([], re.findall(r"(?m)^## (.+)$", re.sub(r"(?ms)^```.*?^```$", "", text)))


@pytest.mark.parametrize("page", PAGES)
def test_pages_have_no_paths_of_a_machine(page: str) -> None:
    for number, line in enumerate((DOCS / page).read_text().splitlines(), start=1):
        assert not MACHINE.search(line), f"{page}:{number}: {line}"


@pytest.mark.parametrize("page", [*PAGES, *BESIDE])
def test_lines_are_wrapped(page: str) -> None:
    """Output and tables cannot be wrapped."""
    assert [line for line in outside_blocks(page).splitlines() if len(line) > WIDTH and not line.startswith("|")] == []


@pytest.mark.parametrize("page", PAGES)
def test_blocks_show_the_files_that_they_name(page: str) -> None:
    for block in blocks(page):
        if block.note == "source":
            assert block.text == (ROOT / block.about).read_text(), block.place
        if block.note == "part of":
            assert block.text in (ROOT / block.about).read_text(), block.place


def test_every_example_is_shown_or_linked() -> None:
    """A link to a folder counts for all that is in it."""
    texts = "".join((DOCS / page).read_text() for page in PAGES)
    listed = subprocess.run(
        ["git", "ls-files", "examples"], cwd=DOCS, capture_output=True, text=True, check=True
    ).stdout
    for file in map(PurePosixPath, listed.splitlines()):
        assert any(f"({path})" in texts for path in (file, *file.parents)), file


def console(text: str) -> Block:
    return Block(page="p.md", section="", line=1, language="console", text=text, note="", about="")


def test_commands_and_what_they_print() -> None:
    first, second, third = steps(console("$ one \\\n    more\n1\n2\n$ two\n^C\nbye\n"))
    assert (first.command, first.expected) == ("one \\\n    more", ["1", "2"])
    assert (second.command, second.expected) == ("two", [])
    assert (third.command, third.expected) == ("^C", ["bye"])
    (further,) = steps(console("START\nEND\n"))
    assert (further.command, further.expected) == ("", ["START", "END"])


@pytest.mark.parametrize(
    ("expected", "printed", "fits"),
    [
        ([], "", True),
        ([], "x\n", False),
        (["a.c"], "a.c\n", True),
        (["a.c"], "abc\n", False),
        ([f"a{ANY}c"], "abbc\n", True),
        ([f"a{ANY}c"], "ab\nc\n", False),
        (["a", ANY, "c"], "a\nb\nb\nc\n", True),
        (["a", ANY, "c"], "a\nc\n", True),
        (["a", ANY], "b\n", False),
    ],
)
def test_patterns(expected: list[str], printed: str, fits: bool) -> None:
    assert bool(pattern(expected).fullmatch(printed)) == fits
