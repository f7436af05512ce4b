"""Fixtures: hosts and functions, built once per session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.glue.support import HERE, Host, rust_function, rust_project
from tests.support import program


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A host that runs with glibc."""
    return Host([program("gcc")], tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="session")
def musl_host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A host that runs with musl, because Debian has no Python for musl."""
    return Host([program("musl-gcc")], tmp_path_factory.mktemp("musl-host"))


@pytest.fixture(scope="session")
def moods_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A crate that uses all of the Rust glue."""
    return rust_project(tmp_path_factory.mktemp("moods"), HERE / "functions" / "moods.rs")


@pytest.fixture(scope="session")
def moods(moods_project: Path) -> Path:
    """The library of that crate."""
    return rust_function(moods_project, "moods")
