"""Whether a library is complete: everything that its headers describe is within the file.

Linkers and copying programs write a library piece by piece. One that is loaded too early crashes, or is refused with a
message about something else. The sources of the offsets: System V ABI, chapters 4 and 5 (ELF); mach-o/loader.h and
mach-o/fat.h; PE Format, Microsoft.
"""

import os

from . import elf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from .elf import FileBytes

# struct mach_header_64, load_command, segment_command_64, symtab_command
MACH_MAGIC_64 = b"\xcf\xfa\xed\xfe"
_MACH_NCMDS, _MACH_SIZEOFCMDS, _MACH_HEADER_SIZE = 16, 20, 32
_CMD, _CMDSIZE, _LOAD_COMMAND_SIZE = 0, 4, 8
_LC_SEGMENT_64, _SEGMENT_FILEOFF, _SEGMENT_FILESIZE = 0x19, 40, 48
_LC_SYMTAB, _SYMOFF, _NSYMS, _STROFF, _STRSIZE = 0x2, 8, 12, 16, 20
_NLIST_64_SIZE = 16

# struct fat_header, fat_arch
FAT_MAGIC = b"\xca\xfe\xba\xbe"
MAGIC_SIZE = 4  # bytes at the beginning of a file by which `is_library` recognises it
NFAT_ARCH, FAT_HEADER_SIZE = 4, 8
_FAT_OFFSET, _FAT_SIZE, FAT_ARCH_SIZE = 8, 12, 20
FAT_LIMIT = 16  # architectures; a Java class file begins with the same bytes, and has a larger number there

# The headers of PE: MS-DOS stub, signature with COFF file header, optional header, section table
PE_START, PE_MAGIC = 0x3C, b"PE\0\0"
_NUMBER_OF_SECTIONS, _SYMBOL_TABLE, _NUMBER_OF_SYMBOLS, _SIZE_OF_OPTIONAL_HEADER = 6, 12, 16, 20
_OPTIONAL_HEADER = 24
_PE32_PLUS, _DIRECTORIES_PE32, _DIRECTORIES_PE32_PLUS, _DIRECTORY_SIZE = 0x20B, 96, 112, 8
_CERTIFICATE_TABLE = 4  # the index of the directory
_SIZE_OF_RAW_DATA, _POINTER_TO_RAW_DATA, _SECTION_SIZE = 16, 20, 40
_COFF_SYMBOL_SIZE = 18


class FileOnDisk:
    """A file's bytes, read on demand: libraries with debugging information are large."""

    def __init__(self, file: "BinaryIO") -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, end, _ = part.indices(self._size)
        self._file.seek(start)
        return self._file.read(max(end - start, 0))


def is_library(data: bytes) -> bool:
    """Whether it begins like a library of any known format."""
    return data.startswith((elf.MAGIC, b"MZ", MACH_MAGIC_64, FAT_MAGIC))


def is_complete(data: "FileBytes") -> bool:
    """Whether the file is a library, and is not cut off."""
    try:
        return _end(data) <= len(data)
    except (IndexError, ValueError):  # even a header is incomplete
        return False


def how_cut_off(path: str) -> str:
    """How the library is cut off, as a sentence without its full stop; empty if it is complete, or not a library.

    Raises OSError if it cannot be read.
    """
    with open(path, "rb") as file:
        data = FileOnDisk(file)
        if not len(data):
            return "It is empty"
        try:
            end = _end(data)
        except ValueError:
            return ""
        except IndexError:
            return f"It is cut off within its headers: it has {len(data)} bytes"
        return f"It is cut off: it should have {end} bytes, and has {len(data)}" if end > len(data) else ""


def _end(data: "FileBytes") -> int:
    """The size that a file has at least.

    Raises IndexError if a header is incomplete, and ValueError if the file is not a library.
    """
    start = data[:4]
    if start == elf.MAGIC:
        return _elf_end(data)
    if start == MACH_MAGIC_64:
        return _macho_end(data, 0)
    if start == FAT_MAGIC:
        return _fat_end(data)
    if start[:2] == b"MZ":
        return _pe_end(data)
    raise ValueError("not a library")


