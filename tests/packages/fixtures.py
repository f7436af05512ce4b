"""Packages that were really built, once for all tests of a run that look at them: for the tests here and in `verify`.

Other processes may read it at the same time: a test that wants to change something copies it.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.bake.render import bake
from ci.manifest.release import Release
from ci.pipeline.jobs import Project
from ci.verify.check import BuiltFunction
from tests.cache import once_per_run
from tests.fixtures import release, run
from tests.packages.support import build, build_function, checkout_of, open_project, with_version
from tests.support import ROOT

__all__ = ["release", "run"]

OLDER = "0.0.9"


@pytest.fixture(scope="session", autouse=True)
def _tools_of_the_environment() -> Iterator[None]:
    """Let programs of this Python's environment, such as hadolint, be found without it being activated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        yield


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Project:
    """All packages of this very state."""

    def make(checkout: Path) -> None:
        checkout_of(checkout)
        bake(checkout, release, checkout)
        build(open_project(checkout, checkout / "dist", release))

    checkout = once_per_run(tmp_path_factory, "built", make)
    return open_project(checkout, checkout / "dist", release)


@pytest.fixture(scope="session")
def older(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Project:
    """The packages of an older version on the same day, with a module and a subpackage more than the new one."""
    msys2 = dataclasses.replace(release.msys2, environments=("ucrt64",))  # in which the packages are installed
    older_release = with_version(dataclasses.replace(release, msys2=msys2), OLDER)

    def make(checkout: Path) -> None:
        checkout_of(checkout)
        bake(checkout, older_release, checkout)
        package = checkout / "runtime" / "faas_runtime"
        (package / "gone.py").write_text('"""A module that the next version drops."""\n')
        (package / "emulator" / "gone.py").write_text('"""Another one, in a subpackage."""\n')
        (package / "past").mkdir()
        (package / "past" / "__init__.py").write_text('"""A subpackage that the next version drops."""\n')
        build(open_project(checkout, checkout / "dist", older_release), "sdist", "baked", "rpm", "msys2")

    checkout = once_per_run(tmp_path_factory, "older", make)
    return open_project(checkout, checkout / "dist", older_release)


@pytest.fixture(scope="session")
def c_function(tmp_path_factory: pytest.TempPathFactory, release: Release) -> BuiltFunction:
    """The function in C that artefacts are invoked with, built by the snapshot's own job."""
    return build_function(open_project(ROOT, tmp_path_factory.mktemp("functions"), release), "function-c")
