"""Libraries of all formats, cut off at every place: only a whole one is whole."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from faas_runtime.whole import cut_off, is_whole

from tests.runtime.support import FUNCTIONS, compile_library


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library(FUNCTIONS / "probe.c", tmp_path_factory.mktemp("built"))


def test_whole_is_neither_more_nor_less(built: Path) -> None:
    data = built.read_bytes()
    assert is_whole(data)
    assert is_whole(data + b"signature")
    assert not any(is_whole(data[:end]) for end in range(0, len(data), 7))


def thin_macho(*, moved: int = 0) -> bytes:
    """A Mach-O library with one segment of 100 bytes and a table of symbols behind it."""
    segment = struct.pack("<II16sQQQQiiII", 0x19, 72, b"__TEXT", 0, 4096, 200, 100, 7, 5, 0, 0)
    symbols = struct.pack("<IIIIII", 0x2, 24, 300, 2, 332, 18 + moved)
    head = struct.pack("<4sIIIIIII", b"\xcf\xfa\xed\xfe", 0x0100000C, 0, 6, 2, 96, 0, 0)
    return (head + segment + symbols).ljust(350, b"\0")


def fat_macho() -> bytes:
    """One architecture in a file for several."""
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
def test_whole_in_other_formats(data: bytes) -> None:
    assert is_whole(data)
    assert not any(is_whole(data[:end]) for end in range(len(data)))


@pytest.mark.parametrize("data", FORMATS.values(), ids=FORMATS)
def test_how_it_is_cut_off(tmp_path: Path, data: bytes) -> None:
    """As far as the heads tell; they are read from the file as from memory."""
    path = tmp_path / "library"
    for end in range(68, len(data) + 1):
        path.write_bytes(data[:end])
        how = cut_off(str(path))
        assert bool(how) != is_whole(data[:end])
        assert how == "" or f"it has {end}" in how
    path.write_bytes(data[:-1])
    assert cut_off(str(path)).startswith("It is cut off: its headers promise ")
    path.write_bytes(b"#!/bin/sh\n")
    assert cut_off(str(path)) == ""


def test_memory_that_is_zero_at_first_is_not_in_the_file() -> None:
    data = windows()
    assert is_whole(data.replace(struct.pack("<II", 100, 512), struct.pack("<II", 9999, 0)))


def test_what_promises_too_much_is_not_whole() -> None:
    assert not is_whole(thin_macho(moved=1))
    assert not is_whole(windows(symbols=3)[:-23])
