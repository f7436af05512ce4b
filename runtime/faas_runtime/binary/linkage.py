"""What an ELF library asks of the loader, and what it exports: read from the file, without loading it.

The names are those of the ELF specification and of the Linux Standard Base ("Symbol Versioning"). A field that depends
on the class of the file has two offsets: (32-bit, 64-bit).
"""

import struct

from . import elf
from .truncation import FileOnDisk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Tags of the dynamic section
_DT_HASH, _DT_SYMTAB, _DT_SONAME, _DT_RPATH, _DT_RUNPATH, _DT_FLAGS, _DT_RELR = 4, 6, 14, 15, 29, 30, 36
_DT_GNU_HASH, _DT_VERSYM, _DT_FLAGS_1 = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFB
_DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
_ORIGIN = ("${ORIGIN}", "$ORIGIN")  # how a search path names the folder of the library (ld.so(8))
_DF_STATIC_TLS, _DF_1_NOOPEN, _DF_1_PIE = 0x10, 0x40, 0x08000000

# Elf32_Sym and Elf64_Sym: as struct reads them, and where name, info, other and section are then
_SYMBOL = (("IIIBBH", (0, 3, 4, 5)), ("IBBHQQ", (0, 1, 2, 3)))
_SHN_UNDEF = 0
_STB_LOCAL, _STB_WEAK = 0, 2
_STT_NOTYPE, _STT_FUNC, _STT_GNU_IFUNC = 0, 2, 10
_STV_DEFAULT, _STV_PROTECTED = 0, 3

# Elf_Verneed and Elf_Vernaux, which are the same in both classes
_VN_CNT, _VN_FILE, _VN_AUX, _VN_NEXT = 2, 4, 8, 12
_VNA_FLAGS, _VNA_OTHER, _VNA_NAME, _VNA_NEXT = 4, 6, 8, 12
_VER_FLG_WEAK, _HIDDEN = 2, 0x8000
_COUNT_LIMIT = 1 << 20  # symbols, versions: no library has as many
_OSABI_LINUX = (0, 3)  # System V, and GNU


class SymbolVersion:
    """A version of symbols that the library needs: of which library, its name, and the symbols themselves."""

    __slots__ = ("file", "is_weak", "name", "symbols")

    def __init__(self, file: str, name: str, is_weak: bool) -> None:
        self.file = file
        self.name = name
        self.is_weak = is_weak
        self.symbols: list[str] = []


