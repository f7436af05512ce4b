"""How the libraries that `check --for` judges are made: compiled, and then cut or changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.glue.support import INCLUDE, call, zig
from tests.support import program

SHARED = ("-shared", "-fPIC")
ALL = "all"
"""In place of a target: the library itself is wrong, whatever the target."""

EXPORTS = "FAAS_EXPORT uint32_t faas_abi_version(void) { return FAAS_ABI_VERSION; }\n"
HANDLER = """\
FAAS_EXPORT int32_t handle(const faas_request *request, faas_response *response)
{
    (void)request; (void)response;
    %s
    return 0;
}
"""


@dataclass(frozen=True, kw_only=True)
class MadeLibrary:
    """How one library is made, and what is wrong with it: part of the message, by the name of the target."""

    wrong: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    before: str = ""
    source: str = ""
    compiler: str = "gcc"
    options: tuple[str, ...] = SHARED
    change: Callable[[Path], None] | None = None
    file: str = "libfunction.so"
    x86_64: str = ""
    """What is wrong for this processor; empty: it is built for it."""
    arm64: str = "built for x86_64"


def on(targets: tuple[str, ...], message: str) -> dict[str, str]:
    return dict.fromkeys(targets, message)


def cut(size: int | None = None) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2 if size is None else size])

    return change


def without_sections(path: Path) -> None:
    """As `sstrip` does: the loader reads none of these fields."""
    data = bytearray(path.read_bytes())
    data[40:48] = bytes(8)  # e_shoff
    data[58:64] = bytes(6)  # e_shentsize, e_shnum, e_shstrndx
    path.write_bytes(data)


def with_another_system(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[7] = 9  # EI_OSABI: FreeBSD
    path.write_bytes(data)


def with_strange_dynamic_section(path: Path) -> None:
    """The table of the symbols is where nothing is."""
    data = bytearray(path.read_bytes())
    start = data.index((6).to_bytes(8, "little") + data[0:0], _dynamic_offset(path))
    data[start + 8 : start + 16] = (1 << 40).to_bytes(8, "little")
    path.write_bytes(data)


def _dynamic_offset(path: Path) -> int:
    lines = call(program("readelf"), "-W", "-l", path).splitlines()
    return int(next(line for line in lines if line.split()[:1] == ["DYNAMIC"]).split()[1], 16)


def debugging_information(path: Path) -> None:
    call(program("objcopy"), "--only-keep-debug", path)


def stripped(path: Path) -> None:
    call(program("strip"), path)


def static(path: Path) -> None:
    archive = path.with_suffix(".a")
    call(program("ar"), "rcs", archive, path)
    archive.replace(path)


def script(path: Path) -> None:
    path.write_text("GROUP ( libfunction.so.1 )\n")


def windows(path: Path) -> None:
    """The headers of a library for Windows, without a section."""
    head = bytearray(b"MZ".ljust(64, b"\0"))
    head[0x3C] = len(head)
    coff = (0x8664).to_bytes(2, "little") + (1).to_bytes(2, "little") + bytes(12) + (240).to_bytes(2, "little")
    path.write_bytes(head + b"PE\0\0" + coff + bytes(512))


def another(name: str, *options: str, source: str = "int other(void) { return 1; }\n") -> Callable[[Path], None]:
    """Nothing is changed; another library of this name is made beside it."""

    def change(path: Path) -> None:
        _other(path.parent, name, source, *options)

    return change


def _other(folder: Path, name: str, source: str, *options: str) -> Path:
    (folder / "other.c").write_text(source)
    call(program("gcc"), *SHARED, "-nostdlib", f"-Wl,-soname,{name}", "-o", folder / name, folder / "other.c", *options)
    (folder / "other.c").unlink()
    return folder / name


def with_a_need(folder: Path) -> None:
    missing = _other(folder, "libmissing.so.1", "int missing(void) { return 1; }\n")
    _other(folder, "libother.so", "int other(void) { return 1; }\n", "-Wl,--no-as-needed", str(missing))
    missing.unlink()


def for_arm(path: Path) -> None:
    source = path.with_suffix(".c")
    source.write_text("int other(void) { return 1; }\n")
    call(*zig("aarch64-linux-gnu.2.28"), *SHARED, "-nostdlib", "-Wl,-soname,libother.so", "-o", path, source)
    source.unlink()


def make(folder: Path, libraries: Mapping[str, MadeLibrary]) -> None:
    """Make each library in a folder of its own, by its name."""
    stubs = folder.with_name(f"{folder.name}.stubs")
    stubs.mkdir()
    _other(stubs, "libother.so", "int other(void) { return 1; }\n")
    _other(stubs, "libmissing.so.1", "int other(void) { return 1; }\n")
    _other(stubs, "libz.so.1", "int inflate(void *a, int b) { return a && b; }\n")
    for name, made in libraries.items():
        (folder / name).mkdir(parents=True)
        library = folder / name / made.file
        source = stubs / ("function.cc" if made.compiler == "g++" else "function.c")
        source.write_text(made.source or made.before + "#include <faas.h>\n" + EXPORTS + HANDLER % made.body)
        command = [program(made.compiler)] if made.compiler in ("gcc", "g++") else zig(made.compiler)
        call(*command, f"-I{INCLUDE}", "-O1", "-o", library, source, f"-L{stubs}", *made.options)
        if made.change:
            made.change(library)
    shutil.rmtree(stubs)
