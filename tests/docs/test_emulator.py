"""docs/emulator.md: its commands are run one after the other, and its lists are complete."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.conftest import need, variables
from tests.docs.follow import Reader
from tests.docs.pages import DOCS, blocks
from tests.support import ROOT

PAGE = "emulator.md"
TEXT = (DOCS / PAGE).read_text()
SAMPLES = ROOT / "runtime" / "faas_runtime" / "emulator" / "samples"


@pytest.fixture
def person(tmp_path: Path, programs: Path) -> Iterator[Reader]:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "faulty.c").write_bytes((DOCS / "examples" / "faulty" / "faulty.c").read_bytes())
    environment = variables(tmp_path / "home", programs)
    with socket.socket() as listener:  # the tutorial may be followed at the same time, on the usual port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    environment["FAAS_RUNTIME_LISTEN"] = f"127.0.0.1:{port}"
    with Reader(folder, environment, instead=(":8080", f":{port}")) as reader:
        yield reader


def test_the_blocks_that_are_not_run_are_known() -> None:
    assert [block.about for block in blocks(PAGE) if block.note == "not run"] == [
        "an example of a name",
        "an example of names",
        "an example of a workspace",
        "needs boto3",
        "an example of a build",
    ]


def test_the_page_can_be_followed(person: Reader) -> None:
    need("bash", "cc", "curl", "make")
    person.follow(blocks(PAGE))


def test_every_option_is_listed() -> None:
    source = (ROOT / "runtime" / "faas_runtime" / "emulator" / "parsers.py").read_text()
    options = set(re.findall(r'"(--[a-z-]+)"', source))
    assert len(options) > 8
    assert options <= set(re.findall(r"`(--[a-z-]+)[ `]", TEXT))


def test_every_sample_is_listed() -> None:
    assert all(f"`{path.stem}`" in TEXT for path in SAMPLES.glob("*.json"))


def test_every_default_is_listed() -> None:
    sys.path.insert(0, str(ROOT / "runtime"))
    try:
        from faas_runtime.emulator.function_environment import DEFAULTS
    finally:
        sys.path.pop(0)
    rows = {name: line for line in TEXT.splitlines() if line.startswith("| `") for name in re.findall(r"`(\w+)`", line)}
    for name, value in DEFAULTS.items():
        assert value in rows[name]
