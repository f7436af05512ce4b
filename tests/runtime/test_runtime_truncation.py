"""Libraries of all formats, cut off at every offset: only the complete one is complete."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from faas_runtime.binary.truncation import how_cut_off, is_complete

from tests.runtime.support import FUNCTIONS, compile_library


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library(FUNCTIONS / "probe.c", tmp_path_factory.mktemp("built"))


def test_a_library_with_more_bytes_is_complete_and_with_fewer_is_not(built: Path) -> None:
    data = built.read_bytes()
    assert is_complete(data)
    assert is_complete(data + b"signature")
    assert not any(is_complete(data[:end]) for end in range(0, len(data), 7))


def thin_macho(*, moved: int = 0) -> bytes:
    """A Mach-O library with one segment of 100 bytes and a table of symbols behind it."""
    segment = struct.pack("<II16sQQQQiiII", 0x19, 72, b"__TEXT", 0, 4096, 200, 100, 7, 5, 0, 0)
    symbols = struct.pack("<IIIIII", 0x2, 24, 300, 2, 332, 18 + moved)
    head = struct.pack("<4sIIIIIII", b"\xcf\xfa\xed\xfe", 0x0100000C, 0, 6, 2, 96, 0, 0)
    return (head + segment + symbols).ljust(350, b"\0")


def fat_macho() -> bytes:
    """A file for several architectures that contains one."""
    inner = thin_macho()
    head = struct.pack(">4sIIIIII", b"\xca\xfe\xba\xbe", 1, 0x0100000C, 0, 400, len(inner), 0)
    return head.ljust(400, b"\0") + inner


def windows(*, symbols: int = 0) -> bytes:
    """A DLL with one section of 100 bytes at 512, and MinGW's symbols behind it if wanted."""
    optional = struct.pack("<H", 0x20B).ljust(240, b"\0")
    head = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, 1, 0, 612 if symbols else 0, symbols, len(optional), 0x2000)
    section = struct.pack("<8sIIII16x", b".text", 100, 4096, 100, 512)
    data = (b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 64) + head + optional + section).ljust(612, b"\0")
    return data + (bytes(18 * symbols) + struct.pack("<I", 4) if symbols else b"")


FORMATS = {"Mach-O": thin_macho(), "fat Mach-O": fat_macho(), "PE": windows(), "MinGW": windows(symbols=3)}


@pytest.mark.parametrize("data", FORMATS.values(), ids=FORMATS)
def test_other_formats(data: bytes) -> None:
    assert is_complete(data)
    assert not any(is_complete(data[:end]) for end in range(len(data)))


@pytest.mark.parametrize("data", FORMATS.values(), ids=FORMATS)
def test_the_report_says_how_a_library_is_cut_off(tmp_path: Path, data: bytes) -> None:
    """The report uses the headers only. The file is read on demand, with the same result as in memory."""
    path = tmp_path / "library"
    for end in range(68, len(data) + 1):
        path.write_bytes(data[:end])
        how = how_cut_off(str(path))
        assert bool(how) != is_complete(data[:end])
        assert how == "" or f"has {end}" in how
    path.write_bytes(data[:-1])
    assert how_cut_off(str(path)).startswith("It is cut off: it should have ")
    path.write_bytes(b"#!/bin/sh\n")
    assert how_cut_off(str(path)) == ""


def test_memory_that_is_zero_at_first_is_not_in_the_file() -> None:
    data = windows()
    assert is_complete(data.replace(struct.pack("<II", 100, 512), struct.pack("<II", 9999, 0)))


def test_a_header_with_too_large_numbers_makes_it_incomplete() -> None:
    assert not is_complete(thin_macho(moved=1))
    assert not is_complete(windows(symbols=3)[:-23])
