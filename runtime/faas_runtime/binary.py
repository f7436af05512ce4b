"""What a library says about itself: read from the heads of ELF, Mach-O and PE files, without loading it.

System V ABI, chapter 4 and 5 (ELF); mach-o/loader.h; PE Format, sections "COFF File Header" and below.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ELF_MACHINES = {3: "x86", 21: "ppc64", 22: "s390x", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
MACHO_MACHINES = {0x01000007: "x86_64", 0x0100000C: "aarch64"}
PE_MACHINES = {0x014C: "x86", 0x8664: "x86_64", 0xAA64: "aarch64"}
ALIASES = {"amd64": "x86_64", "arm64": "aarch64", "i386": "x86", "i686": "x86", "armv7l": "arm", "ppc64le": "ppc64"}
_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3  # p_type
_SHARED = 3  # e_type
_NEEDED, _STRTAB = 1, 5  # d_tag
_READ_SIZE = 64 << 20


class Binary:
    """A library's format, processor and C library; what cannot be told is None."""

    def __init__(self, file_format: str, machine: "str | None", libc: "str | None", is_shared: bool = True) -> None:
        self.file_format = file_format
        self.machine = machine
        self.libc = libc
        self.is_shared = is_shared

    @property
    def description(self) -> str:
        """The facts in a few words."""
        return ", ".join(fact for fact in (self.file_format, self.machine, self.libc) if fact)


def read(path: str) -> "Binary | None":
    """Read the head of a file; None if it is no library of a known format, or broken."""
    with open(path, "rb") as file:
        data = file.read(_READ_SIZE)
    try:
        if data[:4] == b"\x7fELF":
            return _elf(data)
        if data[:4] in (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"):
            return _macho(data)
        if data[:2] == b"MZ":
            start = int.from_bytes(data[0x3C:0x40], "little")
            if data[start : start + 4] == b"PE\0\0":
                return Binary("PE", PE_MACHINES.get(int.from_bytes(data[start + 4 : start + 6], "little")), None)
    except (IndexError, ValueError):
        pass
    return None


def why_not(path: str, error: str) -> str:
    """Why this system cannot load the library, and what to do about it; `error` is what its loader says."""
    try:
        binary = read(path)
    except OSError:
        return "It cannot be read; make it readable for the user that the runtime runs as"
    here = this_machine()
    if binary is None:
        return "It is no shared library; build the function as one (cdylib in Rust, -shared in C)"
    if binary.file_format != here.file_format:
        return f"It is made for another operating system ({binary.file_format}); build it for this one"
    if here.machine and binary.machine and binary.machine != here.machine:
        return f"It is built for {binary.machine}, and this machine is {here.machine}; build it for {here.machine}"
    if binary.libc and here.libc and binary.libc != here.libc:
        return f"It is built against {binary.libc}, and this system has {here.libc}; build it for {here.libc}"
    if not binary.is_shared:
        return "It is a program; build it as a shared library (cdylib in Rust, -shared in C)"
    if "symbol" in error:
        return "It uses a symbol that nothing defines; link it with the library that does, statically if it can be"
    if "static TLS" in error:
        return "It or what it needs is built for programs; build it with -ftls-model=global-dynamic"
    return "The system's loader refuses it; put what it needs beside it, or link that statically"


def this_machine() -> Binary:
    """The same facts about this process."""
    if sys.platform in ("win32", "cygwin", "msys"):
        return Binary("PE", _named_machine(), None)
    if sys.platform == "darwin":
        return Binary("Mach-O", _named_machine(), None)
    try:
        own = read("/proc/self/exe")
    except OSError:
        own = None
    return Binary("ELF", own.machine if own else _named_machine(), _loaded_libc())


def _named_machine() -> "str | None":
    import platform

    name = platform.machine().lower()
    return ALIASES.get(name, name) or None


def _loaded_libc() -> "str | None":
    """The C library in this process: the interpreter may have been linked in any way."""
    try:
        with open("/proc/self/maps") as maps:
            text = maps.read()
    except OSError:
        return None
    if "/ld-musl-" in text:
        return "musl"
    return "glibc" if "libc.so.6" in text or "/libc-2." in text else None


class Elf:
    """An ELF file's numbers, in its own width and order."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.word = 8 if data[4] == 2 else 4
        self.is_little = data[5] == 1

    def number(self, at: int, size: int) -> int:
        """The number of so many bytes at a place."""
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
        for offset, _, size in self.segments(_DYNAMIC):
            for at in range(offset, offset + size, 2 * self.word):
                tag, value = self.number(at, self.word), self.number(at + self.word, self.word)
                if tag == _NEEDED:
                    names.append(value)
                elif tag == _STRTAB:
                    strings = value
        for offset, address, size in self.segments(_LOAD):
            if address <= strings < address + size:
                for name in names:
                    start = strings - address + offset + name
                    yield self.data[start : self.data.index(b"\0", start)]


def _elf(data: bytes) -> Binary:
    elf = Elf(data)
    libc = None
    for name in elf.needed():
        if name.startswith((b"libc.musl", b"ld-musl")) or name == b"libc.so":
            libc = "musl"
        elif name == b"libc.so.6" or name.startswith(b"ld-linux"):
            libc = "glibc"
    machine = elf.number(18, 2)
    is_shared = elf.number(16, 2) == _SHARED and not list(elf.segments(_INTERPRETER))
    return Binary("ELF", ELF_MACHINES.get(machine, f"machine {machine}"), libc, is_shared)


def _macho(data: bytes) -> Binary:
    if data[:4] == b"\xca\xfe\xba\xbe":
        count = min(int.from_bytes(data[4:8], "big"), 16)
        kinds = [int.from_bytes(data[8 + 20 * index : 12 + 20 * index], "big") for index in range(count)]
        here = _named_machine()
        names = [MACHO_MACHINES.get(kind, "another processor") for kind in kinds]
        return Binary("Mach-O", here if here in names else "/".join(names), None)
    kind = int.from_bytes(data[4:8], "little")
    file_type = int.from_bytes(data[12:16], "little")
    return Binary("Mach-O", MACHO_MACHINES.get(kind), None, is_shared=file_type in (6, 8))
