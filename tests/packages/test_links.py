"""A symbolic link in the checkout does not carry files from elsewhere into what is published."""

from __future__ import annotations

import re
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.bake.render import drift
from ci.builders.sdist import sources
from ci.core.errors import VerificationError
from ci.manifest.reader import load
from tests.packages.support import checkout_of
from tests.support import ROOT, copy_checkout, run_ci

GIT = ("git", "-c", "user.name=tests", "-c", "user.email=tests@localhost", "-c", "init.defaultBranch=main")
PACKAGE = Path("runtime", "faas_runtime")
REFUSED = 14


def git(checkout: Path, *words: str) -> None:
    subprocess.run([*GIT, *words], cwd=checkout, check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What ships of the project, without git, in a folder of its own."""
    return checkout_of(tmp_path / "project" / "clone")


def commit(checkout: Path) -> None:
    git(checkout, "init")
    git(checkout, "add", "--force", ".")
    git(checkout, "commit", "-m", "all")


def file_outside(clone: Path) -> str:
    secret = clone.parent / "secret.py"
    secret.write_text("PASSWORD = 'of whoever builds'\n")
    (clone / PACKAGE / "notes.py").symlink_to(secret)
    return "notes.py: a symbolic link leads to"


def file_outside_by_a_relative_path(clone: Path) -> str:
    (clone.parent / "secret.py").write_text("PASSWORD = 'of whoever builds'\n")
    (clone / PACKAGE / "notes.py").symlink_to("../../../secret.py")
    return "notes.py: a symbolic link leads to"


def file_that_does_not_ship(clone: Path) -> str:
    (clone / "private.txt").write_text("not for others\n")
    (clone / "runtime" / "man" / "private.txt").symlink_to("../../private.txt")
    return "private.txt: a symbolic link leads to"


def folder_outside(clone: Path) -> str:
    (clone.parent / "folder").mkdir()
    (clone.parent / "folder" / "secret.py").write_text("PASSWORD = 'of whoever builds'\n")
    (clone / PACKAGE / "folder").symlink_to(clone.parent / "folder")
    return "folder: this symbolic link leads to a folder"


def folder_inside(clone: Path) -> str:
    (clone / PACKAGE / "again").symlink_to("emulator")
    return "again: this symbolic link leads to a folder"


def chain_outside(clone: Path) -> str:
    (clone.parent / "secret.py").write_text("PASSWORD = 'of whoever builds'\n")
    (clone / PACKAGE / "first.py").symlink_to("second.py")
    (clone / PACKAGE / "second.py").symlink_to(clone.parent / "secret.py")
    return "first.py: a symbolic link leads to"


def recipe_outside(clone: Path) -> str:
    (clone.parent / "secret.c").write_text("/* of whoever builds */\n")
    link = clone / "recipes" / "c-function" / "{{cookiecutter.name}}" / "notes.c"
    link.symlink_to(clone.parent / "secret.c")
    return "notes.c: a symbolic link leads to"


CASES: list[Callable[[Path], str]] = [
    file_outside,
    file_outside_by_a_relative_path,
    file_that_does_not_ship,
    folder_outside,
    folder_inside,
    chain_outside,
    recipe_outside,
]


@pytest.mark.parametrize("plant", CASES)
@pytest.mark.parametrize("with_git", [True, False])
def test_a_link_that_leads_elsewhere_is_refused(clone: Path, plant: Callable[[Path], str], with_git: bool) -> None:
    said = plant(clone)
    if with_git:
        commit(clone)
    with pytest.raises(VerificationError, match=re.escape(said)):
        sources(clone)


def test_no_session_builds_it(tmp_path: Path) -> None:
    clone = copy_checkout(tmp_path / "project" / "clone")
    said = file_outside(clone)
    commit(clone)
    done = run_ci(clone, "sdist")
    assert done.returncode == REFUSED, done.stderr
    assert said in done.stderr
    assert "what to do: replace each link" in done.stderr
    assert not (clone / "dist" / "sdist").exists()


@pytest.mark.parametrize("target", ["/nowhere/at/all.py", "nothing.py", "notes.py"])
def test_a_tracked_link_that_leads_nowhere_is_refused(clone: Path, target: str) -> None:
    (clone / PACKAGE / "notes.py").symlink_to(target)
    commit(clone)
    with pytest.raises(VerificationError, match=r"notes\.py: this symbolic link leads nowhere"):
        sources(clone)


def test_a_folder_that_became_a_link_is_refused(clone: Path) -> None:
    """Git still tracks the files that were in it."""
    commit(clone)
    (clone / PACKAGE / "emulator").rename(clone.parent / "emulator")
    (clone / PACKAGE / "emulator").symlink_to(clone.parent / "emulator")
    with pytest.raises(VerificationError, match=r"emulator/__init__\.py: a symbolic link leads to"):
        sources(clone)


@pytest.mark.parametrize("name", ["specs/notes.spec", "containers"])
def test_a_template_that_leads_elsewhere_is_refused(clone: Path, name: str) -> None:
    tree = clone / "recipes" / "packages" / "{{cookiecutter.tree}}"
    (clone.parent / "notes.spec").write_text("# Generated from recipes/packages and release.yaml by `nox -s bake`\n")
    if (tree / name).is_dir():
        (tree / name).rename(clone.parent / name)
    (tree / name).symlink_to(clone.parent / Path(name).name)
    with pytest.raises(VerificationError, match=f"{name}: "):
        drift(clone, load(clone / "release.yaml"))


def test_a_link_to_a_file_that_ships_is_shipped_as_that_file(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "a" / "clone")
    (checkout / "runtime" / "man" / "COPYING").symlink_to("../LICENSE")
    commit(checkout)
    done = run_ci(checkout, "sdist")
    assert done.returncode == 0, done.stderr
    (sdist,) = (checkout / "dist" / "sdist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        (member,) = (one for one in archive if one.name.endswith("man/COPYING"))
        content = archive.extractfile(member)
        assert content is not None
        assert content.read() == (ROOT / "runtime" / "LICENSE").read_bytes()


def test_the_checkout_itself_may_be_reached_by_a_link(tmp_path: Path) -> None:
    checkout_of(tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    assert set(sources(tmp_path / "link")) == set(sources(tmp_path / "real"))
