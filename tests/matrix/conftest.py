"""Fixtures: a root for each Python, with the functions that are called in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.glue.support import HERE, OLD_GLIBC, STRICT, c_function, call, rust_function, rust_project, zig
from tests.matrix.roots import SUITES, Root, unpack
from tests.runtime.support import FUNCTIONS

SOURCES = ("probe", "rough", "hooks", "wrong_version", "no_version")


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The functions of the runtime's tests, the C recipe's and one in Rust, for a glibc that every root has."""
    folder = tmp_path_factory.mktemp("functions")
    compiler = [*zig(OLD_GLIBC), "-std=c99", *STRICT, "-O1", "-fPIC", "-shared", "-fvisibility=hidden"]
    for source in SOURCES:
        call(*compiler, "-o", folder / f"lib{source}.so", FUNCTIONS / f"{source}.c")
    shutil.copy(c_function(tmp_path_factory.mktemp("c"), zig(OLD_GLIBC)) / "libsimple_handler.so", folder)
    crate = rust_project(tmp_path_factory.mktemp("moods"), HERE / "functions" / "moods.rs")
    shutil.copy(rust_function(crate, "moods_old_glibc", linker=zig(OLD_GLIBC)), folder / "libmoods.so")
    return folder


@pytest.fixture(scope="session", params=SUITES)
def root(request: pytest.FixtureRequest, libraries: Path, tmp_path_factory: pytest.TempPathFactory) -> Root:
    """A root with all the functions in /var/task."""
    made = unpack(request.param, tmp_path_factory.mktemp(request.param))
    shutil.copytree(libraries, made.path / "var" / "task", dirs_exist_ok=True)
    return made
