"""docs/debugging.md shows what its commands print: each section is followed in a new folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.conftest import need
from tests.docs.follow import Reader
from tests.docs.pages import DOCS, sections
from tests.support import ROOT, not_there

PAGE = "debugging.md"
FILES = (DOCS / "examples" / "faulty" / "faulty.c", ROOT / "runtime" / "include" / "faas.h")
FIRST = "The example"
NEEDED = {
    "What check says": ("musl-gcc", "aarch64-linux-gnu-gcc"),
    "What the last lines mean": (),
    "A breakpoint": ("gdb", "pgrep"),
    "A function that hangs": ("gdb", "pgrep"),
    "Core dumps": ("gdb",),
    "Sanitizers": (),
    "Valgrind": ("valgrind",),
    "System calls": ("strace",),
    "Rust": ("cargo", "gdb"),
    "Where the output goes": (),
}
LONG = ("Valgrind", "Rust")
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")


def test_every_section_is_followed() -> None:
    assert list(sections(PAGE)) == [FIRST, *NEEDED]
    assert set(LONG) <= set(NEEDED)


@pytest.mark.parametrize(
    "section", [pytest.param(name, marks=pytest.mark.long) if name in LONG else name for name in NEEDED]
)
def test_section(section: str, reader: Callable[..., Reader]) -> None:
    need("cc", *NEEDED[section])
    if section == "Core dumps" and CORE_PATTERN.read_text() != "core\n":
        not_there("a kernel that writes core dumps to the file `core`", optional=True)
    person = reader(*FILES, cargo=section == "Rust")
    found = sections(PAGE)
    person.follow(found[FIRST])
    person.follow(found[section])
