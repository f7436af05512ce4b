"""The numbers in an ELF file: System V ABI, chapter 4 and 5."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    class Bytes(Protocol):
        """What a file holds: bytes, or what reads them when they are asked for."""

        def __len__(self) -> int: ...

        def __getitem__(self, part: slice, /) -> bytes: ...


MACHINES = {3: "x86", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
LOAD, DYNAMIC, INTERPRETER = 1, 2, 3  # p_type
SHARED = 3  # e_type
_NEEDED, _STRTAB = 1, 5  # d_tag
_NAME_LIMIT = 4096


class Elf:
    """An ELF file's numbers, in its own width and order."""

    def __init__(self, data: "Bytes") -> None:
        self.data = data
        self.word = 8 if data[4:5] == b"\2" else 4
        self.is_little = data[5:6] == b"\1"

    def number(self, at: int, size: int) -> int:
        """The number of so many bytes at a place; raises IndexError where the file has none."""
        if not 0 <= at <= len(self.data) - size:
            raise IndexError
        return int.from_bytes(self.data[at : at + size], "little" if self.is_little else "big")

    def segments(self, kind: int) -> "Iterator[tuple[int, int, int]]":
        """File offset, address and size in the file of each segment of a kind."""
        wide = self.word == 8
        table, size = self.number(32 if wide else 28, self.word), self.number(54 if wide else 42, 2)
        for index in range(self.number(56 if wide else 44, 2)):
            at = table + index * size
            if self.number(at, 4) == kind:
                offset = self.number(at + (8 if wide else 4), self.word)
                address = self.number(at + (16 if wide else 8), self.word)
                yield offset, address, self.number(at + (32 if wide else 16), self.word)

    def needed(self) -> "Iterator[bytes]":
        """The names of the libraries that it needs."""
        names, strings = [], 0
        for offset, _, size in self.segments(DYNAMIC):
            for at in range(offset, offset + size, 2 * self.word):
                tag, value = self.number(at, self.word), self.number(at + self.word, self.word)
                if tag == _NEEDED:
                    names.append(value)
                elif tag == _STRTAB:
                    strings = value
        for offset, address, size in self.segments(LOAD):
            if address <= strings < address + size:
                for name in names:
                    start = strings - address + offset + name
                    found = self.data[start : start + _NAME_LIMIT]
                    yield found[: found.index(b"\0")]
