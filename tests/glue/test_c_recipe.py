"""The C recipe builds for every system, and its function follows the rules of the header."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from ci.bake.render import bake_recipe
from tests.glue.support import STRICT, Host, c_function, call, needed, zig
from tests.support import ROOT, program

EVENT = '{"a":"Grüße"}'
ANSWER = [
    "version 1",
    "status 0",
    'data {"event":{"a":"Grüße"},"function":"simple_handler","request_id":"r-1"}',
]
LEAK_KIB = 256
ROUNDS = 50_000


def make(project: Path, *arguments: str) -> str:
    return call(program("make"), *arguments, cwd=project)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return bake_recipe(ROOT / "recipes" / "c-function", tmp_path)


@pytest.mark.parametrize("compiler", ["gcc", "musl-gcc", "clang"])
def test_unit_test_passes(project: Path, compiler: str) -> None:
    output = make(project, "test", f"CC={program(compiler)}", "CFLAGS=-O2 -Werror")
    assert output.splitlines()[-1] == "ok"


def test_unit_test_is_clean_under_sanitizers(project: Path) -> None:
    options = "-g -fsanitize=address,undefined -fno-sanitize-recover=all"
    assert make(project, "test", "CC=gcc", f"CFLAGS={options}").splitlines()[-1] == "ok"


def test_events_are_answered_and_responses_released(tmp_path: Path, host: Host) -> None:
    library = c_function(tmp_path, [program("gcc")]) / "libsimple_handler.so"
    assert needed(library) == {"libc.so.6"}
    *answer, grown = host(library, EVENT, rounds=ROUNDS)
    assert answer == ANSWER
    assert int(grown.removeprefix("grown ")) < LEAK_KIB


def test_musl(tmp_path: Path, musl_host: Host) -> None:
    library = c_function(tmp_path, [program("musl-gcc")]) / "libsimple_handler.so"
    assert needed(library) == {"libc.so"}
    assert musl_host(library, EVENT) == ANSWER


@pytest.mark.parametrize(
    ("target", "machine", "library"),
    [
        ("aarch64-linux-gnu.2.28", "AArch64", "libc.so.6"),
        ("aarch64-linux-musl", "AArch64", "libc.so"),
    ],
)
def test_cross_compiled_for_linux(tmp_path: Path, target: str, machine: str, library: str) -> None:
    built = c_function(tmp_path, zig(target)) / "libsimple_handler.so"
    assert f"Machine:                           {machine}\n" in call(program("readelf"), "-h", built)
    assert needed(built) == {library}


def test_cross_compiled_for_macos(tmp_path: Path) -> None:
    built = c_function(tmp_path, zig("aarch64-macos")) / "libsimple_handler.dylib"
    assert built.read_bytes()[:8] == bytes.fromhex("cffaedfe 0c000001")  # Mach-O, 64 bits, ARM


@pytest.mark.parametrize("target", ["x86_64-windows-gnu", "aarch64-windows-gnu"])
def test_compiles_for_windows(tmp_path: Path, project: Path, target: str) -> None:
    """Not linked: zig would compile the whole C library of mingw-w64 first, which takes a minute."""
    compiler = shlex.join(zig(target))
    commands = make(project, "-n", "all", "test", f"CC={compiler}")
    assert "-o libsimple_handler.dll simple_handler.c" in commands
    assert "-o test_simple_handler.exe " in commands
    assert "-fPIC" not in commands
    for file in project.glob("*.c"):
        call(*zig(target), "-std=c99", *STRICT, "-c", "-o", tmp_path / "object", file)


def test_mingw(tmp_path: Path) -> None:
    compiler = program("x86_64-w64-mingw32-gcc")
    built = c_function(tmp_path, [compiler]) / "libsimple_handler.dll"
    table = call(program("x86_64-w64-mingw32-objdump"), "-p", built).partition("[Ordinal/Name Pointer] Table")[2]
    assert [line.split()[-1] for line in table.splitlines() if line.lstrip().startswith("[")] == [
        "faas_abi_version",
        "handle",
    ]


def test_clean_leaves_nothing(project: Path) -> None:
    before = sorted(project.rglob("*"))
    make(project, "all", "test")
    assert sorted(project.rglob("*")) != before
    make(project, "clean")
    assert sorted(project.rglob("*")) == before
