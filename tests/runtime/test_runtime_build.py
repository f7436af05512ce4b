"""`faas-runtime build` builds what the target needs, finds the library and checks it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.bake.render import bake_recipe
from tests.cache import CACHE
from tests.glue.support import MACHINE, zig
from tests.runtime.check_command import LAUNCH
from tests.support import ROOT, program, search_path

OTHER = {"x86_64": "arm64", "aarch64": "x86_64"}[MACHINE]
CRATE = """\
[package]
name = "{name}"
version = "0.1.0"
edition = "2021"
[lib]
crate-type = ["{kind}"]
"""
SOURCE = """\
#[no_mangle]
pub extern "C" fn faas_abi_version() -> u32 { 1 }
#[no_mangle]
pub extern "C" fn handle(_: *const u8, _: *mut u8) -> i32 { 0 }
"""
TOOLS = ("cargo-zigbuild", "zig", "musl-gcc", "aarch64-linux-gnu-gcc", "x86_64-linux-gnu-gcc")


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder for PATH, with everything on this machine but what compiles for others; its Python has no Zig."""
    folder = search_path(tmp_path / "bin", without=(*TOOLS, "python3", "python"))
    script(folder / "python3", "exit 1")
    return folder


@pytest.fixture
def run(path: Path) -> Run:
    """Runs a command in a folder: the exit code, the output and the messages."""

    def call(folder: Path, *words: str, **variables: str) -> tuple[int, str, str]:
        environment = {**os.environ, "PATH": str(path), "ZIG_GLOBAL_CACHE_DIR": str(CACHE / "zig"), **variables}
        environment.pop("CARGO_TARGET_DIR", None)
        done = subprocess.run([*LAUNCH, *words], cwd=folder, env=environment, capture_output=True, text=True)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return call


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def with_zig(path: Path) -> None:
    """Let the `python3` on PATH be one that has ziglang."""
    zig("native")
    script(path / "python3", f'exec {shlex.quote(sys.executable)} "$@"')


def crate(folder: Path, name: str, kind: str = "cdylib") -> Path:
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "lib.rs").write_text(SOURCE)
    (folder / "Cargo.toml").write_text(CRATE.format(name=name, kind=kind))
    return folder


@pytest.fixture
def c_project(tmp_path: Path) -> Path:
    program("gcc")
    return bake_recipe(ROOT / "recipes" / "c-function", tmp_path)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    program("cargo")
    folder = tmp_path / "workspace"
    for name, kind in (("fn-one", "cdylib"), ("fn-two", "cdylib"), ("shared", "rlib")):
        crate(folder / name, name, kind)
    (folder / "Cargo.toml").write_text('[workspace]\nresolver = "2"\nmembers = ["fn-one", "fn-two", "shared"]\n')
    return folder


def test_make_for_this_machine(c_project: Path, run: Run) -> None:
    exit_code, output, errors = run(c_project, "build")
    assert exit_code == 0, errors
    assert output.endswith("result: runs here: set _HANDLER to simple_handler.handle\n")
    assert errors.startswith("faas-runtime build: make --always-make\n")
    assert run(c_project, "check")[1].startswith(f"library: {c_project}/libsimple_handler.so\n")


def test_make_for_another_machine(c_project: Path, path: Path, run: Run) -> None:
    with_zig(path)
    exit_code, output, errors = run(c_project, "build", "--for", f"alpine,{OTHER}", "--debug")
    assert exit_code == 0, output + errors
    assert output.endswith(f"for alpine: fits\nfor {OTHER}: fits\n")
    assert " -Og -g " in output
    assert run(c_project, "check")[0] == 1  # it is for another processor


def test_make_for_an_old_glibc(c_project: Path, path: Path, run: Run) -> None:
    with_zig(path)
    exit_code, output, _ = run(c_project, "build", "--for=al2023")
    assert exit_code == 0
    assert f" cc -target {MACHINE}-linux-gnu.2.34 " in output
    assert "for al2023: fits\n" in output


