"""What a library says about itself: read from the heads of ELF, Mach-O and PE files, without loading it.

mach-o/loader.h; PE Format, sections "COFF File Header" and below.
"""

import sys

from . import elf
from .whole import cut_off

MACHO_MACHINES = {0x01000007: "x86_64", 0x0100000C: "aarch64"}
PE_MACHINES = {0x014C: "x86", 0x8664: "x86_64", 0xAA64: "aarch64"}
ALIASES = {"amd64": "x86_64", "arm64": "aarch64", "i386": "x86", "i686": "x86", "armv7l": "arm", "ppc64le": "ppc64"}
_READ_SIZE = 64 << 20
_NOT_FOUND = (
    "cannot open shared object file",  # glibc
    "Error loading shared library",  # musl
    "Library not loaded",  # macOS
    "Could not find module",  # Python on Windows
)
_UNDEFINED = ("undefined symbol", "symbol not found", "Symbol not found", "WinError 127")
_FAILED_ON_LOADING = ("WinError 998", "WinError 1114")  # where Windows' loader has caught a crash, or was told to stop
_STATIC_TLS = ("static TLS", "initial-exec TLS")  # glibc, musl


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
    if damaged := damage(path, binary):
        return damaged
    if binary is None:
        return "It is no shared library; build the function as one (cdylib in Rust, -shared in C)"
    if binary.file_format != here.file_format:
        return f"It is made for another operating system ({binary.file_format}); build it for this one"
    if other := _other_target(binary, here):
        return other
    if not binary.is_shared:
        return "It is a program; build it as a shared library (cdylib in Rust, -shared in C)"
    if any(sign in error for sign in _UNDEFINED):
        return "It uses a symbol that nothing defines; link it with the library that does, statically if it can be"
    if any(sign in error for sign in _FAILED_ON_LOADING):
        return "What is run on loading it fails; look at constructors, static initialisers, thread-local data"
    if any(sign in error for sign in _STATIC_TLS):
        return "It or what it needs is built for programs; build it with -ftls-model=global-dynamic"
    if "version `" in error:
        return "It needs newer libraries than this system has; build it on a system as old as this one, or an older one"
    if any(sign in error for sign in _NOT_FOUND):
        return f"It needs a library that the system's loader does not find; {_finding()}"
    return f"The system's loader refuses it; if that is for another library that it needs, {_finding()}"


def overlooked(binary: Binary) -> str:
    """What this system's loader does not look at, and the function may find out when it runs; nothing for most.

    For musl's, glibc's `libc.so.6` is but another name of musl: it takes a library that needs nothing which musl lacks.
    Another processor it only finds out by what is to be relocated.
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
    """How a file is cut off, and what to do about it; nothing if it is whole, or made for another system anyway.

    `binary` is what `read` says of it. To load it could be a crash: the rest is missing where the system maps it.
    """
    if binary is not None and binary.file_format != this_machine().file_format:
        return ""
    how = cut_off(path)
    return f"{how}; build it anew, or copy it again" if how else ""


def _finding() -> str:
    """What lets this system's loader find a library that another one needs."""
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
    """What the program of this process is built for: systems run those for other processors as well."""
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
    if "/ld-musl-" in text or "/libc.so\n" in text:  # one is a symbolic link to the other; glibc's libc.so is a text
        return "musl"
    return "glibc" if "libc.so.6" in text or "/libc-2." in text else None


def _elf(data: bytes) -> Binary:
    head = elf.Elf(data)
    libc = None
    for name in head.needed():
        if name.startswith((b"libc.musl", b"ld-musl")) or name == b"libc.so":
            libc = "musl"
        elif name == b"libc.so.6" or name.startswith(b"ld-linux"):
            libc = "glibc"
    machine = head.number(18, 2)
    is_shared = head.number(16, 2) == elf.SHARED and not list(head.segments(elf.INTERPRETER))
    return Binary("ELF", elf.MACHINES.get(machine, f"machine {machine}"), libc, is_shared)


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
