"""A Python that is linked against musl, as Alpine's is: built out of Debian's source packages, for want of Alpine's.

Whatever changes in this file has it built anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from tests.cache import CACHE, lock
from tests.glue.support import MACHINE, call, extract_debian
from tests.support import not_there, program

SUITE, VERSION = "trixie", (3, 13)
SOURCES = ("python3.13", "libffi")
LIBRARY = "libpython3.13.so.1.0"

_DEB_SRC = 'sed -n "s/^deb /deb-src /p" "$1/etc/apt/sources.list" >"$1/etc/apt/sources.list.d/sources.list"'
_GET_SOURCES = (
    'mkdir "$1/src" && cd "$1/src" && APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get source --quiet --download-only '
)

# What libffi's configure finds out; Debian's source package has none that is made already.
_FFI_CONFIG = """\
#define EH_FRAME_FLAGS "a"
#define FFI_EXEC_STATIC_TRAMP 1
#define HAVE_ALLOCA_H 1
#define HAVE_AS_X86_64_UNWIND_SECTION_TYPE 1
#define HAVE_AS_X86_PCREL 1
#define HAVE_HIDDEN_VISIBILITY_ATTRIBUTE 1
#define HAVE_LONG_DOUBLE 1
#define HAVE_MEMCPY 1
#define HAVE_MEMFD_CREATE 1
#define HAVE_SYS_MEMFD_H 1
#define SIZEOF_DOUBLE 8
#define SIZEOF_LONG_DOUBLE 16
#define SIZEOF_SIZE_T 8
#define STDC_HEADERS 1
#ifdef LIBFFI_ASM
#define FFI_HIDDEN(name) .hidden name
#else
#define FFI_HIDDEN __attribute__((visibility("hidden")))
#endif
"""
_FFI_VALUES = {"TARGET": "X86_64", "VERSION": "0", "HAVE_LONG_DOUBLE": "1", "FFI_EXEC_TRAMPOLINE_TABLE": "0"}
_FFI_FILES = (
    *("prep_cif.c", "types.c", "raw_api.c", "java_raw_api.c", "closures.c", "tramp.c"),
    *("x86/ffi64.c", "x86/ffiw64.c", "x86/unix64.S", "x86/win64.S"),
)

# Modules that take long to compile, and that neither the runtime nor its emulator imports.
_LEFT_OUT = (
    *("_codecs_cn", "_codecs_hk", "_codecs_iso2022", "_codecs_jp", "_codecs_kr", "_codecs_tw", "_multibytecodec"),
    *("_blake2", "_decimal", "_elementtree", "_interpchannels", "_interpqueues", "_interpreters", "_lsprof"),
    *("_sha3", "pyexpat"),
)
_LEFT_OUT_FOLDERS = ("__pycache__", "ensurepip", "idlelib", "pydoc_data", "test", "tkinter", "turtledemo")


def tarball() -> Path:
    """A root with nothing in it but musl, the interpreter and its standard library; built when there is none yet."""
    if MACHINE != "x86_64":
        not_there(f"a recipe for libffi on {MACHINE}", optional=True)
    key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    kept = CACHE / "roots" / f"musl-{key}.tar"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with lock("root-musl"):
        if not kept.exists():
            with tempfile.TemporaryDirectory() as folder:
                root = _build(Path(folder))
                call("tar", "-cf", kept.with_suffix(".part"), "-C", root, "./usr")
            for stale in kept.parent.glob("musl-*.tar"):
                stale.unlink()
            kept.with_suffix(".part").replace(kept)
    return kept


def _build(folder: Path) -> Path:
    root = folder / "root"
    fetch(root, SOURCES)
    for archive in (root / "src").glob("*.orig.tar.*z"):
        call("tar", "-xf", archive, "-C", folder)
    musl_gcc = compiler(folder)
    ffi = _libffi(next(folder.glob("libffi-*")), folder / "ffi", musl_gcc)
    source = next(folder.glob("Python-*"))
    _python(source, ffi, musl_gcc)
    _install(source, root / "usr")
    return root


def fetch(root: Path, sources: tuple[str, ...]) -> None:
    """Debian's musl, and in /src the source packages."""
    hooks = (f"--setup-hook={_DEB_SRC}", f"--extract-hook={_GET_SOURCES}{' '.join(sources)}")
    extract_debian(SUITE, root, ("musl",), *hooks, "--format=directory")


def compiler(folder: Path) -> Path:
    """`musl-gcc` with the kernel's headers; it does not claim that it is for glibc's architecture."""
    headers = folder / "kernel"
    headers.mkdir()
    own = Path("/usr/include", call(program("gcc"), "-print-multiarch").strip())
    for found in (Path("/usr/include/linux"), Path("/usr/include/asm-generic"), own / "asm"):
        (headers / found.name).symlink_to(found)
    script = folder / "musl-cc"
    script.write_text(
        f'#!/bin/sh\n[ "$1" = --print-multiarch ] || exec {program("musl-gcc")} "$@" -idirafter {headers}\n'
    )
    script.chmod(0o755)
    return script


def _libffi(source: Path, folder: Path, musl_gcc: Path) -> Path:
    """The folder with libffi.a and its headers."""
    folder.mkdir()
    (folder / "fficonfig.h").write_text(_FFI_CONFIG)
    header = (source / "include" / "ffi.h.in").read_text()
    for name, value in _FFI_VALUES.items():
        header = header.replace(f"@{name}@", value)
    (folder / "ffi.h").write_text(header)
    shutil.copy(source / "src" / "x86" / "ffitarget.h", folder)
    includes = ("-I.", f"-I{source / 'include'}", f"-I{source / 'src'}")
    files = [source / "src" / name for name in _FFI_FILES]
    call(musl_gcc, "-w", "-O1", "-fPIC", "-DHAVE_CONFIG_H", *includes, "-c", *files, cwd=folder)
    call("ar", "rcs", "libffi.a", *sorted(path.name for path in folder.glob("*.o")), cwd=folder)
    return folder


def _python(source: Path, ffi: Path, musl_gcc: Path) -> None:
    """Configure and build in the source folder, as fast as it can be done; shared, as Alpine's is."""
    call(
        "./configure",
        f"CC={musl_gcc}",
        "OPT=-DNDEBUG -fwrapv -O1",  # without -g, which takes its time
        "LDFLAGS=-Wl,-rpath,'$$ORIGIN/../lib'",  # lets it be run without chroot as well
        f"LIBFFI_CFLAGS=-I{ffi}",
        f"LIBFFI_LIBS={ffi / 'libffi.a'}",
        "PKG_CONFIG=false",  # it would find the host's libraries
        *(f"py_cv_module_{name}=n/a" for name in _LEFT_OUT),
        "--prefix=/usr",
        "--enable-shared",
        "--disable-test-modules",
        "--without-doc-strings",
        "--without-ensurepip",
        "--without-readline",
        cwd=source,
    )
    call(program("make"), "--silent", f"-j{os.cpu_count()}", cwd=source)


def _install(source: Path, target: Path) -> None:
    library = target / "lib" / "python3.13"
    shutil.copytree(source / "Lib", library, ignore=shutil.ignore_patterns(*_LEFT_OUT_FOLDERS))
    (library / "lib-dynload").mkdir()
    for module in (source / "Modules").glob("*.cpython-*.so"):
        shutil.copy(module, library / "lib-dynload")
    shutil.copy(source / LIBRARY, target / "lib")
    (target / "bin").mkdir(exist_ok=True)
    shutil.copy(source / "python", target / "bin" / "python3")
