"""Each test plants one fault in a copy of a package, and has the verification look at that."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.pipeline.jobs import Project
from ci.verify import crate, formula, msys2, rpm, sdist
from ci.verify.check import Check
from tests.packages.fixtures import _tools_of_the_environment, built, c_function, release
from tests.packages.support import build, check_of, open_project

__all__ = ["_tools_of_the_environment", "built", "c_function", "release"]

Checking = Callable[[str, Path], Check]
Spoiling = Callable[[str, str, str, str], Project]


@pytest.fixture(autouse=True)
def _nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about what an artefact is made of; whether it answers is asked elsewhere."""
    for module in (crate, formula, msys2, rpm, sdist):
        monkeypatch.setattr(module, "require_answers", lambda *_: None)


@pytest.fixture
def checking(built: Project, tmp_path: Path) -> Checking:
    """Make the check of one artefact of a kind."""
    return lambda kind, path: check_of(built, kind, path, tmp_path / "check")


@pytest.fixture
def spoiling(built: Project, tmp_path: Path) -> Spoiling:
    """Build with one builder after a change in a rendered file; of the MSYS2 packages, only that for ucrt64."""

    def rebuild(builder: str, baked: str, old: str, new: str) -> Project:
        dist = tmp_path / "dist"
        for name in ("sdist", "baked"):
            shutil.copytree(built.dist / name, dist / name)
        path = dist / "baked" / baked
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        msys2_packages = dataclasses.replace(built.release.msys2, environments=("ucrt64",))
        release = dataclasses.replace(built.release, msys2=msys2_packages)
        return build(open_project(built.root, dist, release), builder)

    return rebuild
