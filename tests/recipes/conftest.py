"""Fixtures: the runtime as each package lays it out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ci.core.files import unpack
from tests.packages.support import build, open_project
from tests.recipes.support import Person, person
from tests.runtime.support import RUNTIME
from tests.support import copy_checkout

sys.path.insert(0, str(RUNTIME))  # for the tests of single modules
sys.dont_write_bytecode = True


@pytest.fixture
def author(tmp_path: Path) -> Person:
    """Somebody with a checkout, and cookiecutter on PATH."""
    return person(tmp_path)


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the source tarball and the wheel of the current state."""
    checkout = copy_checkout(tmp_path_factory.mktemp("packages") / "checkout")
    project = build(open_project(checkout, checkout / "dist"), "sdist")
    return project.dist / "sdist"


@pytest.fixture(scope="session")
def payload(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the payload where the RPM puts it; returns the command's path."""
    root = tmp_path_factory.mktemp("root")
    (tarball,) = packages.glob("*.tar.gz")
    unpack(tarball, root)
    (root / "usr" / "lib").mkdir(parents=True)
    (root / "usr" / "bin").mkdir()
    (root / tarball.name.removesuffix(".tar.gz")).rename(root / "usr" / "lib" / "faas-runtime")
    command = root / "usr" / "bin" / "faas-runtime"
    command.symlink_to("../lib/faas-runtime/bin/faas-runtime")
    return command
