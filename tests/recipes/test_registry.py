"""A project of `faas-runtime new rust --registry`, with a local registry that has the packed crate.

Cargo gets no network, and nothing of the user's.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from ci.core import cargo_registry, rust_crate
from ci.manifest import dist_paths
from tests.glue.support import call
from tests.packages.support import build, checkout_of, open_project
from tests.recipes.support import LAUNCHER, Person
from tests.rust import warm_target
from tests.support import program


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The crate of this checkout, as it would be published, and all that it depends on."""
    checkout = checkout_of(tmp_path_factory.mktemp("registry"))
    project = build(open_project(checkout, checkout / "dist"), "local-registry", "crate")
    folder = project.dist / dist_paths.LOCAL_REGISTRY
    packed = project.dist / dist_paths.crate(project.release)
    cargo_registry.add(folder, packed.name, packed.read_bytes())
    return folder


def test_the_project_is_built_out_of_a_registry(author: Person, registry: Path, tmp_path: Path) -> None:
    made = author.new("rust", "my-function", "--registry")
    assert (made.returncode, made.stderr) == (0, "")
    project = author.work / "my-function"
    assert not (project / rust_crate.NAME).exists()
    target = warm_target(tmp_path / "target")
    env = {"CARGO_HOME": str(tmp_path / "cargo"), "CARGO_TARGET_DIR": str(target)}
    cargo = (program("cargo"), *cargo_registry.options(registry))

    tested = call(*cargo, "test", cwd=project, env=env)
    assert "test tests::greets_by_name ... ok" in tested
    locked = tomllib.loads((project / "Cargo.lock").read_text())["package"]
    (source,) = (one["source"] for one in locked if one["name"] == rust_crate.NAME)
    assert source.startswith("registry+")

    call(*cargo, "build", "--locked", cwd=project, env=env)
    invoke = (sys.executable, "-IS", "-X", "utf8", LAUNCHER, "invoke", target / "debug" / "libmy_function.so")
    answer = call(*invoke, "--event", "events/sample.json", cwd=project)
    assert '"greeting":"Hello, ' in answer
