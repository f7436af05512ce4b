"""Packages that were built once; each test plants one fault in a copy and has the verification look at that."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ci.bake import bake
from ci.jobs import Output, Project
from ci.run import Runner
from ci.verify import formula, msys2, rpm, sdist
from ci.verify.check import Check
from tests.packages.support import build, checkout_of, open_project

Checking = Callable[[str, Path], Check]
Spoiling = Callable[[str, str, str, str], Project]


@pytest.fixture(scope="session", autouse=True)
def _tools_of_the_environment() -> Iterator[None]:
    """Let programs of this Python's environment, such as rpmlint, be found without it being activated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        yield


@pytest.fixture(autouse=True)
def _nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about what an artefact is made of; whether it answers is asked elsewhere."""
    for module in (formula, msys2, rpm, sdist):
        monkeypatch.setattr(module, "require_answers", lambda *_: None)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """All packages of this very state; what is built anew is so for one of MSYS2's environments."""
    checkout = checkout_of(tmp_path_factory.mktemp("checkout"))
    project = open_project(checkout, checkout / "dist")
    bake(checkout, project.release, checkout)
    build(project)
    environments = dataclasses.replace(project.release.msys2, environments=("ucrt64",))
    return dataclasses.replace(project, release=dataclasses.replace(project.release, msys2=environments))


@pytest.fixture
def checking(built: Project, tmp_path: Path) -> Checking:
    """Describe the check of one artefact, which the release knows as `kind`."""

    def describe(kind: str, path: Path) -> Check:
        folder = tmp_path / "check"
        folder.mkdir()
        return Check(
            project=built,
            output=Output(kind=kind, path=f"{path.parent.name}/{path.name}"),
            path=path,
            folder=folder,
            run=Runner(log=tmp_path / "log"),
            functions=(),
        )

    return describe


@pytest.fixture
def spoiling(built: Project, tmp_path: Path) -> Spoiling:
    """Build with one builder from a baked file that was tampered with, beside the good build."""

    def rebuild(builder: str, baked: str, old: str, new: str) -> Project:
        dist = tmp_path / "dist"
        for name in ("sdist", "baked"):
            shutil.copytree(built.dist / name, dist / name)
        path = dist / "baked" / baked
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))
        return build(open_project(built.root, dist, built.release), builder)

    return rebuild
