"""Fixtures: functions that are compiled once a session."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.support import FUNCTIONS, RECIPES, RUNTIME, compile_library
from tests.rust import warm_target
from tests.support import not_there

sys.path.insert(0, str(RUNTIME))  # for the tests of single modules
sys.dont_write_bytecode = True


def bake(recipe: str, folder: Path, name: str = "simple_handler") -> Path:
    """Render a recipe, without writing into the home folder."""
    main = pytest.importorskip("cookiecutter.main")
    settings = {"replay_dir": str(folder / "replay"), "cookiecutters_dir": str(folder / "cookiecutters")}
    template = str(RECIPES / recipe)
    context = {"name": name}
    project = main.cookiecutter(
        template, no_input=True, extra_context=context, output_dir=str(folder), default_config=settings
    )
    return Path(project)


@pytest.fixture(scope="session")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task root with all the functions in C."""
    folder = tmp_path_factory.mktemp("functions")
    for source in ("probe", "hooks", "rough", "no_version", "wrong_version"):
        compile_library(FUNCTIONS / f"{source}.c", folder)
    return folder


@pytest.fixture(scope="session")
def early(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task root with the functions that are slow, or end, before the first invocation."""
    folder = tmp_path_factory.mktemp("early")
    for source in ("early", "stuck"):
        compile_library(FUNCTIONS / f"{source}.c", folder)
    return folder


@pytest.fixture(scope="session")
def c_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C recipe, rendered, tested and built."""
    if shutil.which("make") is None:
        not_there("make")
    project = bake("c-function", tmp_path_factory.mktemp("c"))
    subprocess.run(["make", "test", "all", "CFLAGS=-O2 -Wpedantic -Werror"], cwd=project, check=True)
    return project


@pytest.fixture(scope="session")
def cargo_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One target folder for all crates, in which their dependencies are built already."""
    if shutil.which("cargo") is None:
        not_there("cargo")
    return {**os.environ, "CARGO_TARGET_DIR": str(warm_target(tmp_path_factory.mktemp("target")))}


@pytest.fixture(scope="session")
def rust_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Rust recipe, rendered."""
    return bake("rust-function", tmp_path_factory.mktemp("rust"))


@pytest.fixture(scope="session")
def rust_recipe(rust_project: Path, cargo_environment: dict[str, str]) -> Path:
    """The task root with the library of the Rust recipe."""
    return build_crate(rust_project, cargo_environment)


@pytest.fixture(scope="session")
def moody(tmp_path_factory: pytest.TempPathFactory, cargo_environment: dict[str, str]) -> Path:
    """The task root with a function in Rust that fails in many ways."""
    project = bake("rust-function", tmp_path_factory.mktemp("moody"), name="moody")
    shutil.copyfile(FUNCTIONS / "moody.rs", project / "src" / "lib.rs")
    return build_crate(project, cargo_environment)


def build_crate(project: Path, environment: dict[str, str]) -> Path:
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=project, env=environment, check=True)
    return Path(environment["CARGO_TARGET_DIR"]) / "release"
