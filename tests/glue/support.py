"""What the tests of the header, the glue and the matrix share: compilers for other systems, and a host of functions.

If this machine lacks something that a test needs, the test fails in CI, and is reported as not run elsewhere.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ci.bake.render import bake_recipe
from ci.core import rust_crate
from ci.core.files import tree_files
from tests.cache import CACHE, lock
from tests.rust import warm_target
from tests.support import ROOT, not_there, program

HERE = Path(__file__).resolve().parent
INCLUDE = ROOT / "runtime" / "include"
CRATE = ROOT / rust_crate.FOLDER
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{INCLUDE}")
MACHINE = platform.machine()
OLD_GLIBC = f"{MACHINE}-linux-gnu.2.28"
"""The target for functions that have to load on every Debian of the matrix."""


def zig(target: str, language: str = "cc") -> list[str]:
    """The compiler of ziglang for a target: clang with the headers and C libraries of many systems."""
    if importlib.util.find_spec("ziglang") is None:
        not_there("ziglang (ci/requirements/tests.txt)")
    return [sys.executable, "-m", "ziglang", language, "-target", target]


def extract_debian(suite: str, target: Path, packages: Iterable[str], *options: str) -> None:
    """Unpack packages of a Debian suite and their dependencies into a folder or a tar file; none of them runs."""
    call(
        program("mmdebstrap"),
        "--variant=extract",
        f"--include={','.join(packages)}",
        '--aptopt=Acquire::Check-Valid-Until "false"',  # sid's lists may be older than they should be
        "--skip=essential/unlink,output/dev",
        *options,
        suite,
        target,
    )


def call(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a program that must succeed; returns its standard output."""
    variables = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(CACHE / "zig"), **(env or {})}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=variables, capture_output=True, text=True, check=False
    )  # fmt: skip
    if done.returncode:
        pytest.fail(f"{shlex.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def c_function(folder: Path, compiler: list[str]) -> Path:
    """The folder with the C recipe's function, built by its own Makefile."""
    project = bake_recipe(ROOT / "recipes" / "c-function", folder)
    variables = [f"CC={shlex.join(compiler)}", "CFLAGS=-O2 -Werror"]
    call(program("make"), *variables, cwd=project)
    return project


def rust_project(folder: Path, source: Path | None = None) -> Path:
    """The Rust recipe's crate, or one with another `src/lib.rs`."""
    project = bake_recipe(ROOT / "recipes" / "rust-function", folder)
    if source is not None:
        shutil.copyfile(source, project / "src" / "lib.rs")
    return project


@dataclass(frozen=True, kw_only=True)
class Toolchain:
    """A Rust toolchain, and the options and variables that its cargo needs."""

    cargo: tuple[str, ...]
    rustc: str
    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


def installed_rust() -> Toolchain:
    """The toolchain of this machine."""
    return Toolchain(cargo=(program("cargo"),), rustc=program("rustc"))


def cargo(
    project: Path,
    *arguments: str,
    linker: list[str] | None = None,
    toolchain: Toolchain | None = None,
    **variables: str,
) -> str:
    """Run cargo with one target folder for all crates and all test runs, so that a dependency is compiled once."""
    rust = toolchain or installed_rust()
    folder = CACHE / ("cargo" if linker is None else "cargo-zig")
    env = {"CARGO_TARGET_DIR": str(folder), **rust.variables, **variables}
    with lock(folder.name):
        if linker is None and not folder.exists():
            warm_target(folder)
        if linker is not None:
            libc = "MUSL" if any("musl" in argument for argument in arguments) else "GNU"
            script = CACHE / f"linker_{libc.lower()}"  # always the same path: cargo compiles again for another
            script.write_text(f'#!/bin/sh\nexec {shlex.join(linker)} "$@"\n')
            script.chmod(0o755)
            env[f"CARGO_TARGET_{MACHINE.upper()}_UNKNOWN_LINUX_{libc}_LINKER"] = str(script)
        # cargo takes crates with the same name in different folders for one: these have to look changed.
        for file in (project / "src" / "lib.rs", project / rust_crate.NAME / "src" / "lib.rs"):
            file.touch()
        return call(*rust.cargo, *arguments, cwd=project, env=env)


def crate_cargo(*arguments: str, **variables: str) -> str:
    """Run cargo in the crate itself, with a target folder of its own that stays from one run to the next."""
    with lock("crate"):
        env = {"CARGO_TARGET_DIR": str(CACHE / "crate"), **variables}
        return call(program("cargo"), *arguments, cwd=CRATE, env=env)


def rust_function(
    project: Path,
    label: str,
    *,
    linker: list[str] | None = None,
    target: str = "",
    toolchain: Toolchain | None = None,
) -> Path:
    """The library of a crate. It is built again only if the crate, the toolchain or the linker has changed."""
    rust = toolchain or installed_rust()
    options = [*rust.options, *(["--target", target] if target else [])]
    made_of = [call(rust.rustc, "-vV"), str(linker), target]
    made_of += [f"{file.relative_to(project)}\n{file.read_text()}" for file in tree_files(project)]
    key = hashlib.sha256("\0".join(made_of).encode()).hexdigest()
    kept = CACHE / "functions" / f"{label}-{key}" / "libsimple_handler.so"
    with lock(label):
        if not kept.exists():
            cargo(project, "build", "--release", "--locked", *options, linker=linker, toolchain=rust)
            for stale in kept.parent.parent.glob(f"{label}-*"):
                shutil.rmtree(stale)
            kept.parent.mkdir(parents=True)
            built = CACHE / ("cargo" if linker is None else "cargo-zig") / target / "release" / kept.name
            shutil.copy(built, kept.with_suffix(".part"))
            kept.with_suffix(".part").replace(kept)
    return kept


def needed(library: Path) -> set[str]:
    """The shared libraries that a library needs."""
    lines = call(program("readelf"), "-d", library).splitlines()
    return {line.partition("[")[2].rstrip("]") for line in lines if "(NEEDED)" in line}


class Host:
    """The program of `host.c`, which calls functions by the rules of the header."""

    def __init__(self, compiler: list[str], folder: Path) -> None:
        """Compile it."""
        self._program = folder / "host"
        options = ("-std=c99", "-D_POSIX_C_SOURCE=200809L", *STRICT, "-o", self._program)
        call(*compiler, *options, HERE / "host.c", "-ldl")

    def __call__(self, library: Path, payload: str, *, peer: str = "", rounds: int = 0) -> list[str]:
        """What the host prints about one invocation of `handle`, and about many more."""
        more = [str(rounds)] if rounds else []
        env = {"HOST_PEER": peer, "RUST_BACKTRACE": "0"}
        return call(self._program, library, "handle", payload, *more, env=env).splitlines()