def test_check_has_the_last_word(c_project: Path, run: Run) -> None:
    source = c_project / "simple_handler.c"
    source.write_text(source.read_text().replace("faas_abi_version", "another_name"))
    exit_code, output, _ = run(c_project, "build", "--for", "micro", CFLAGS="-Dfaas_abi_version=another_name")
    assert exit_code == 1
    assert "WRONG: Runtime.AbiVersionMissing" in output


def test_build_that_fails(c_project: Path, run: Run) -> None:
    (c_project / "simple_handler.c").write_text("#error no\n")
    exit_code, output, errors = run(c_project, "build")
    assert (exit_code, "library:" in output) == (1, False)
    assert "faas-runtime build: make failed with exit code 2" in errors


def test_workspace(workspace: Path, run: Run) -> None:
    exit_code, output, errors = run(workspace / "fn-two" / "src", "build", "--debug")
    assert exit_code == 0, errors
    library = workspace / "target" / "debug" / "libfn_two.so"
    assert output.startswith(f"library: {library}\n")
    assert run(workspace / "fn-two", "check")[1].startswith(f"library: {library}\n")
    assert run(workspace / "fn-one", "check") == (
        2, "", "faas-runtime: the project here is not built yet; run: faas-runtime build\n",
    )  # fmt: skip
    exit_code, _, errors = run(workspace, "build")
    assert (exit_code, "several functions: fn-one, fn-two. " in errors) == (2, True)


def test_member_that_is_no_function(workspace: Path, run: Run) -> None:
    """Also beside a single function, which is not built in its place."""
    (workspace / "Cargo.toml").write_text('[workspace]\nresolver = "2"\nmembers = ["fn-one", "shared"]\n')
    exit_code, _, errors = run(workspace / "shared" / "src", "build")
    assert exit_code == 2
    assert 'the crate here, shared, is no function: add crate-type = ["cdylib"] to its [lib], or change' in errors
    assert errors.endswith(" to the folder of a function: fn-one\n")


def test_invoke_takes_the_library_of_the_project(workspace: Path, run: Run) -> None:
    assert run(workspace / "fn-one", "build")[0] == 0
    exit_code, output, errors = run(workspace / "fn-one", "invoke")
    assert (exit_code, output) == (0, ""), errors
    exit_code, _, errors = run(workspace, "invoke")
    assert (exit_code, "several functions: fn-one, fn-two. " in errors) == (2, True)


def test_newest_library_is_taken(workspace: Path, run: Run) -> None:
    folder = workspace / "fn-one"
    for options, profile in ((("--debug",), "debug"), ((), "release"), (("--debug",), "debug")):
        (folder / "src" / "lib.rs").write_text(f"{SOURCE}// {profile}\n")
        assert run(folder, "build", *options)[0] == 0
        assert f"/{profile}/libfn_one.so" in run(folder, "check")[1]
    assert f"/{profile}/libfn_one.so" in run(folder, "check", "--for", "micro")[1]


def test_zigbuild_is_used_where_it_is_installed(workspace: Path, path: Path, run: Run) -> None:
    """A stand-in for cargo-zigbuild builds with cargo, without the version in the name of the target."""
    script(path / "zig", "exit 0")
    triple = f"{MACHINE}-unknown-linux-gnu"
    called = f'echo "$@" >"{workspace}/called"'
    script(path / "cargo-zigbuild", f'{called}\nshift\nexec cargo build $(echo "$@" | sed "s/gnu.2.34/gnu/")')
    exit_code, output, errors = run(workspace / "fn-one", "build", "--for", "al2023")
    assert exit_code == 0, output + errors
    assert (workspace / "called").read_text() == f"zigbuild --package fn-one --release --target {triple}.2.34\n"
    assert output.startswith(f"library: {workspace}/target/{triple}/release/libfn_one.so\n")


