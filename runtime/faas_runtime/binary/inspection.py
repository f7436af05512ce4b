"""What a library is, and why this system cannot load it: read from the headers of ELF, Mach-O and PE files.

The library is not loaded. Sources: System V ABI, chapters 4 and 5; mach-o/loader.h; PE Format, "COFF File Header".
"""

import os
import sys
from contextlib import suppress

from . import elf
from .truncation import (
    FAT_ARCH_SIZE,
    FAT_HEADER_SIZE,
    FAT_LIMIT,
    FAT_MAGIC,
    MACH_MAGIC_64,
    NFAT_ARCH,
    PE_MAGIC,
    PE_START,
    FileOnDisk,
    how_cut_off,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .elf import FileBytes

MACHO_MACHINES = {0x01000007: "x86_64", 0x0100000C: "aarch64"}  # cputype
PE_MACHINES = {0x014C: "x86", 0x8664: "x86_64", 0xAA64: "aarch64"}
ALIASES = {"amd64": "x86_64", "arm64": "aarch64", "i386": "x86", "i686": "x86", "armv7l": "arm", "ppc64le": "ppc64"}
_CPUTYPE, _FILETYPE = 4, 12  # struct mach_header_64
_MH_DYLIB, _MH_BUNDLE = 6, 8
_PE_MACHINE = 4  # after the signature
_OF_GLIBC = (
    b"libc.so.6",
    b"libdl.so.2",
    b"libm.so.6",
    b"libpthread.so.0",
    b"libresolv.so.2",
    b"librt.so.1",
    b"libutil.so.1",
)
# Parts of the messages of loaders.
_NOT_FOUND = (
    "cannot open shared object file",  # glibc
    "Error loading shared library",  # musl
    "Library not loaded",  # macOS
    "Could not find module",  # Python on Windows
)
_NOT_MAPPED = ("failed to map segment", "Operation not permitted")  # glibc, musl
_UNDEFINED = ("undefined symbol", "symbol not found", "Symbol not found", "WinError 127")
_FAILED_ON_LOADING = ("WinError 998", "WinError 1114")  # the loader caught a crash, or DllMain failed
_STATIC_TLS = ("static TLS", "initial-exec TLS")  # glibc, musl


class Binary:
    """A library's format, processor and C library; what is unknown is None."""

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
    """Read the headers of a file; None if it is not a library of a known format, or damaged. Raises OSError."""
    with open(path, "rb") as file:
        data = FileOnDisk(file)  # what is wanted of a large library may lie near its end
        with suppress(IndexError, ValueError):
            if data[:4] == elf.MAGIC:
                return _elf(data)
            if data[:4] in (MACH_MAGIC_64, FAT_MAGIC):
                return _macho(data)
            if data[:2] == b"MZ":
                start = _number(data, PE_START, 4)
                if data[start : start + 4] == PE_MAGIC:
                    return Binary("PE", PE_MACHINES.get(_number(data, start + _PE_MACHINE, 2)), None)
    return None


def why_not_loadable(path: str, error: str) -> str:
    """Why this system cannot load the library, and how to fix it; `error` is what the system's loader says."""
    try:
        binary = read(path)
    except OSError:
        return "It cannot be read; make it readable for the user that runs the runtime"
    here = this_machine()
    if damaged := damage(path, binary):
        return damaged
    if binary is None:
        return "It is not a shared library; build the function as one (cdylib in Rust, -shared in C)"
    if binary.file_format != here.file_format:
        return f"It is built for another operating system ({binary.file_format}); build it for this one"
    if other := _other_target(binary, here):
        return other
    if not binary.is_shared:
        return "It is a program; build it as a shared library (cdylib in Rust, -shared in C)"
    if place := _not_executable(path, error):
        return (
            f"{'It' if place == path else place} is on a file system that is mounted noexec; put it on another one, "
            "and set TMPDIR to a folder there, if it is the copy that --watch makes"
        )
    if any(sign in error for sign in _UNDEFINED):
        return (
            "It uses a symbol that is defined nowhere; link it with the library that defines it, statically if possible"
        )
    if any(sign in error for sign in _FAILED_ON_LOADING):
        return "Code that runs on loading it failed; check constructors, static initialisers, thread-local data"
    if any(sign in error for sign in _STATIC_TLS):
        return "It, or a library that it needs, is built for programs; build it with -ftls-model=global-dynamic"
    if "version `" in error:
        return "It needs newer libraries than this system has; build it on a system that is not newer than this one"
    if any(sign in error for sign in _NOT_FOUND):
        if "libstdc++" in error:
            return "It needs C++'s standard library, which is not here; link it with -static-libstdc++ -static-libgcc"
        return f"It needs a library that the system's loader does not find; {_how_to_be_found()}"
    return f"The system's loader refuses it; if it needs another library, {_how_to_be_found()}"


def _not_executable(path: str, error: str) -> str:
    """The library that may not be mapped, as its mount forbids to run what is there; empty if that is not the fault.

    It may be one that this one needs.
    """
    if sys.platform != "linux" or not any(sign in error for sign in _NOT_MAPPED):
        return ""
    named = error.partition(f": {_NOT_MAPPED[0]}")[0]
    place = named if os.path.isfile(named) else path
    return place if os.statvfs(place).f_flag & os.ST_NOEXEC else ""


def why_unreliable(binary: Binary) -> str:
    """Why a library that the system's loader accepts may still crash; empty for most.

    musl's loader takes glibc's `libc.so.6` for another name of musl, and loads a library whose symbols musl has. It
    does not check the processor either, and notices another one only by unknown relocations.
    """
    here = this_machine()
    return _other_target(binary, here) if here.libc == "musl" else ""


def _other_target(binary: Binary, here: Binary) -> str:
    if here.machine and binary.machine and binary.machine != here.machine:
        return f"It is built for {binary.machine}, and this machine is {here.machine}; build it for {here.machine}"
    if binary.libc and here.libc and binary.libc != here.libc:
        return f"It is built against {binary.libc}, and this system has {here.libc}; build it for {here.libc}"
    return ""


def damage(path: str, binary: "Binary | None") -> str:
    """How a file is cut off, and how to fix it; empty if it is complete, or built for another system anyway.

    `binary` is what `read` returned for it. Loading such a file can crash, as the missing part is mapped too. Raises
    OSError.
    """
    if binary is not None and binary.file_format != this_machine().file_format:
        return ""
    how = how_cut_off(path)
    return f"{how}; build it or copy it again" if how else ""


def _how_to_be_found() -> str:
    """How this system's loader can find a library that another one needs."""
    if sys.platform in ("win32", "cygwin", "msys"):
        return "link that statically, put it beside this one, or name its folder in PATH"
    if sys.platform == "darwin":
        return (
            "link that statically, or put it beside this one and name it there as @loader_path/NAME "
            "(install_name_tool -change OLD @loader_path/NAME LIBRARY)"
        )
    return (
        "link that statically, or put it beside this one and link this one with -Wl,-rpath,'$ORIGIN' "
        "(Rust: -C link-arg='-Wl,-rpath,$ORIGIN'), or name its folder in LD_LIBRARY_PATH"
    )


def this_machine() -> Binary:
    """The same facts about this process."""
    if sys.platform in ("win32", "cygwin", "msys"):
        return Binary("PE", _machine_of(sys.executable), None)
    if sys.platform == "darwin":
        return Binary("Mach-O", _named_machine(), None)
    return Binary("ELF", _machine_of("/proc/self/exe"), _loaded_libc())


def _machine_of(program: str) -> "str | None":
    """The processor that this process's program is built for: systems also run programs for other processors."""
    try:
        own = read(program)
    except OSError:
        own = None
    return own.machine if own else _named_machine()


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
    # In musl, one is a symbolic link to the other. glibc's libc.so is a linker script, which is never loaded.
    if "/ld-musl-" in text or "/libc.so\n" in text:
        return "musl"
    return "glibc" if "libc.so.6" in text or "/libc-2." in text else None


def _elf(data: "FileBytes") -> Binary:
    file = elf.ElfNumbers(data)
    libc = None
    for name in file.needed():
        if name.startswith((b"libc.musl", b"ld-musl")) or name == b"libc.so":
            libc = "musl"
        elif name in _OF_GLIBC or name.startswith(b"ld-linux"):
            libc = "glibc"
    machine = file.number(elf.E_MACHINE, 2)
    is_shared = file.number(elf.E_TYPE, 2) == elf.ET_DYN and not list(file.segments(elf.PT_INTERP))
    return Binary("ELF", elf.MACHINES.get(machine, f"machine {machine}"), libc, is_shared)


def _macho(data: "FileBytes") -> Binary:
    if data[:4] == FAT_MAGIC:
        count = min(_number(data, NFAT_ARCH, 4, "big"), FAT_LIMIT)
        types = [_number(data, FAT_HEADER_SIZE + FAT_ARCH_SIZE * index, 4, "big") for index in range(count)]
        here = _named_machine()
        names = [MACHO_MACHINES.get(cpu_type, "another processor") for cpu_type in types]
        return Binary("Mach-O", here if here in names else "/".join(names), None)
    is_shared = _number(data, _FILETYPE, 4) in (_MH_DYLIB, _MH_BUNDLE)
    return Binary("Mach-O", MACHO_MACHINES.get(_number(data, _CPUTYPE, 4)), None, is_shared)


def _number(data: "FileBytes", at: int, size: int, order: str = "little") -> int:
    """The number of `size` bytes at an offset; bytes beyond the end of the file are left out."""
    return int.from_bytes(data[at : at + size], "little" if order == "little" else "big")
