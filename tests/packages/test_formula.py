"""The formula, installed and tested by the stand-in for Homebrew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ci.core.errors import CommandFailed, DriftError, VerificationError
from ci.pipeline.jobs import Project, Verdict
from ci.verify import formula as verify_formula
from ci.verify.check import BuiltFunction, Check
from tests.packages.support import build, check_of, open_project


@pytest.fixture
def check(built: Project, c_function: BuiltFunction, tmp_path: Path) -> Check:
    """A check of a formula that the test may spoil."""
    path = tmp_path / "formulae" / f"{built.release.name}.rb"
    path.parent.mkdir()
    shutil.copyfile(built.dist / "formulae" / path.name, path)
    return check_of(built, "formula", path, tmp_path / "check", c_function)


def spoil(check: Check, old: str, new: str) -> None:
    text = check.path.read_text()
    assert old in text
    check.path.write_text(text.replace(old, new, 1))


def test_it_installs_and_its_own_test_passes(check: Check) -> None:
    assert verify_formula.verify(check) == Verdict(untried=("installed and tested by a stand-in for brew",))
    keg = check.folder / "Cellar" / check.project.release.name / check.project.release.version.homebrew
    assert keg.is_dir()


def test_another_tarball_is_refused(check: Check) -> None:
    spoil(check, '  sha256 "', '  sha256 "0')
    with pytest.raises(CommandFailed, match="sha256 is not that of the source"):
        verify_formula.verify(check)


def test_a_python_that_is_not_declared_is_refused(check: Check) -> None:
    spoil(check, 'depends_on "python@', 'depends_on "other@')
    with pytest.raises(CommandFailed, match="is not declared with depends_on"):
        verify_formula.verify(check)


def test_a_test_block_that_fails_is_told(check: Check) -> None:
    spoil(check, "response->len = request->payload_len;", "response->len = 1;")
    with pytest.raises(CommandFailed, match="is not"):
        verify_formula.verify(check)


def test_a_keg_without_the_file_for_every_start_is_told(check: Check) -> None:
    spoil(check, '    system python3, "-IS", libexec/"faas_runtime/start_file.py"\n', "")
    with pytest.raises(VerificationError, match="number of files of byte code for every start: found 0, expected 1"):
        verify_formula.verify(check)


def test_a_file_too_many_is_told(check: Check) -> None:
    spoil(check, 'include.install "include/faas.h"', 'include.install "include/faas.h", "pyproject.toml"')
    with pytest.raises(VerificationError, match=r"include/pyproject\.toml"):
        verify_formula.verify(check)


def test_a_formula_baked_for_another_tarball_is_not_shipped(built: Project, tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    shutil.copytree(built.dist, dist, ignore=shutil.ignore_patterns(".state"))
    tarball = dist / "sdist" / built.release.sdist_name
    tarball.write_bytes(tarball.read_bytes() + b"\0")
    with pytest.raises(DriftError, match="does not name the source tarball's sha256"):
        build(open_project(built.root, dist), "brew")
