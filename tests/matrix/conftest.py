"""Fixtures: a root for each Python, with the functions that are called in it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.glue.debian_rust import musl_function
from tests.glue.support import HERE, MACHINE, OLD_GLIBC, STRICT, c_function, call, rust_function, rust_project, zig
from tests.matrix.roots import MUSL, PYTHONS, PythonRoot, unpack
from tests.runtime.support import FUNCTIONS, RUNTIME

sys.path.insert(0, str(RUNTIME))  # for the tests of single modules

SOURCES = ("probe", "rough", "hooks", "wrong_version", "no_version")


def compile_functions(compiler: list[str], folder: Path, scratch: Path) -> None:
    """The functions of the runtime's tests, and the C recipe's."""
    command = [*compiler, "-std=c99", *STRICT, "-O1", "-fPIC", "-shared", "-fvisibility=hidden"]
    for source in SOURCES:
        call(*command, "-o", folder / f"lib{source}.so", FUNCTIONS / f"{source}.c")
    shutil.copy(c_function(scratch, compiler) / "libsimple_handler.so", folder)


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Functions in C, for a glibc that every Debian root has."""
    folder = tmp_path_factory.mktemp("functions")
    compile_functions(zig(OLD_GLIBC), folder, tmp_path_factory.mktemp("c"))
    return folder


@pytest.fixture(scope="session")
def musl_libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for musl."""
    folder = tmp_path_factory.mktemp("musl-functions")
    compile_functions(zig(f"{MACHINE}-linux-musl"), folder, tmp_path_factory.mktemp("musl-c"))
    return folder


@pytest.fixture(scope="session", params=PYTHONS)
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PythonRoot:
    """A root with the functions in /var/task."""
    made = unpack(request.param, tmp_path_factory.mktemp(request.param))
    libraries = request.getfixturevalue("musl_libraries" if request.param == MUSL else "libraries")
    shutil.copytree(libraries, made.path / "var" / "task", dirs_exist_ok=True)
    return made


@pytest.fixture(scope="session")
def rust_root(root: PythonRoot, tmp_path_factory: pytest.TempPathFactory) -> PythonRoot:
    """The same root, with a function in Rust that uses all of the glue: most tests do without a Rust toolchain."""
    moods = rust_project(tmp_path_factory.mktemp("moods"), HERE / "functions" / "moods.rs")
    if root.suite == MUSL:
        library = musl_function(moods, "moods_musl")
    else:
        library = rust_function(moods, "moods_old_glibc", linker=zig(OLD_GLIBC))
    shutil.copy(library, root.path / "var" / "task" / "libmoods.so")
    return root


@pytest.fixture(scope="session")
def musl(tmp_path_factory: pytest.TempPathFactory, musl_libraries: Path) -> PythonRoot:
    """The root with musl alone."""
    made = unpack(MUSL, tmp_path_factory.mktemp(MUSL))
    shutil.copytree(musl_libraries, made.path / "var" / "task", dirs_exist_ok=True)
    return made
