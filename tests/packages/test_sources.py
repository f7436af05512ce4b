"""Which files of the repository ship: those that git tracks, and in an unpacked archive all of them."""

from __future__ import annotations

import os
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest

from ci.builders.sdist import RECIPES, jobs, probe, sources
from ci.core import rust_crate
from ci.core.errors import CommandFailed, VerificationError
from ci.core.files import tree_files
from ci.manifest.release import Release
from ci.pipeline.ledger import tree_hash
from tests.packages.support import build, checkout_of, open_project

GIT = ("git", "-c", "user.name=tests", "-c", "user.email=tests@localhost", "-c", "init.defaultBranch=main")


def git(checkout: Path, *words: str) -> None:
    subprocess.run([*GIT, *words], cwd=checkout, check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A checkout under git, in which all is committed."""
    checkout = checkout_of(tmp_path / "clone")
    git(checkout, "init")
    git(checkout, "add", ".")
    git(checkout, "commit", "-m", "all")
    return checkout


def test_what_git_does_not_track_does_not_ship(clone: Path, release: Release) -> None:
    before = sources(clone)
    strays = ("runtime/faas_runtime/notes.py", "runtime/secrets.txt", "recipes/c-function/{{cookiecutter.name}}/x.c")
    for stray in strays:
        (clone / stray).write_text("mine\n")
    assert sources(clone) == before
    project = build(open_project(clone, clone / "dist", release), "sdist")
    with tarfile.open(project.dist / "sdist" / release.sdist_name) as archive:
        names = {member.name.partition("/")[2] for member in archive}
    assert names - {"PKG-INFO", "faas_runtime/payload.sha256"} <= set(before)
    assert {"faas_runtime/emulator/__init__.py", f"{RECIPES}/rust-function/cookiecutter.json"} <= names
    assert f"{RECIPES}/rust-function/{{{{cookiecutter.name}}}}/.cargo/config.toml" in names
    assert not {Path(stray).name for stray in strays} & {Path(name).name for name in names}


def test_of_the_crate_ships_what_is_published(clone: Path) -> None:
    crate = clone / rust_crate.FOLDER
    place = f"{RECIPES}/faas-function/"
    shipped = {path.removeprefix(place) for path in sources(clone) if path.startswith(place)}
    assert {"Cargo.toml", "LICENSE", "README.md", "rustfmt.toml", "src/lib.rs", "src/export.rs"} <= shipped
    assert {path.partition("/")[0] + "/" * ("/" in path) for path in shipped} == set(rust_crate.PUBLISHED)
    include = tomllib.loads((crate / "Cargo.toml").read_text())["package"]["include"]
    assert {"Cargo.toml", *(path.strip("/") for path in include)} == {path.strip("/") for path in rust_crate.PUBLISHED}
    listed = {file for place in rust_crate.places(clone) for file in tree_files(place)}
    assert {file.relative_to(crate).as_posix() for file in listed} == shipped
    assert (crate / "tests").is_dir()
    assert not [path for path in sources(clone) if path.startswith("crate/")]


def test_files_ship_as_they_are_now(clone: Path) -> None:
    (clone / "runtime" / "faas_runtime" / "serving.py").write_text("# changed\n")
    assert sources(clone)["faas_runtime/serving.py"].read_text() == "# changed\n"


def test_a_file_that_is_deleted_but_tracked_is_refused(clone: Path) -> None:
    """Without it, the source tarball would be neither what git has nor what its author meant."""
    file = clone / "runtime" / "faas_runtime" / "trace.py"
    file.unlink()
    with pytest.raises(VerificationError) as caught:
        sources(clone)
    assert str(caught.value) == f"{file}: git tracks this file, but it is deleted"
    assert caught.value.hint == "restore it with git restore, or delete it with git rm"
    file.mkdir()
    with pytest.raises(VerificationError, match=r"trace\.py: git tracks this file, but it is not a file"):
        sources(clone)
    file.rmdir()
    git(clone, "rm", str(file))
    assert "faas_runtime/trace.py" not in sources(clone)


def test_a_file_that_is_tracked_from_now_on_is_built_anew(clone: Path, release: Release) -> None:
    (clone / "runtime" / "faas_runtime" / "notes.py").write_text("mine\n")
    project = open_project(clone, clone / "dist", release)

    def state() -> tuple[str, str]:
        (job,) = jobs(project.with_facts(probe(project)))
        return tree_hash(*job.inputs), job.values["files"]

    before = state()
    git(clone, "add", "runtime")
    assert state()[0] != before[0]
    git(clone, "mv", "runtime/faas_runtime/notes.py", "runtime/faas_runtime/emulator/notes.py")
    assert state()[1] != before[1]


def test_the_note_about_git_goes_when_git_comes_back(clone: Path, release: Release) -> None:
    """The files are the same, but the note of the earlier run is not true any more."""
    (clone / ".git").rename(clone / ".gone")
    project = open_project(clone, clone / "dist", release)
    build(project, "sdist")
    record = clone / "dist" / ".state" / "jobs" / "sdist.json"
    assert "not a git checkout" in record.read_text()
    (clone / ".gone").rename(clone / ".git")
    build(project, "sdist")
    assert "not a git checkout" not in record.read_text()


def test_without_git_all_files_ship_and_the_note_says_so(tmp_path: Path, release: Release) -> None:
    checkout = checkout_of(tmp_path / "archive")
    (checkout / "runtime" / "faas_runtime" / "more.py").write_text('"""More."""\n')
    (checkout / "runtime" / "crate" / "target").mkdir()
    (checkout / "runtime" / "crate" / "target" / "CACHEDIR.TAG").touch()
    assert "faas_runtime/more.py" in sources(checkout)
    assert not [path for path in sources(checkout) if "CACHEDIR" in path]
    git(tmp_path, "init")  # a repository around the checkout knows nothing of its files
    assert "faas_runtime/more.py" in sources(checkout)


def test_a_checkout_that_git_cannot_read_is_told(clone: Path) -> None:
    (clone / ".git" / "HEAD").write_text("garbled\n")
    with pytest.raises(CommandFailed, match="not a git repository"):
        sources(clone)


def test_an_owner_of_another_name_is_no_obstacle(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(clone.parent))  # where no setting calls the checkout safe
    for path in (clone, clone / ".git"):
        try:
            os.chown(path, 4711, 4711)
        except PermissionError:
            pytest.skip("not run: only root gives files away")
    assert sources(clone)
