"""ELF files: the fields that the runtime reads.

The names are those of the ELF specification (System V ABI, chapter 4 "Object Files" and chapter 5 "Program Loading and
Dynamic Linking"). Offsets depend on the class of the file: (32-bit, 64-bit).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    class FileBytes(Protocol):
        """The bytes of a file, in memory or read on demand."""

        def __len__(self) -> int: ...

        def __getitem__(self, part: slice, /) -> bytes: ...


MAGIC = b"\x7fELF"
EI_CLASS, EI_DATA, EI_OSABI = 4, 5, 7
ELFCLASS64, ELFDATA2LSB = b"\2", b"\1"

# Elf32_Ehdr, Elf64_Ehdr
E_TYPE, E_MACHINE = 16, 18
E_PHOFF, E_SHOFF = (28, 32), (32, 40)
E_PHENTSIZE, E_PHNUM = (42, 54), (44, 56)
E_SHENTSIZE, E_SHNUM = (46, 58), (48, 60)
ET_REL, ET_EXEC, ET_DYN = 1, 2, 3
MACHINES = {3: "x86", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}

# Elf32_Phdr, Elf64_Phdr
P_TYPE = 0
P_OFFSET, P_VADDR, P_FILESZ, P_MEMSZ = (4, 8), (8, 16), (16, 32), (20, 40)
P_FLAGS = (24, 4)
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_TLS, PT_GNU_STACK = 1, 2, 3, 7, 0x6474E551
PF_X = 1

# Elf32_Shdr, Elf64_Shdr
SH_TYPE = 4
SH_OFFSET, SH_SIZE = (16, 24), (20, 32)
SHT_NULL, SHT_DYNAMIC, SHT_NOBITS = 0, 6, 8

# Elf32_Dyn, Elf64_Dyn: a tag and a value, of one word each
DT_NULL, DT_NEEDED, DT_STRTAB = 0, 1, 5

_NAME_LIMIT = 4096  # bytes


class ElfNumbers:
    """The numbers in an ELF file, in its own class and byte order."""

    def __init__(self, data: "FileBytes") -> None:
        self.data = data
        self.is_64_bit = data[EI_CLASS : EI_CLASS + 1] == ELFCLASS64
        self.is_little = data[EI_DATA : EI_DATA + 1] == ELFDATA2LSB
        self.word = 8 if self.is_64_bit else 4
        """The bytes of an offset or an address."""

    def number(self, at: int, size: int) -> int:
        """The number of `size` bytes at an offset; raises IndexError if the file is shorter."""
        if not 0 <= at <= len(self.data) - size:
            raise IndexError
        return int.from_bytes(self.data[at : at + size], "little" if self.is_little else "big")

    def half(self, offsets: "tuple[int, int]") -> int:
        """A 16-bit field of the file's header."""
        return self.number(offsets[self.is_64_bit], 2)

    def word_at(self, start: int, offsets: "tuple[int, int]") -> int:
        """A field that has the size of a word, in a structure that begins at `start`."""
        return self.number(start + offsets[self.is_64_bit], self.word)

    def headers(self, kind: int) -> "Iterator[int]":
        """The offset of the program header of each segment of a type."""
        table, size = self.word_at(0, E_PHOFF), self.half(E_PHENTSIZE)
        for index in range(self.half(E_PHNUM)):
            header = table + index * size
            if self.number(header + P_TYPE, 4) == kind:
                yield header

    def segments(self, kind: int) -> "Iterator[tuple[int, int, int]]":
        """File offset, address and size in the file of each segment of a type."""
        for header in self.headers(kind):
            yield (
                self.word_at(header, P_OFFSET),
                self.word_at(header, P_VADDR),
                self.word_at(header, P_FILESZ),
            )

    def dynamic(self) -> "Iterator[tuple[int, int]]":
        """The tags and values of the dynamic section."""
        for offset, _, size in self.segments(PT_DYNAMIC):
            for at in range(offset, offset + size, 2 * self.word):
                tag = self.number(at, self.word)
                if tag == DT_NULL:
                    return
                yield tag, self.number(at + self.word, self.word)

    def offset_of(self, wanted: int) -> "int | None":
        """The offset in the file of what is loaded to an address."""
        for offset, address, size in self.segments(PT_LOAD):
            if address <= wanted < address + size:
                return wanted - address + offset
        return None

    def text(self, at: int) -> bytes:
        """The text that begins at an offset, and ends with a zero byte; raises ValueError if it does not end."""
        found = self.data[at : at + _NAME_LIMIT]
        return found[: found.index(b"\0")]

    def needed(self) -> "Iterator[bytes]":
        """The names of the libraries that it needs."""
        names, strings = [], 0
        for tag, value in self.dynamic():
            if tag == DT_NEEDED:
                names.append(value)
            elif tag == DT_STRTAB:
                strings = value
        start = self.offset_of(strings)
        if start is not None:
            for name in names:
                yield self.text(start + name)