class Linkage:
    """The facts of one library."""

    def __init__(self, data: elf.ElfNumbers) -> None:
        """Read them; raises ValueError, IndexError or struct.error for a file that is damaged."""
        self._elf = data
        self.machine = elf.MACHINES.get(data.number(elf.E_MACHINE, 2), "another processor")
        self.is_64_bit = data.is_64_bit
        self.is_little = data.is_little
        self.is_for_linux = data.number(elf.EI_OSABI, 1) in _OSABI_LINUX
        self.kind = data.number(elf.E_TYPE, 2)
        tags = list(data.dynamic())
        self._tags = dict(tags)
        flags = self._tags.get(_DT_FLAGS_1, 0)
        self.is_program = bool(list(data.headers(elf.PT_INTERP))) or bool(flags & _DF_1_PIE)
        self.must_not_be_opened = bool(flags & _DF_1_NOOPEN)
        self.has_code = not self._is_debug_only()
        self.needed = [_text(name) for name in data.needed()] if self.has_code else []
        strings = self._tags.get(elf.DT_STRTAB, 0)
        self._strings = data.offset_of(strings) if strings else None
        self.search = self._search(tags)
        """The folders in which the loader looks for what it needs, as the library names them."""
        self.has_runpath = _DT_RUNPATH in self._tags
        """Whether these are in the newer form, which glibc does not apply to what the needed libraries need."""
        self.soname = self._string(self._tags[_DT_SONAME]) if _DT_SONAME in self._tags else ""
        self.needs_relr = _DT_RELR in self._tags
        self.has_static_tls = bool(self._tags.get(_DT_FLAGS, 0) & _DF_STATIC_TLS)
        self.tls_size = sum(data.word_at(header, elf.P_MEMSZ) for header in data.headers(elf.PT_TLS))
        self.wants_executable_stack = self._wants_executable_stack()
        self.functions: set[str] = set()
        """The functions that it exports."""
        self.others: set[str] = set()
        """What else it exports: variables, above all."""
        self.unversioned: list[str] = []
        """The symbols that must be defined elsewhere, in no certain version."""
        self.versions: list[SymbolVersion] = []
        if self.has_code and self._strings is not None:
            by_number = dict(self._versions())
            self.versions = list(by_number.values())
            self._read_symbols(by_number)

    def folders_around(self, folder: str) -> "list[str]":
        """The folders of its search path that are relative to its own one, if that is `folder`."""
        found = []
        for path in self.search:
            if path.startswith(_ORIGIN):
                for word in _ORIGIN:
                    path = path.replace(word, folder)
                found.append(path)
        return found

    def _is_debug_only(self) -> bool:
        """Whether it has the headers of a library, and nothing but debugging information: `objcopy` makes such files.

        Such a file has the section `.dynamic` as well, but of another type: as one that takes no room in the file.
        """
        file = self._elf
        table, size = file.word_at(0, elf.E_SHOFF), file.half(elf.E_SHENTSIZE)
        count = file.half(elf.E_SHNUM) if table else 0
        kinds = {file.number(table + index * size + elf.SH_TYPE, 4) for index in range(count)}
        return elf.SHT_NOBITS in kinds and elf.SHT_DYNAMIC not in kinds

    def _wants_executable_stack(self) -> bool:
        """Without the header, the stack is executable."""
        found = [self._elf.number(at + elf.P_FLAGS[self.is_64_bit], 4) for at in self._elf.headers(elf.PT_GNU_STACK)]
        return not found or bool(found[-1] & elf.PF_X)

    def _search(self, tags: "list[tuple[int, int]]") -> "list[str]":
        wanted = _DT_RUNPATH if _DT_RUNPATH in self._tags else _DT_RPATH  # the older one counts if it is alone
        return [folder for tag, at in tags if tag == wanted for folder in self._string(at).split(":")]

    def _string(self, at: int) -> str:
        return _text(self._elf.text((self._strings or 0) + at))

    def _versions(self) -> "Iterator[tuple[int, SymbolVersion]]":
        """The versions that it needs, by the numbers that its symbols have."""
        file, at = self._elf, self._offset(_DT_VERNEED)
        if at is None:
            return
        for _ in range(min(self._tags.get(_DT_VERNEEDNUM, 0), _COUNT_LIMIT)):
            name, part = self._string(file.number(at + _VN_FILE, 4)), at + file.number(at + _VN_AUX, 4)
            for _ in range(file.number(at + _VN_CNT, 2)):
                is_weak = bool(file.number(part + _VNA_FLAGS, 2) & _VER_FLG_WEAK)
                version = SymbolVersion(name, self._string(file.number(part + _VNA_NAME, 4)), is_weak)
                yield file.number(part + _VNA_OTHER, 2) & ~_HIDDEN, version
                part += file.number(part + _VNA_NEXT, 4)
            at += file.number(at + _VN_NEXT, 4)

    def _read_symbols(self, versions: "dict[int, SymbolVersion]") -> None:
        form, places = _SYMBOL[self.is_64_bit]
        order = "<" if self.is_little else ">"
        start, count = self._offset(_DT_SYMTAB), self._symbol_count()
        if start is None or not count:
            return
        size = struct.calcsize(order + form)
        table = self._elf.data[start : start + size * count]
        numbers = self._offset(_DT_VERSYM)
        data = self._elf.data[numbers : numbers + 2 * count] if numbers is not None else b""
        numbered = struct.unpack(f"{order}{len(data) // 2}H", data) if data else ()
        for index, fields in enumerate(struct.iter_unpack(order + form, table)):
            name, info, other, section = (fields[place] for place in places)
            if name and info >> 4 != _STB_LOCAL:
                version = versions.get(numbered[index] & ~_HIDDEN) if index < len(numbered) else None
                self._add(self._string(name), info, other, section, version)

    def _add(self, name: str, info: int, other: int, section: int, version: "SymbolVersion | None") -> None:
        if section != _SHN_UNDEF:
            if other & 3 in (_STV_DEFAULT, _STV_PROTECTED):
                is_function = info & 15 in (_STT_FUNC, _STT_GNU_IFUNC, _STT_NOTYPE)
                (self.functions if is_function else self.others).add(name)
        elif version is not None:
            version.symbols.append(name)
        elif info >> 4 != _STB_WEAK:
            self.unversioned.append(name)

    def _symbol_count(self) -> int:
        """No field has the number of symbols: it follows from the tables in which the loader looks them up."""
        file, at = self._elf, self._offset(_DT_HASH)
        if at is not None:
            return min(file.number(at + 4, 4), _COUNT_LIMIT)
        at = self._offset(_DT_GNU_HASH)
        if at is None:
            return 0
        buckets, first, bloom = (file.number(at + 4 * index, 4) for index in range(3))
        start = at + 16 + bloom * file.word
        highest = max((file.number(start + 4 * index, 4) for index in range(min(buckets, _COUNT_LIMIT))), default=0)
        if highest < first:
            return min(first, _COUNT_LIMIT)  # none is exported
        chains = start + 4 * buckets
        while not file.number(chains + 4 * (highest - first), 4) & 1:  # the last one of a chain has an odd hash
            highest += 1
        return min(highest + 1, _COUNT_LIMIT)

    def _offset(self, tag: int) -> "int | None":
        return self._elf.offset_of(self._tags[tag]) if tag in self._tags else None


def read(path: str) -> "Linkage | None":
    """Read an ELF file; None if it is none, or damaged. Raises OSError."""
    with open(path, "rb") as file:
        data = FileOnDisk(file)
        if data[:4] != elf.MAGIC:
            return None
        try:
            return Linkage(elf.ElfNumbers(data))
        except (IndexError, ValueError, struct.error):
            return None


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
