"""Whether a library is all there: what its heads promise lies within the file.

Linkers and copying programs write a library piece by piece; one that is loaded too early crashes, or is refused with
a message about something else. System V ABI, chapter 4 and 5 (ELF); mach-o/loader.h; PE Format.
"""

import os

from .elf import LOAD, Elf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from .elf import Bytes

_NULL, _NO_BITS = 0, 8  # sh_type
_SEGMENT, _SYMBOLS = 0x19, 0x2  # LC_SEGMENT_64, LC_SYMTAB
_THIN, _FAT, _FAT_LIMIT = b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", 16
_SYMBOL_SIZE = 16  # struct nlist_64
_CERTIFICATES = 4


class _OnDisk:
    """A file's bytes, read where they are asked for: libraries with debugging information are large."""

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
    """Whether it begins as a library of any known format does."""
    return data.startswith((b"\x7fELF", b"MZ", _THIN, _FAT))


def is_whole(data: "Bytes") -> bool:
    """Whether the file is a library and ends where it should, or later."""
    try:
        return _end(data) <= len(data)
    except (IndexError, ValueError):  # a head itself is not there yet
        return False


def cut_off(path: str) -> str:
    """How the library is cut off, as a sentence without its end; nothing if it is whole, or no library at all.

    Raises OSError if it cannot be read.
    """
    with open(path, "rb") as file:
        data = _OnDisk(file)
        if not len(data):
            return "It is empty"
        try:
            end = _end(data)
        except ValueError:
            return ""
        except IndexError:
            return f"It is cut off within its headers: it has {len(data)} bytes"
        return f"It is cut off: its headers promise {end} bytes, and it has {len(data)}" if end > len(data) else ""


def _end(data: "Bytes") -> int:
    """Where a file ends at the earliest; raises IndexError if a head is not all there, ValueError if it is none."""
    start = data[:4]
    if start == b"\x7fELF":
        return _elf_end(data)
    if start == _THIN:
        return _macho_end(data, 0)
    if start == _FAT:
        return _fat_end(data)
    if start[:2] == b"MZ":
        return _pe_end(data)
    raise ValueError("no library")


def _elf_end(data: "Bytes") -> int:
    elf = Elf(data)
    word, is_wide = elf.word, elf.word == 8
    ends = [offset + size for offset, _, size in elf.segments(LOAD)]
    if not ends:
        raise ValueError("nothing to load")
    table = elf.number(40 if is_wide else 32, word)
    size, count = (elf.number((58 if is_wide else 46) + 2 * index, 2) for index in range(2))
    if table:
        ends.append(table + size * count)  # mostly the last thing in the file
    for at in range(table, table + size * count, size or 1) if 0 < table <= len(data) - size * count else ():
        if elf.number(at + 4, 4) not in (_NULL, _NO_BITS):
            offset, length = (elf.number(at + (24 if is_wide else 16) + word * index, word) for index in range(2))
            ends.append(offset + length)
    return max(ends)


def _macho_end(data: "Bytes", start: int) -> int:
    """Where the library that begins at `start` ends; 64 bits, as all systems that are left have it."""
    count, size = _little(data, start + 16, 4), _little(data, start + 20, 4)
    at = start + 32
    ends = [at + size]
    for _ in range(count):
        kind, length = _little(data, at, 4), _little(data, at + 4, 4)
        if length < 8:
            raise ValueError("a load command without a length")
        if kind == _SEGMENT:
            ends.append(start + _little(data, at + 40, 8) + _little(data, at + 48, 8))
        elif kind == _SYMBOLS:
            ends.append(start + _little(data, at + 8, 4) + _SYMBOL_SIZE * _little(data, at + 12, 4))
            ends.append(start + _little(data, at + 16, 4) + _little(data, at + 20, 4))
        at += length
    if not count:
        raise ValueError("no load command")
    return max(ends)


def _fat_end(data: "Bytes") -> int:
    count = _number(data, 4, 4, "big")
    if not 0 < count <= _FAT_LIMIT:
        raise ValueError("no architectures, or not a Mach-O file")
    ends = []
    for at in range(8, 8 + 20 * count, 20):
        offset = _number(data, at + 8, 4, "big")
        ends.append(offset + _number(data, at + 12, 4, "big"))
        if data[offset : offset + 4] == _THIN:
            ends.append(_macho_end(data, offset))
    return max(ends)


def _pe_end(data: "Bytes") -> int:
    start = _little(data, 0x3C, 4)
    if data[start : start + 4] != b"PE\0\0":
        raise ValueError("not a PE file")
    count, size = _little(data, start + 6, 2), _little(data, start + 20, 2)
    optional = start + 24
    ends = [optional + size + 40 * count]
    for at in range(optional + size, optional + size + 40 * count, 40):
        size_there, place = _little(data, at + 16, 4), _little(data, at + 20, 4)
        ends.append(place + size_there if place else 0)  # without a place: memory that is zero at first
    symbols = _little(data, start + 12, 4)
    if symbols:  # of MinGW's linkers: entries of 18 bytes, then strings with their size
        names = symbols + 18 * _little(data, start + 16, 4)
        ends.append(names + (_little(data, names, 4) if names + 4 <= len(data) else 4))
    directories = optional + (112 if _little(data, optional, 2) == 0x20B else 96)
    if directories + 8 * (_CERTIFICATES + 1) <= optional + size:
        at = directories + 8 * _CERTIFICATES
        ends.append(_little(data, at, 4) + _little(data, at + 4, 4))  # a place in the file, unlike the others
    if not count:
        raise ValueError("no section")
    return max(ends)


def _little(data: "Bytes", at: int, size: int) -> int:
    return _number(data, at, size, "little")


def _number(data: "Bytes", at: int, size: int, order: str) -> int:
    if not 0 <= at <= len(data) - size:
        raise IndexError
    return int.from_bytes(data[at : at + size], "little" if order == "little" else "big")
