"""Reads the fenced blocks of the pages in docs/, and the notes above them for the tests.

An HTML comment on the line above a block is its note; the rendered page does not show it:

    <!-- not run: REASON -->     the tests leave the block out, and list it
    <!-- keeps running -->       a second terminal, opened in the same folder: the last command keeps running
    <!-- source: PATH -->        the block shows exactly this file of the repository
    <!-- part of: PATH -->       the block shows lines of this file, unchanged
    <!-- file: PATH -->          the reader writes the block into this file, or, with the language `diff`, changes it
    <!-- shown -->               the block is to be read only

In a `console` block, `$ ` comes before a command, which goes on in the next line after a backslash; what follows is
what it prints. `…` stands for any text in a line, and in a line of its own for any number of lines. A command has to
succeed unless `$ echo $?` follows it. A block without a command is what the command that keeps running goes on
to print; `^C` ends that command.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support import ROOT

DOCS = ROOT / "docs"
NOTE = re.compile(r"<!-- (not run|keeps running|source|part of|file|shown)(?:: (.+))? -->")
ANY = "…"


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: its text ends with a newline; `line` is where it begins, for messages."""

    page: str
    section: str
    line: int
    language: str
    text: str
    note: str
    about: str
    """What the note says after its colon: a reason or a path."""

    @property
    def place(self) -> str:
        return f"docs/{self.page}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class ConsoleStep:
    """A command of a console block and the lines that it prints; no command, or `^C`: see above."""

    command: str
    expected: list[str]


def blocks(page: str) -> list[Block]:
    """All fenced blocks of a page, in its order."""
    found = []
    section, above = "", ""
    lines = iter(enumerate((DOCS / page).read_text().splitlines(), start=1))
    for number, line in lines:
        if line.startswith("## "):
            section = line.removeprefix("## ")
        if line.startswith("```"):
            note = NOTE.fullmatch(above)
            found.append(
                Block(
                    page=page,
                    section=section,
                    line=number,
                    language=line.removeprefix("```"),
                    text="".join(_until_fence(lines)),
                    note=note[1] if note else "",
                    about=(note[2] or "") if note else "",
                )
            )
        assert NOTE.fullmatch(line) or not line.startswith("<!--"), f"docs/{page}:{number}: no note: {line}"
        above = line
    return found


def sections(page: str) -> dict[str, list[Block]]:
    """The blocks by their sections, for those that have any."""
    found: dict[str, list[Block]] = {}
    for block in blocks(page):
        found.setdefault(block.section, []).append(block)
    return found


def steps(block: Block) -> list[ConsoleStep]:
    """The commands of a console block, each with what it prints."""
    found: list[ConsoleStep] = []
    lines = iter(block.text.splitlines())
    for line in lines:
        if line.startswith("$ "):
            command = line.removeprefix("$ ")
            while command.endswith("\\"):
                command += "\n" + next(lines)
            found.append(ConsoleStep(command=command, expected=[]))
        elif line == "^C" or not found:
            found.append(ConsoleStep(command="^C" if line == "^C" else "", expected=[] if line == "^C" else [line]))
        else:
            found[-1].expected.append(line)
    return found


def pattern(expected: list[str]) -> re.Pattern[str]:
    """What matches the lines that a page shows."""
    parts = []
    for line in expected:
        if line == ANY:
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(".*?".join(re.escape(piece) for piece in line.rstrip().split(ANY)) + r"[ \t]*\n")
    return re.compile("".join(parts))


def _until_fence(lines: Iterator[tuple[int, str]]) -> Iterator[str]:
    for _, line in lines:
        if line == "```":
            return
        yield line + "\n"
    raise AssertionError("a fence is not closed")
