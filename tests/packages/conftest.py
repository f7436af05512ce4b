"""Packages that were really built, and a root to install them into."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.bake import bake
from ci.jobs import Project
from ci.manifest import load
from ci.release import Release
from ci.run import Runner
from tests.packages.support import build, checkout_of, open_project, with_version
from tests.support import ROOT

OLDER = "0.0.9"


@pytest.fixture(scope="session", autouse=True)
def _tools_of_the_environment() -> Iterator[None]:
    """Let programs of this Python's environment, such as hadolint, be found without it being activated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        yield


@pytest.fixture(scope="session")
def release() -> Release:
    """The release of the repository's own manifest."""
    return load(ROOT / "release.yaml")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """All packages of this very state."""
    checkout = checkout_of(tmp_path_factory.mktemp("checkout"))
    project = open_project(checkout, checkout / "dist")
    bake(checkout, project.release, checkout)
    return build(project)


@pytest.fixture(scope="session")
def older(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Project:
    """The packages of an older version on the same day, with a module and a subpackage more than the new one."""
    checkout = checkout_of(tmp_path_factory.mktemp("older"))
    project = open_project(checkout, checkout / "dist", with_version(release, OLDER))
    bake(checkout, project.release, checkout)
    package = checkout / "runtime" / "faas_runtime"
    (package / "gone.py").write_text('"""A module that the next version drops."""\n')
    (package / "emulator" / "gone.py").write_text('"""Another one, in a subpackage."""\n')
    (package / "past").mkdir()
    (package / "past" / "__init__.py").write_text('"""A subpackage that the next version drops."""\n')
    return build(project)


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    """A runner with a log of its own."""
    return Runner(log=tmp_path / "log")


@pytest.fixture(scope="session")
def stand_in_tarball(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in for the distributions: a small Debian root with Python, made once and kept by pytest's cache."""
    cached = Path(pytestconfig.cache.mkdir("stand-in-root")) / "root.tar"
    if not cached.exists():
        run = Runner(log=tmp_path_factory.mktemp("mmdebstrap") / "log")
        made = cached.with_name(f"root.{os.getpid()}.tar")
        run("mmdebstrap", "--variant=essential", "--include=python3", "bookworm", made)
        made.replace(cached)
    return cached


@pytest.fixture
def stand_in_root(stand_in_tarball: Path, tmp_path: Path, run: Runner) -> Path:
    """A root of the test's own, without the name python3: packages bring that, see the tests."""
    root = tmp_path / "root"
    root.mkdir()
    run("tar", "-xf", stand_in_tarball, "-C", root, "--exclude=./dev/*", "--exclude=./usr/share/doc")
    (root / "usr" / "bin" / "python3").unlink()
    return root
