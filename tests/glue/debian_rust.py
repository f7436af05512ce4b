"""Debian's Rust, which comes with the source of the standard library: that is compiled for musl here.

The toolchain is in a folder of its own, and is started with the loader in that folder.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
from pathlib import Path

from tests.cache import CACHE, lock
from tests.glue.support import MACHINE, Toolchain, call, extract_debian, rust_function, zig
from tests.support import program

SUITE = "trixie"
PACKAGES = ("cargo", "rustc", "rust-src")
PARTS = (
    *("./usr/bin/cargo", "./usr/bin/rustc", "./usr/lib*/ld-linux-*", "./usr/lib/*-linux-gnu/*.so*"),
    *("./usr/lib/rustlib", "./usr/src/*/library"),
)


def musl_function(project: Path, label: str) -> Path:
    """The library of a crate, built for musl; zig links it, with its own unwinder instead of libgcc_s."""
    target = f"{MACHINE}-unknown-linux-musl"
    return rust_function(project, label, linker=zig(f"{MACHINE}-linux-musl"), target=target, toolchain=debian_rust())


def function_with_libgcc(project: Path, label: str, libgcc: Path) -> Path:
    """The library of a crate, linked for musl by musl-gcc. It needs libgcc_s, as if it were built on Alpine."""
    target = f"{MACHINE}-unknown-linux-musl"
    linker = [program("musl-gcc"), f"-L{libgcc}"]
    return rust_function(project, label, linker=linker, target=target, toolchain=debian_rust())


def debian_rust() -> Toolchain:
    """The toolchain, which is downloaded once."""
    key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    home = CACHE / f"rust-{key}"
    with lock("rust"):
        if not home.exists():
            part = CACHE / "rust.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            _unpack(part)
            for stale in CACHE.glob(f"rust-{'[0-9a-f]' * len(key)}"):  # and no other cache
                shutil.rmtree(stale)
            part.rename(home)
    libraries = next((home / "usr" / "lib").glob("*-linux-gnu"))
    loader = (str(next(home.glob("usr/lib*/ld-linux-*"))), "--library-path", str(libraries))
    rustc = home / "rustc"
    command = shlex.join([*loader, f"{home}/usr/bin/rustc", "--sysroot", f"{home}/usr"])
    rustc.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    rustc.chmod(0o755)
    return Toolchain(
        cargo=(*loader, f"{home}/usr/bin/cargo"),
        rustc=str(rustc),
        options=("-Zbuild-std=std,panic_unwind",),
        variables={"RUSTC": str(rustc), "RUSTC_BOOTSTRAP": "1"},
    )


def _unpack(folder: Path) -> None:
    archive = folder.with_suffix(".tar")
    extract_debian(SUITE, archive, PACKAGES)
    call("tar", "-xf", archive, "-C", folder, "--wildcards", *PARTS)
    archive.unlink()