def test_old_glibc_without_zig(workspace: Path, run: Run) -> None:
    _, output, errors = run(workspace / "fn-one", "build", "--for", "al2023")
    assert "may need a newer glibc than 2.34; for that one: pip install cargo-zigbuild ziglang\n" in errors
    assert "for al2023: " in output


def test_another_processor_without_its_tools(workspace: Path, c_project: Path, run: Run) -> None:
    exit_code, _, errors = run(workspace / "fn-one", "build", "--for", OTHER)
    assert exit_code == 2
    assert "rustup target add" in errors or "pip install cargo-zigbuild ziglang" in errors
    exit_code, _, errors = run(c_project, "build", "--for", OTHER)
    assert exit_code == 2
    assert errors.endswith(" with glibc is installed. Run: pip install ziglang\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("build",), "there is neither Cargo.toml nor a Makefile here"),
        (("build", "--for", "debian"), "there is no target 'debian'"),
        (("check",), "there is no project in the current folder; name the library"),
        (("check", "--for", "micro"), "there is no project in the current folder; name the library"),
    ],
)
def test_no_project(tmp_path: Path, run: Run, arguments: tuple[str, ...], message: str) -> None:
    exit_code, output, errors = run(tmp_path, *arguments)
    assert (exit_code, output) == (2, "")
    assert message in errors


@pytest.mark.parametrize(
    ("targets", "what"), [("micro,alpine", "one C library"), ("micro,arm64,x86_64", "one processor")]
)
def test_targets_that_exclude_each_other(c_project: Path, run: Run, targets: str, what: str) -> None:
    exit_code, _, errors = run(c_project, "build", "--for", targets)
    assert exit_code == 2
    assert f"it has {what}. Build once for each" in errors


def test_no_crate_is_a_function(tmp_path: Path, run: Run) -> None:
    program("cargo")
    exit_code, _, errors = run(crate(tmp_path / "plain", "plain", "rlib"), "build")
    assert exit_code == 2
    assert 'add crate-type = ["cdylib"] to its [lib]' in errors


def test_target_of_the_settings(workspace: Path, run: Run) -> None:
    """Cargo puts the library into a folder of its own then, and the one in the usual folder is older."""
    folder, triple = workspace / "fn-one", f"{MACHINE}-unknown-linux-gnu"
    libraries = [workspace / "target" / part / "debug" / "libfn_one.so" for part in ("", triple)]
    assert run(folder, "build", "--debug")[1].startswith(f"library: {libraries[0]}\n")
    exit_code, output, errors = run(folder, "build", "--debug", CARGO_BUILD_TARGET=triple)
    assert (exit_code, output.splitlines()[0]) == (0, f"library: {libraries[1]}"), errors
    assert run(folder, "build", "--debug")[1].startswith(f"library: {libraries[0]}\n"), "it is the older one"
    (workspace / ".cargo").mkdir()
    (workspace / ".cargo" / "config.toml").write_text(f'[build]\ntarget = "{triple}"\n')
    assert run(folder, "build", "--debug")[1].startswith(f"library: {libraries[1]}\n")


def test_example_is_no_function(tmp_path: Path, run: Run) -> None:
    """Also if it is a library like the crate's own."""
    program("cargo")
    folder = crate(tmp_path / "my-function", "my-function")
    with (folder / "Cargo.toml").open("a") as manifest:
        manifest.write('[[example]]\nname = "shown"\ncrate-type = ["cdylib"]\n')
    (folder / "examples").mkdir()
    (folder / "examples" / "shown.rs").write_text(SOURCE)
    exit_code, output, errors = run(folder, "build", "--debug")
    assert exit_code == 0, errors
    assert output.startswith(f"library: {folder}/target/debug/libmy_function.so\n")


def test_several_libraries_of_make(c_project: Path, run: Run) -> None:
    for name in ("libone.so", "libtwo.so"):
        (c_project / name).touch()
    exit_code, _, errors = run(c_project, "check")
    assert exit_code == 2
    assert "has several libraries: libone.so, libtwo.so. Name the one that is meant" in errors
