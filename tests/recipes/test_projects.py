"""The projects of the recipes build and pass their own checks, also with a dash in the name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ci.bake.render import bake_recipe
from tests.glue.support import STRICT, call, cargo, zig
from tests.recipes.support import LAUNCHER, RECIPES
from tests.support import ROOT, program

NAME, LIBRARY = "my-function", "my_function"


def check(library: Path) -> str:
    """What `faas-runtime check` prints about a library that has no fault."""
    return call(sys.executable, "-IS", "-X", "utf8", LAUNCHER, "check", library)


@pytest.fixture
def c_project(tmp_path: Path) -> Path:
    return bake_recipe(RECIPES / "c-function", tmp_path, NAME)


@pytest.fixture(scope="module")
def rust_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bake_recipe(RECIPES / "rust-function", tmp_path_factory.mktemp("rust"), NAME)


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_c_builds_without_warnings_and_with_make_alone(c_project: Path, compiler: str) -> None:
    found = program(compiler)
    said = call(
        program("make"), "test", "all", f"CC={found}", "CFLAGS=-O2 -Werror -Wall -Wextra -Wpedantic", cwd=c_project
    )
    assert "ok" in said.splitlines()
    assert f"set _HANDLER to {LIBRARY}.handle" in check(c_project / f"lib{LIBRARY}.so")


def test_c_with_a_symbol_that_nothing_defines_is_not_linked(c_project: Path) -> None:
    with (c_project / f"{NAME}.c").open("a") as source:
        source.write("int nowhere(void);\nFAAS_EXPORT int somewhere(void) { return nowhere(); }\n")
    command = [program("make"), f"CC={program('gcc')}"]
    strict = subprocess.run(command, cwd=c_project, capture_output=True, text=True, check=False)
    assert strict.returncode != 0
    assert "undefined reference to `nowhere'" in strict.stderr
    call(*command, "NO_UNDEFINED=", cwd=c_project)
    assert "undefined symbol: nowhere" in subprocess.run(
        [sys.executable, "-IS", "-X", "utf8", LAUNCHER, "check", c_project / f"lib{LIBRARY}.so"],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip


@pytest.mark.long
def test_c_for_another_system_gets_no_option_of_elf(c_project: Path) -> None:
    for system, suffix in (("windows-gnu", "dll"), ("macos", "dylib")):
        call(program("make"), f"CC={' '.join(map(str, zig(f'x86_64-{system}')))}", cwd=c_project)
        assert (c_project / f"lib{LIBRARY}.{suffix}").exists()


def test_c_builds_with_clang_of_zig(c_project: Path, tmp_path: Path) -> None:
    """Whatever compilers the machine has, zig contains clang."""
    for file in c_project.glob("*.c"):
        call(*zig("x86_64-linux-gnu"), "-std=c99", *STRICT[:-1], "-c", "-o", tmp_path / "object", file)


def test_the_header_is_the_runtimes() -> None:
    header = RECIPES / "c-function" / "{{cookiecutter.name}}" / "faas.h"
    assert header.read_bytes() == (ROOT / "runtime" / "include" / "faas.h").read_bytes()


def test_rust_passes_its_own_checks(rust_project: Path) -> None:
    cargo(rust_project, "fmt", "--check")
    cargo(rust_project, "clippy", "--locked", "--all-targets", "--", "-D", "warnings")
    assert " 0 failed; 0 ignored" in cargo(rust_project, "test", "--locked")


@pytest.mark.long
def test_rust_builds_with_what_was_vendored(tmp_path: Path) -> None:
    """As its README describes. cargo's own folder is empty, so it can build from `vendor/` only."""
    project = bake_recipe(RECIPES / "rust-function", tmp_path, NAME)
    with (project / ".cargo" / "config.toml").open("a") as settings:
        settings.write(cargo(project, "vendor", "--locked"))
    folders = {"CARGO_HOME": str(tmp_path / "cargo"), "CARGO_TARGET_DIR": str(tmp_path / "target")}
    if "RUSTUP_HOME" not in os.environ:
        folders["RUSTUP_HOME"] = str(Path.home() / ".rustup")
    # Without optimisation: the test is about the source of the crates.
    call(program("cargo"), "build", "--locked", "--offline", cwd=project, env=folders)
    assert f"set _HANDLER to {LIBRARY}.handle" in check(tmp_path / "target" / "debug" / f"lib{LIBRARY}.so")


@pytest.mark.parametrize("recipe", ["c-function", "rust-function"])
def test_the_images_are_those_of_the_release(tmp_path: Path, recipe: str) -> None:
    project = bake_recipe(RECIPES / recipe, tmp_path, NAME)
    values = json.loads((RECIPES / recipe / "cookiecutter.json").read_bytes())
    containerfile = (project / "Containerfile").read_text()
    assert f"ARG RUNTIME={values['_image']}:{values['_version']}-${{FLAVOUR}}\n" in containerfile
    assert f'CMD ["{LIBRARY}.handle"]\n' in containerfile
    ignored = [f"--ignore={rule}" for rule in ("DL3006", "DL3008", "DL3018")]  # versions are not pinned
    findings = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), *ignored, project / "Containerfile"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (findings.returncode, findings.stdout) == (0, "")


@pytest.mark.parametrize("recipe", ["c-function", "rust-function"])
def test_the_sample_events_are_json(tmp_path: Path, recipe: str) -> None:
    events = bake_recipe(RECIPES / recipe, tmp_path, NAME) / "events"
    found = {path.name: json.loads(path.read_bytes()) for path in events.iterdir()}
    assert set(found) == {"http.json", "sample.json"}
    assert found["http.json"]["version"] == "2.0"
