"""What an ELF file needs: its program interpreter and the shared libraries that it names.

The constants are those of elf(5) and `<elf.h>`, for 64-bit little-endian files.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ci.core.architectures import elf_name

# The first bytes (e_ident): the magic number, ELFCLASS64, ELFDATA2LSB.
_IDENT = b"\x7fELF\x02\x01"

# Offsets in the file's header (Elf64_Ehdr).
_E_MACHINE = 18
_E_PHOFF = 32
_E_PHENTSIZE = 54  # e_phnum follows it

# One program header (Elf64_Phdr): p_type, p_flags, p_offset, p_vaddr, p_paddr, p_filesz.
_PROGRAM_HEADER = "<IIQQQQ"
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3

# One entry of the dynamic section (Elf64_Dyn): d_tag, d_val or d_ptr.
_DYNAMIC_ENTRY = "<qQ"
_DT_NEEDED, _DT_STRTAB = 1, 5


@dataclass(frozen=True, kw_only=True)
class Elf:
    """The facts of one file: `machine` as Debian and Go name it, `interpreter` empty for a library."""

    machine: str
    interpreter: str
    needed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Segment:
    """One program header; offset and size, in bytes, are those in the file."""

    kind: int
    offset: int
    address: int
    size: int


def parse(data: bytes) -> Elf | None:
    """Read a 64-bit little-endian ELF file; None for anything else."""
    if not data.startswith(_IDENT):
        return None
    (machine,) = struct.unpack_from("<H", data, _E_MACHINE)
    segments = _segments(data)
    # The name ends in a null byte.
    interpreter = b"".join(data[one.offset : one.offset + one.size - 1] for one in segments if one.kind == _PT_INTERP)
    needed = [name for one in segments if one.kind == _PT_DYNAMIC for name in _needed(data, one, segments)]
    return Elf(machine=elf_name(machine), interpreter=interpreter.decode(), needed=tuple(needed))


def _segments(data: bytes) -> list[_Segment]:
    (start,) = struct.unpack_from("<Q", data, _E_PHOFF)
    size, count = struct.unpack_from("<HH", data, _E_PHENTSIZE)
    found = []
    for position in range(start, start + size * count, size):
        kind, _, offset, address, _, length = struct.unpack_from(_PROGRAM_HEADER, data, position)
        found.append(_Segment(kind=kind, offset=offset, address=address, size=length))
    return found


def _needed(data: bytes, dynamic: _Segment, segments: list[_Segment]) -> list[str]:
    """The names of the libraries that a dynamic section lists."""
    section = data[dynamic.offset : dynamic.offset + dynamic.size]
    entries = list(struct.iter_unpack(_DYNAMIC_ENTRY, section))
    address = next(value for tag, value in entries if tag == _DT_STRTAB)
    # The section gives the address in memory of the table of names. The segment that is loaded there has its offset.
    strings = next(
        address - one.address + one.offset
        for one in segments
        if one.kind == _PT_LOAD and one.address <= address < one.address + one.size
    )
    names = [strings + value for tag, value in entries if tag == _DT_NEEDED]
    return [data[name : data.index(b"\0", name)].decode() for name in names]
