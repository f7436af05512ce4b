"""`faas-runtime serve` without arguments in a cargo workspace: all its functions, by the names of their crates."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.emulator.support import Emulator
from tests.glue.support import call
from tests.runtime.support import LAUNCHER, PYTHON
from tests.rust import warm_target
from tests.support import program
from tests.waiting import TIMEOUT_S

MANIFEST = '[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n[lib]\ncrate-type = ["{kind}"]\n'
SOURCE = """\
#[repr(C)]
pub struct Response {
    sizes: [u32; 2],
    data: *const u8,
    len: usize,
}

#[no_mangle]
pub extern "C" fn faas_abi_version() -> u32 {
    1
}

#[no_mangle]
pub unsafe extern "C" fn handle(_: *const u8, response: *mut Response) -> i32 {
    let text = concat!('"', env!("CARGO_PKG_NAME"), '"');
    (*response).data = text.as_ptr();
    (*response).len = text.len();
    0
}
"""


def variables() -> dict[str, str]:
    """The environment of cargo, which builds where it always does."""
    left_out = ("CARGO_TARGET_DIR", "LAMBDA_TASK_ROOT", "_HANDLER")
    return {name: value for name, value in os.environ.items() if name not in left_out}


def make_workspace(folder: Path, crates: Mapping[str, str]) -> Path:
    """A workspace with crates of a type each, whose functions answer with the names of their crates."""
    for name, kind in crates.items():
        (folder / name / "src").mkdir(parents=True)
        (folder / name / "src" / "lib.rs").write_text(SOURCE)
        (folder / name / "Cargo.toml").write_text(MANIFEST.format(name=name, kind=kind))
    members = ", ".join(f'"{name}"' for name in crates)
    (folder / "Cargo.toml").write_text(f'[workspace]\nresolver = "2"\nmembers = [{members}]\n')
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return make_workspace(tmp_path / "workspace", {"two-jobs": "cdylib", "one": "cdylib", "shared": "rlib"})


def build(folder: Path, *options: str) -> None:
    subprocess.run([program("cargo"), "build", "--quiet", *options], cwd=folder, env=variables(), check=True)


def refusal(folder: Path, *options: str) -> str:
    """What `serve` says before it ends with a usage error."""
    done = subprocess.run(
        [*PYTHON, str(LAUNCHER), "serve", *options], cwd=folder, env=variables(), capture_output=True, text=True,
        timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr.removeprefix("faas-runtime: ").rstrip("\n")


def invoked(emulator: Emulator, name: str) -> str:
    """The answer of the function that is invoked by a name."""
    return str(emulator.invoke(path=f"/2015-03-31/functions/{name}/invocations").json)


def test_all_functions_are_served_by_the_names_of_their_crates(workspace: Path) -> None:
    build(workspace)
    with Emulator("--timeout", "two-jobs=5", cwd=workspace, environment=variables()) as emulator:
        assert emulator.err.startswith("faas-runtime: serving one (one.handle), two-jobs (two_jobs.handle) at http://")
        assert (invoked(emulator, "one"), invoked(emulator, "two-jobs")) == ("one", "two-jobs")
        assert emulator.request("GET", "/", Host="two-jobs.localhost").body == b"two-jobs"
        assert (
            "(there are: one, two-jobs)"
            in emulator.invoke(path="/2015-03-31/functions/shared/invocations").json["message"]
        )


def test_what_is_not_built_is_named_with_the_command_that_builds_it(workspace: Path) -> None:
    fault = "of this workspace, one, two-jobs are not built yet; run: cargo build --package one --package two-jobs"
    assert refusal(workspace) == fault
    build(workspace, "--package", "one")
    said, _, command = refusal(workspace).partition("; run: ")
    assert said == "of this workspace, two-jobs is not built yet"
    subprocess.run(shlex.split(command), cwd=workspace, env=variables(), check=True)
    with Emulator(cwd=workspace, environment=variables()) as emulator:
        assert invoked(emulator, "two-jobs") == "two-jobs"


def test_one_function_is_served_where_one_is_meant(workspace: Path, tmp_path: Path) -> None:
    """In the folder of a crate, with the name of a handler, and in a workspace with no other function."""
    build(workspace)
    names = tmp_path / "names.env"
    names.write_text(f"_HANDLER={workspace}/target/debug/libone.handle\n")
    alone = make_workspace(tmp_path / "alone", {"single": "cdylib", "shared": "rlib"})
    build(alone)
    for folder, options, expected in (
        (workspace / "two-jobs", (), "two-jobs"), (workspace, ("--env-file", str(names)), "one"), (alone, (), "single"),
    ):  # fmt: skip
        with Emulator(*options, cwd=folder, environment=variables()) as emulator:
            assert invoked(emulator, "any-name") == expected


def test_the_name_of_a_crate_has_to_be_one_of_a_function(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "workspace", {"function": "cdylib", "other": "cdylib"})
    build(folder)
    assert refusal(folder).startswith("function stands for the first function, whatever its name is")


@pytest.mark.long
def test_a_new_workspace_is_served(tmp_path: Path) -> None:
    """Two projects as `faas-runtime new` makes them."""
    folder = make_workspace(tmp_path / "workspace", {"app": "rlib"})
    environment = variables() | {"CARGO_TARGET_DIR": str(warm_target(tmp_path / "target")), "CARGO_NET_OFFLINE": "true"}
    for name in ("api", "nightly-jobs"):
        call(*PYTHON, LAUNCHER, "new", "rust", name, cwd=folder)
    source = folder / "nightly-jobs" / "src" / "lib.rs"
    source.write_text(source.read_text().replace('"Hello, {name}."', '"Good night, {name}."'))
    call(program("cargo"), "build", cwd=folder, env=environment)
    with Emulator(cwd=folder, environment=environment) as emulator:
        answers = {
            name: emulator.invoke(b'{"name":"Ada"}', f"/2015-03-31/functions/{name}/invocations").json["greeting"]
            for name in ("api", "nightly-jobs")
        }
        assert answers == {"api": "Hello, Ada.", "nightly-jobs": "Good night, Ada."}
