"""`faas-runtime new rust --update` and `--registry`: the crate that a project uses."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from tests.glue.support import CRATE
from tests.recipes.support import Person, files_of

MINE = {"src/lib.rs": b"// mine\n", "notes.txt": b"mine\n"}


@pytest.fixture
def project(author: Person) -> Path:
    """A project that its author has worked on."""
    assert author.new("rust", "mine").returncode == 0
    folder = author.work / "mine"
    for name, data in MINE.items():
        (folder / name).write_bytes(data)
    return folder


def make_older(copy: Path) -> None:
    """A copy as an older runtime might have made it: another version, a file more, a file less, other bytes."""
    manifest = copy / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace('version = "0.1.0"', 'version = "0.0.9"', 1))
    (copy / "src" / "older.rs").write_text("// older\n")
    (copy / "src" / "path.rs").unlink()
    (copy / "src" / "lib.rs").write_text("mod older;\n")


def test_a_copy_has_what_cargo_would_publish(project: Path) -> None:
    include = tomllib.loads((CRATE / "Cargo.toml").read_text())["package"]["include"]
    found = files_of(project / "faas-function")
    tops = {path.partition("/")[0] for path in found}
    assert tops == {"Cargo.toml", *(path.strip("/") for path in include)}
    assert found == {path: data for path, data in files_of(CRATE).items() if path.partition("/")[0] in tops}


@pytest.mark.parametrize("where", ["inside", "by name"])
def test_an_older_copy_is_replaced_and_nothing_else(author: Person, project: Path, where: str) -> None:
    before = files_of(project)
    make_older(project / "faas-function")
    arguments = ("mine",) if where == "by name" else ("--output", "mine")
    done = author.new("rust", *arguments, "--update")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "mine/faas-function was updated from version 0.0.9 to 0.1.0. Build once without --locked: cargo then writes "
        "the version into Cargo.lock.\n"
    )
    assert files_of(project) == before
    assert sorted(path.name for path in author.work.iterdir()) == ["mine"]


def test_there_may_be_nothing_to_do(author: Person, project: Path) -> None:
    copy = project / "faas-function"
    before = copy.stat().st_ino
    done = author.new("rust", "mine", "--update")
    assert done.stdout == "mine/faas-function has version 0.1.0 already: nothing to do.\n"
    assert copy.stat().st_ino == before
    (copy / "src" / "lib.rs").write_text("// changed\n")
    done = author.new("rust", "mine", "--update")
    assert done.stdout == "mine/faas-function had other files of version 0.1.0: they were replaced.\n"
    assert (copy / "src" / "lib.rs").read_bytes() == (CRATE / "src" / "lib.rs").read_bytes()


def test_a_copy_that_is_gone_is_made_again(author: Person, project: Path) -> None:
    """As after a process that was killed at the one moment when neither the old copy nor the new one was there."""
    before = files_of(project)
    (project / "faas-function").rename(project / ".faas-function-gone")
    assert "was missing: it is version 0.1.0 now" in author.new("rust", "mine", "--update").stdout
    assert {path: data for path, data in files_of(project).items() if "gone" not in path} == before


@pytest.mark.parametrize(
    "form",
    [
        'faas-function = { path = "vendored/crate", features = ["tokio"] }',
        "faas-function.path = 'vendored/crate'",
        'serde_json = "1"\n\n[dependencies.faas-function]\nfeatures = ["tokio"]\npath = "vendored/crate"',
    ],
)
def test_the_copy_is_where_the_manifest_says(author: Person, project: Path, form: str) -> None:
    manifest = project / "Cargo.toml"
    text = re.sub(
        r'faas-function = .*\n(serde.*\n)serde_json = "1"', lambda match: match[1] + form, manifest.read_text()
    )
    manifest.write_text(text)
    assert tomllib.loads(text)["dependencies"]["faas-function"]["path"] == "vendored/crate"
    (project / "vendored").mkdir()
    (project / "faas-function").rename(project / "vendored" / "crate")
    make_older(project / "vendored" / "crate")
    done = author.new("rust", "mine", "--update")
    assert "mine/vendored/crate was updated from version 0.0.9 to 0.1.0." in done.stdout


def test_a_manifest_with_the_line_ends_of_windows(author: Person, project: Path) -> None:
    manifest = project / "Cargo.toml"
    manifest.write_bytes(manifest.read_bytes().replace(b"\n", b"\r\n"))
    (project / "faas-function").rename(project / "gone")
    done = author.new("rust", "mine", "--update")
    assert (done.returncode, done.stderr) == (0, "")
    assert "mine/faas-function was missing: it is version 0.1.0 now" in done.stdout


def test_the_copy_of_a_workspace_is_updated_from_each_of_its_folders(author: Person) -> None:
    (author.work / "Cargo.toml").write_text("[workspace]\nmembers = []\n")
    assert author.new("rust", "mine").returncode == 0
    for arguments in ((), ("mine",)):
        make_older(author.work / "faas-function")
        done = author.new("rust", *arguments, "--update")
        assert done.stdout.startswith("faas-function was updated from version 0.0.9 to 0.1.0.")
    manifest = author.work / "mine" / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace('{ path = "../faas-function" }', "{ workspace = true }"))
    with (author.work / "Cargo.toml").open("a") as file:
        file.write('\n[workspace.dependencies]\nfaas-function = { path = "faas-function" }\n')
    make_older(author.work / "faas-function")
    assert "faas-function was updated from version 0.0.9 to 0.1.0." in author.new("rust", "mine", "--update").stdout


def test_what_has_no_copy_is_refused(author: Person, project: Path) -> None:
    (author.work / "empty").mkdir()
    (author.work / "other").mkdir()
    (author.work / "other" / "Cargo.toml").write_text('[package]\nname = "other"\n\n[dependencies]\nserde = "1"\n')
    (author.work / "older" / "src" / "faas").mkdir(parents=True)
    (author.work / "older" / "Cargo.toml").write_text('[package]\nname = "older"\n\n[dependencies]\nserde_json = "1"\n')
    assert author.new("rust", "published", "--registry").returncode == 0
    (project / "faas-function").rename(author.work / "moved")
    (project / "faas-function").symlink_to(author.work / "moved")
    before = files_of(author.work)
    for name, said in {
        "empty": "empty is no project in Rust: it has no Cargo.toml",
        "nowhere": "nowhere is no project in Rust: it has no Cargo.toml",
        "other": "other/Cargo.toml does not use faas-function. Go to the folder of a project",
        "older": "older/Cargo.toml does not use faas-function. The changelog of faas-runtime says how to move",
        "published": "published/Cargo.toml takes faas-function from a registry. Write the version that you want there",
        "mine": "mine/faas-function is no copy of faas-function. Remove it, and run the same command again",
    }.items():
        done = author.new("rust", name, "--update")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"faas-runtime new: {said}")
    assert files_of(author.work) == before


def test_a_copy_that_cannot_be_made_leaves_the_old_one(author: Person, project: Path) -> None:
    """As on a full disk: no file may get larger than some kilobytes."""
    make_older(project / "faas-function")
    before = files_of(project)
    command = shlex.join(map(str, (*author.launcher, "new", "rust", "mine", "--update")))
    done = author.run("/bin/sh", "-c", f"ulimit -f 4; exec {command}")
    assert done.returncode == 1
    assert "The copy is as it was" in done.stderr
    assert files_of(project) == before


def test_a_registry_project_has_no_copy(author: Person) -> None:
    done = author.new("rust", "mine", "--registry")
    assert (done.returncode, done.stderr) == (0, "")
    project = author.work / "mine"
    dependencies = tomllib.loads((project / "Cargo.toml").read_text())["dependencies"]
    assert dependencies["faas-function"] == "0.1.0"
    assert not (project / "faas-function").exists()
    packages = {package["name"] for package in tomllib.loads((project / "Cargo.lock").read_text())["package"]}
    assert {"mine", "serde"} <= packages
    assert "faas-function" not in packages  # its checksum is not known before it is published
    assert "--update" not in (project / "README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("c", "mine", "--registry"), "--registry and --update are for rust"),
        (("c", "--update"), "--registry and --update are for rust"),
        (("rust", "mine", "--registry", "--update"), "--update is for a copy of the crate"),
        (("--update",), "required: language, NAME"),
    ],
)
def test_wrong_usage_is_reported(author: Person, arguments: tuple[str, ...], said: str) -> None:
    done = author.new(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert list(author.work.iterdir()) == []
