"""What an ELF file asks for: its program interpreter and the shared libraries that it names."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_LOAD, _DYNAMIC, _INTERP = 1, 2, 3
_NEEDED, _STRTAB = 1, 5
MACHINES = {62: "amd64", 183: "arm64"}


@dataclass(frozen=True, kw_only=True)
class Elf:
    """The facts of one file: `machine` as Debian and Go name it, `interpreter` empty for a library."""

    machine: str
    interpreter: str
    needed: tuple[str, ...]


def parse(data: bytes) -> Elf | None:
    """Read a 64-bit little-endian ELF file; None for anything else."""
    if data[:6] != b"\x7fELF\x02\x01":
        return None
    machine = struct.unpack_from("<H", data, 18)[0]
    segments = _segments(data)
    interpreter = b"".join(data[offset : offset + size - 1] for kind, offset, _, size in segments if kind == _INTERP)
    needed: list[str] = []
    for kind, offset, _, size in segments:
        if kind == _DYNAMIC:
            needed += _needed(data, offset, size, segments)
    return Elf(machine=MACHINES.get(machine, str(machine)), interpreter=interpreter.decode(), needed=tuple(needed))


def _segments(data: bytes) -> list[tuple[int, int, int, int]]:
    """The program headers: type, offset in the file, address, size in the file."""
    start, size, count = *struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54)
    found = []
    for position in range(start, start + size * count, size):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", data, position)
        found.append((kind, offset, address, length))
    return found


def _needed(data: bytes, offset: int, size: int, segments: list[tuple[int, int, int, int]]) -> list[str]:
    entries = list(struct.iter_unpack("<qQ", data[offset : offset + size]))
    address = next(value for tag, value in entries if tag == _STRTAB)
    # The table of names is given by its address in memory; the segment that is loaded there tells where it lies.
    strings = next(
        address - begin + start
        for kind, start, begin, length in segments
        if kind == _LOAD and begin <= address < begin + length
    )
    names = [strings + value for tag, value in entries if tag == _NEEDED]
    return [data[name : data.index(b"\0", name)].decode() for name in names]
