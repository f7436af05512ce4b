"""docs/abi.md agrees with the header, and its examples build, follow the ABI and give the same responses."""

from __future__ import annotations

import re
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.core.runtime_api_stub import RuntimeApiStub, RuntimeResult
from tests.docs.conftest import need
from tests.docs.follow import TIMEOUT_S, Reader
from tests.docs.pages import DOCS, sections
from tests.glue.support import STRICT, call, zig
from tests.glue.test_header import LAYOUT_32, LAYOUT_64
from tests.support import ROOT

HEADER = ROOT / "runtime" / "include" / "faas.h"
C = DOCS / "examples" / "c" / "checksum.c"
ZIG = DOCS / "examples" / "zig" / "checksum.zig"
EVENT = b'{"answer":42,"greeting":"hello"}'
TABLES = {"faas_request": "The request", "faas_response": "The response"}
ROW = re.compile(r"(?m)^\| `(\w+)` \| `(.+?)` \| (\d+) \| (\d+) \|")


def section(name: str) -> str:
    return (DOCS / "abi.md").read_text().partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def layout(file: Path, structure: str) -> list[tuple[str, int]]:
    lines = [line.split() for line in file.read_text().splitlines()]
    return [(field, int(place)) for name, field, place, _ in lines if name == structure and field != "-"]


@pytest.mark.parametrize("structure", TABLES)
def test_tables_are_the_layout(structure: str) -> None:
    rows = ROW.findall(section(TABLES[structure]))
    assert [(name, int(place)) for name, _, place, _ in rows] == layout(LAYOUT_64, structure)
    assert [(name, int(place)) for name, _, _, place in rows] == layout(LAYOUT_32, structure)


@pytest.mark.parametrize("structure", TABLES)
def test_types_are_the_header_s(structure: str) -> None:
    text = HEADER.read_text()
    body = re.search(rf"struct {structure} {{\n(.*?)\n}}", text, re.DOTALL)
    assert body
    declared = re.findall(r"(?m)^    (.+?);", body[1])
    for name, kind, *_ in ROW.findall(section(TABLES[structure])):
        declaration = kind.replace("(*)", f"(*{name})") if "(*)" in kind else f"{kind} {name}".replace("* ", "*")
        assert declaration in declared


def test_every_symbol_of_the_header_is_documented() -> None:
    text = (DOCS / "abi.md").read_text()
    for symbol in re.findall(r"FAAS_EXPORT \w+ (faas_\w+)\(", HEADER.read_text()):
        assert f"`{symbol}`" in text


def test_the_function_that_sends_a_piece_is_that_of_the_request() -> None:
    (shown,) = (block for block in sections("abi.md")["Streamed responses"] if block.note == "shown")
    assert shown.text.replace(" write(", " (*faas_write)(").strip() in HEADER.read_text()


def test_the_section_about_the_header_can_be_followed(reader: Callable[..., Reader]) -> None:
    person = reader()
    person.follow(sections("abi.md")["The header"])
    assert (person.folder / "faas.h").read_bytes() == HEADER.read_bytes()


@pytest.fixture
def c_function(reader: Callable[..., Reader]) -> Path:
    """The folder in which a reader has followed the page's example in C."""
    need("cc")
    person = reader(C, HEADER)
    person.follow(sections("abi.md")["Example in C"])
    return person.folder


@pytest.fixture
def zig_function(reader: Callable[..., Reader]) -> Path:
    """The same for Zig."""
    zig("native")  # or report that it is missing
    person = reader(ZIG, HEADER)
    person.follow(sections("abi.md")["Example in Zig"])
    return person.folder


@pytest.mark.parametrize("language", ["c_function", pytest.param("zig_function", marks=pytest.mark.long)])
def test_example_answers(language: str, request: pytest.FixtureRequest, programs: Path) -> None:
    folder: Path = request.getfixturevalue(language)
    answers = [ask(programs, folder, name, event) for name in ("handle", "blocks") for event in (EVENT, b"")]
    whole, nothing, streamed, empty = answers
    assert whole.body == b'{"bytes":%d,"crc32":"%08x"}' % (len(EVENT), zlib.crc32(EVENT))
    assert (nothing.kind, b"Function.EmptyEvent" in nothing.body) == ("error", True)
    lines = [b"%d %08x\n" % (at, zlib.crc32(EVENT[at : at + 16])) for at in range(0, len(EVENT), 16)]
    assert (streamed.body, streamed.headers["content-type"]) == (b"".join(lines), "text/plain")
    assert (empty.kind, empty.body) == ("response", b"")


def ask(programs: Path, folder: Path, name: str, event: bytes) -> RuntimeResult:
    with RuntimeApiStub() as api:
        variables = {"AWS_LAMBDA_RUNTIME_API": api.address, "LAMBDA_TASK_ROOT": str(folder)}
        command = [str(programs / "faas-runtime"), f"checksum.{name}"]
        with subprocess.Popen(command, env=variables, stderr=subprocess.DEVNULL) as process:
            try:
                return api.invoke(event, timeout=TIMEOUT_S)
            finally:
                process.kill()


def test_other_languages(reader: Callable[..., Reader]) -> None:
    need("cc", "sed")
    reader(HEADER).follow(sections("abi.md")["The header for other languages"])


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("system", ["linux-gnu", "linux-musl", "macos", "windows-gnu"])
def test_c_example_compiles_for(tmp_path: Path, machine: str, system: str) -> None:
    options = ("-std=c99", *STRICT, "-O2", "-fvisibility=hidden", "-c", "-o", tmp_path / "checksum.o", C)
    call(*zig(f"{machine}-{system}"), *options)
