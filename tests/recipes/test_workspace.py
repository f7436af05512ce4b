"""`faas-runtime new rust` inside a cargo workspace: the member, the shared copy of the crate, and what is said."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest
from faas_runtime.commands import workspace

from tests.glue.support import call
from tests.recipes.support import Person, files_of
from tests.rust import warm_target
from tests.support import program

APP = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'
CARGO = {
    "CARGO_HOME": os.environ.get("CARGO_HOME", str(Path.home() / ".cargo")),
    "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup")),
}


def make_workspace(folder: Path, table: str) -> Path:
    """A workspace with one crate, `app`; `table` follows `[workspace]` in its manifest."""
    (folder / "app" / "src").mkdir(parents=True)
    (folder / "app" / "src" / "main.rs").write_text("fn main() {}\n")
    (folder / "app" / "Cargo.toml").write_text(APP)
    manifest = folder / "Cargo.toml"
    manifest.write_text(f"[workspace]\n{table}")
    return manifest


@pytest.fixture(params=["with cargo", "without cargo"])
def somebody(author: Person, request: pytest.FixtureRequest) -> Person:
    """A person in whose folder nothing is yet, with cargo on PATH or not."""
    if request.param == "with cargo":
        give_cargo(author)
    return author


def give_cargo(author: Person) -> None:
    (author.bin / "cargo").symlink_to(program("cargo"))
    if not (author.bin / "rustc").exists():
        (author.bin / "rustc").symlink_to(program("rustc"))


def members(root: Path) -> set[str]:
    """The names of the members, as cargo says."""
    command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version=1"]
    return {package["name"] for package in json.loads(call(*command, cwd=root))["packages"]}


def test_a_member_is_added_and_the_crate_is_shared(somebody: Person) -> None:
    manifest = make_workspace(somebody.work, 'members = [\n    "app", # ours\n]\nresolver = "2"\n')
    done = somebody.new("rust", "first", **CARGO)
    assert (done.returncode, done.stderr) == (0, "")
    assert manifest.read_text() == (
        '[workspace]\nexclude = ["faas-function"]\nmembers = [\n    "app", # ours\n    "first",\n]\nresolver = "2"\n'
    )
    assert (
        f'{manifest} has new items below [workspace]: "first" to `members`, "faas-function" to `exclude`.'
        in done.stdout
    )
    assert "faas-runtime serve ../target/debug/libfirst.so --watch" in done.stdout
    assert members(somebody.work) == {"app", "first"}
    before = manifest.read_text()
    done = somebody.new("rust", "second", "--output", "more/functions", **CARGO)
    assert (done.returncode, done.stderr) == (0, "")
    assert manifest.read_text() == before.replace('    "first",\n', '    "first",\n    "more/functions/second",\n')
    assert "faas-runtime serve ../../../target/debug/libsecond.so --watch" in done.stdout
    assert members(somebody.work) == {"app", "first", "second"}
    second = somebody.work / "more" / "functions" / "second"
    dependencies = tomllib.loads((second / "Cargo.toml").read_text())["dependencies"]
    assert dependencies["faas-function"] == {"path": "../../../faas-function"}
    assert [path.parent.name for path in somebody.work.rglob("export.rs")] == ["src"]  # one copy


def test_what_a_member_cannot_say_is_said(somebody: Person) -> None:
    manifest = make_workspace(somebody.work, 'members = ["app"]\n')
    said = somebody.new("rust", "first", **CARGO).stdout
    project = somebody.work / "first"
    assert "profile" not in tomllib.loads((project / "Cargo.toml").read_text())
    assert '    [profile.release]\n    opt-level = "s"\n    lto = true\n' in said
    assert "cargo reads first/.cargo/config.toml, which has the option for it, if it is started in that folder" in said
    assert not (project / "Cargo.lock").exists()
    assert (project / "Containerfile.dockerignore").read_text() == ".git\ntarget\n"
    assert "podman build -f first/Containerfile -t first .\n" in (project / "README.md").read_text()
    assert "WORKDIR /source/first\n" in (project / "Containerfile").read_text()
    with manifest.open("a") as file:
        file.write('\n[profile.release]\nlto = true\npanic = "abort"\n')
    said = somebody.new("rust", "second", **CARGO).stdout
    assert "opt-level" not in said
    assert f'{manifest} has panic = "abort" in its release profile' in said


def test_a_pattern_that_covers_the_member_stays(somebody: Person) -> None:
    table = 'members = ["app", "functions/*"]\nexclude = ["faas-function"]\n'
    manifest = make_workspace(somebody.work, table)
    (somebody.work / "functions").mkdir()
    (somebody.work / "app").rename(somebody.work / "functions" / "other")
    manifest.write_text(manifest.read_text().replace('"app", ', ""))
    before = manifest.read_text()
    done = somebody.new("rust", "first", "--output", "functions", **CARGO)
    assert done.returncode == 0
    assert manifest.read_text() == before
    assert "Add yourself" not in done.stdout
    assert members(somebody.work) == {"app", "first"}


@pytest.mark.parametrize(
    "text",
    [
        '[workspace]\nmembers = ["app"]\nexclude = ["apart"]\n',
        'workspace.members = ["app"]\nworkspace.exclude = [\n    "apart",\n]\n',
        "workspace = { members = ['app'], exclude = ['apart'] }\n",
        'workspace.exclude = [\n    "other", # see [1]\n    "apart",\n]\nworkspace.members = ["app"]\n',
    ],
)
def test_an_excluded_folder_is_not_in_the_workspace(somebody: Person, text: str) -> None:
    manifest = make_workspace(somebody.work, "")
    manifest.write_text(text)
    before = manifest.read_text()
    done = somebody.new("rust", "first", "--output", "apart", **CARGO)
    assert done.returncode == 0
    assert manifest.read_text() == before
    assert (somebody.work / "apart" / "first" / "faas-function" / "Cargo.toml").exists()
    assert (somebody.work / "apart" / "first" / "Cargo.lock").exists()


@pytest.mark.parametrize("text", ['package.exclude = ["apart"]\nworkspace.members = []\n', "workspace.members = []\n"])
def test_a_list_of_another_table_is_not_the_workspaces(text: str) -> None:
    assert not workspace._leaves_out(text, "apart")
    assert workspace._leaves_out(f'{text}workspace.exclude = ["apart"]\n', "apart")


@pytest.mark.parametrize(
    "text",
    [
        'workspace.members = ["app"]\n',
        'workspace = { members = ["app"] }\n\n[profile.release]\nlto = true\n',
        '[workspace.package]\nversion = "1"\n',
        '[workspace]\nmembers = ["ap\\u0070"]\n',
    ],
)
def test_a_manifest_of_another_form_is_left_to_its_author(somebody: Person, text: str) -> None:
    manifest = make_workspace(somebody.work, "")
    manifest.write_text(text)
    done = somebody.new("rust", "first", **CARGO)
    assert done.returncode == 0
    assert manifest.read_text() == text
    said = f'Add yourself, to the workspace in {manifest}: "first" to `members`'
    assert said in done.stdout


def test_a_key_of_another_table_makes_no_workspace(author: Person) -> None:
    """A crate that is alone may name the workspace that it is in."""
    (author.work / "Cargo.toml").write_text(f'{APP}workspace = ".."\n')
    done = author.new("rust", "first")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Add yourself" not in done.stdout
    assert (author.work / "first" / "faas-function").is_dir()


def test_what_cargo_does_not_accept_is_taken_back(author: Person) -> None:
    give_cargo(author)
    manifest = make_workspace(author.work, 'members = ["app", "gone"]\n')
    before = manifest.read_text()
    done = author.new("rust", "first", **CARGO)
    assert done.returncode == 0
    assert manifest.read_text() == before
    assert (
        f'Add yourself, to the workspace in {manifest}: "first" to `members`, "faas-function" to `exclude`.'
        in done.stdout
    )
    assert "Cargo does not accept the workspace: error: failed to load manifest for workspace member" in done.stdout


def test_a_folder_in_the_place_of_the_copy_is_refused(author: Person) -> None:
    make_workspace(author.work, 'members = ["app"]\n')
    (author.work / "faas-function").mkdir()
    before = files_of(author.work)
    done = author.new("rust", "first")
    assert done.returncode == 2
    assert "faas-function exists, and is no copy of the crate faas-function. Use --registry" in done.stderr
    assert files_of(author.work) == before
    assert author.new("rust", "first", "--registry").returncode == 0
    manifest = tomllib.loads((author.work / "first" / "Cargo.toml").read_text())
    assert manifest["dependencies"]["faas-function"] == "0.1.0"


def test_the_target_folder_of_the_workspace_is_named(author: Person) -> None:
    give_cargo(author)
    make_workspace(author.work, 'members = ["app"]\n')
    (author.work / ".cargo").mkdir()
    (author.work / ".cargo" / "config.toml").write_text('[build]\ntarget-dir = "built"\n')
    done = author.new("rust", "first", **CARGO)
    assert "faas-runtime serve ../built/debug/libfirst.so --watch" in done.stdout
    assert "serve ../built/debug/libfirst.so.get`" in (author.work / "first" / "README.md").read_text()


@pytest.mark.long
def test_the_tests_of_the_workspace_are_its_authors(author: Person, tmp_path: Path) -> None:
    make_workspace(author.work, 'members = ["app", "functions/*"]\nresolver = "2"\n')
    for name in ("first", "second"):
        assert author.new("rust", name, "--output", "functions").returncode == 0
    folders = {"CARGO_TARGET_DIR": str(warm_target(tmp_path / "target")), "CARGO_NET_OFFLINE": "true"}
    output = call(program("cargo"), "test", "--workspace", cwd=author.work, env=folders)
    assert output.count("test tests::greets_by_name ... ok") == 2
    assert output.count("test result: ok. ") == 3
    call(program("cargo"), "fmt", "--all", "--check", cwd=author.work)
    call(program("cargo"), "build", "--locked", cwd=author.work / "functions" / "second", env=folders)
    assert (tmp_path / "target" / "debug" / "libsecond.so").exists()