def _elf_end(data: "FileBytes") -> int:
    file = elf.ElfNumbers(data)
    ends = [offset + size for offset, _, size in file.segments(elf.PT_LOAD)]
    if not ends:
        raise ValueError("nothing to load")
    table, size, count = file.word_at(0, elf.E_SHOFF), file.half(elf.E_SHENTSIZE), file.half(elf.E_SHNUM)
    if table:
        ends.append(table + size * count)  # usually the last part of the file
    if 0 < table <= len(data) - size * count:
        for header in range(table, table + size * count, size or 1):
            if file.number(header + elf.SH_TYPE, 4) not in (elf.SHT_NULL, elf.SHT_NOBITS):
                ends.append(file.word_at(header, elf.SH_OFFSET) + file.word_at(header, elf.SH_SIZE))
    return max(ends)


def _macho_end(data: "FileBytes", start: int) -> int:
    """The end of the library that begins at `start`. All systems that are still supported use 64 bits."""
    count, size = _little(data, start + _MACH_NCMDS, 4), _little(data, start + _MACH_SIZEOFCMDS, 4)
    at = start + _MACH_HEADER_SIZE
    ends = [at + size]
    for _ in range(count):
        command, length = _little(data, at + _CMD, 4), _little(data, at + _CMDSIZE, 4)
        if length < _LOAD_COMMAND_SIZE:
            raise ValueError("a load command without a length")
        if command == _LC_SEGMENT_64:
            ends.append(start + _little(data, at + _SEGMENT_FILEOFF, 8) + _little(data, at + _SEGMENT_FILESIZE, 8))
        elif command == _LC_SYMTAB:
            ends.append(start + _little(data, at + _SYMOFF, 4) + _NLIST_64_SIZE * _little(data, at + _NSYMS, 4))
            ends.append(start + _little(data, at + _STROFF, 4) + _little(data, at + _STRSIZE, 4))
        at += length
    if not count:
        raise ValueError("no load command")
    return max(ends)


def _fat_end(data: "FileBytes") -> int:
    count = _number(data, NFAT_ARCH, 4, "big")
    if not 0 < count <= FAT_LIMIT:
        raise ValueError("no architectures, or not a Mach-O file")
    ends = []
    for at in range(FAT_HEADER_SIZE, FAT_HEADER_SIZE + FAT_ARCH_SIZE * count, FAT_ARCH_SIZE):
        offset = _number(data, at + _FAT_OFFSET, 4, "big")
        ends.append(offset + _number(data, at + _FAT_SIZE, 4, "big"))
        if data[offset : offset + 4] == MACH_MAGIC_64:
            ends.append(_macho_end(data, offset))
    return max(ends)


def _pe_end(data: "FileBytes") -> int:
    start = _little(data, PE_START, 4)
    if data[start : start + 4] != PE_MAGIC:
        raise ValueError("not a PE file")
    count, size = _little(data, start + _NUMBER_OF_SECTIONS, 2), _little(data, start + _SIZE_OF_OPTIONAL_HEADER, 2)
    optional = start + _OPTIONAL_HEADER
    sections_end = optional + size + _SECTION_SIZE * count
    ends = [sections_end]
    for at in range(optional + size, sections_end, _SECTION_SIZE):
        raw_size, raw_start = _little(data, at + _SIZE_OF_RAW_DATA, 4), _little(data, at + _POINTER_TO_RAW_DATA, 4)
        ends.append(raw_start + raw_size if raw_start else 0)  # 0: memory that is zero at first, and not in the file
    symbols = _little(data, start + _SYMBOL_TABLE, 4)
    if symbols:  # from MinGW's linkers: symbols, then strings with their size
        strings = symbols + _COFF_SYMBOL_SIZE * _little(data, start + _NUMBER_OF_SYMBOLS, 4)
        ends.append(strings + (_little(data, strings, 4) if strings + 4 <= len(data) else 4))
    is_plus = _little(data, optional, 2) == _PE32_PLUS
    directories = optional + (_DIRECTORIES_PE32_PLUS if is_plus else _DIRECTORIES_PE32)
    certificates = directories + _DIRECTORY_SIZE * _CERTIFICATE_TABLE
    if certificates + _DIRECTORY_SIZE <= optional + size:
        # An offset in the file; the other directories have addresses.
        ends.append(_little(data, certificates, 4) + _little(data, certificates + 4, 4))
    if not count:
        raise ValueError("no section")
    return max(ends)


def _little(data: "FileBytes", at: int, size: int) -> int:
    return _number(data, at, size, "little")


def _number(data: "FileBytes", at: int, size: int, order: str) -> int:
    if not 0 <= at <= len(data) - size:
        raise IndexError
    return int.from_bytes(data[at : at + size], "little" if order == "little" else "big")
