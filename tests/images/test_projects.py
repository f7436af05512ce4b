"""Projects of the recipes, built by their own Containerfiles on the images of this state, then run and asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci import engines
from ci.bake import bake_recipe
from ci.engines import Engine
from ci.run import Runner
from ci.verify.check import EVENT
from ci.verify.served import served
from tests.glue.support import cargo, lock
from tests.images.conftest import REGISTRY, checkout_for_tests
from tests.images.projects import build_image, builder
from tests.support import ROOT, run_ci

CACHE = ROOT / "dist" / ".cache" / "tests"


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory, run: Runner) -> Iterator[str]:
    """The reference of the micro image of this state."""
    checkout = checkout_for_tests(tmp_path_factory.mktemp("micro") / "checkout")
    done = run_ci(checkout, "images", "--flavour=micro", "--engine=buildah")
    assert done.returncode == 0, done.stderr
    yield f"{REGISTRY}/faas-runtime:0.1.0-micro"
    for suffix in ("", "-arm64"):
        Engine(name="buildah").remove(run, f"{REGISTRY}/faas-runtime:0.1.0-micro{suffix}")


@pytest.fixture(scope="module")
def c_builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with lock("c-builder"), builder("c", tmp_path_factory.mktemp("builder"), CACHE) as reference:
        yield reference


@pytest.fixture(scope="module")
def alpine(tmp_path_factory: pytest.TempPathFactory, run: Runner, bases: dict[str, str]) -> Iterator[str]:
    """The reference of the alpine image of this state, on the stand-in."""
    checkout = checkout_for_tests(tmp_path_factory.mktemp("alpine") / "checkout")
    base = f"--base=alpine={bases['alpine']}"
    done = run_ci(checkout, "images", "--flavour=alpine", "--engine=buildah", base)
    assert done.returncode == 0, done.stderr
    yield f"{REGISTRY}/faas-runtime:0.1.0-alpine"
    Engine(name="buildah").remove(run, f"{REGISTRY}/faas-runtime:0.1.0-alpine")


@pytest.fixture(scope="module")
def musl_builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with lock("c-musl-builder"), builder("c-musl", tmp_path_factory.mktemp("builder"), CACHE) as reference:
        yield reference


def require_answers(run: Runner, project: Path, function: str, **arguments: str) -> None:
    """The image builds; a container of it answers, with nothing but what the image itself says."""
    tag = engines.temporary("recipes", "build", f"image-{os.getpid()}")
    done = build_image(project, tag, **arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    engine = Engine(name="buildah" if engines.why_not(run, "podman") else "podman")
    name = engines.container_of(tag)
    words = [f"{project.name.replace('-', '_')}.handle"] if engine.name == "buildah" else []
    try:
        engine.prepare(run, tag, name)
        head, body = served(run, engine, tag, name, *words)
    finally:
        engine.end(run, name)
        Engine(name="buildah").remove(run, tag)
    assert head.startswith("HTTP/1.1 200 ")
    assert body.startswith(b'{"event":%s,"function":"%s","request_id":"' % (EVENT, function.encode()))


def test_the_project_in_c(run: Runner, micro: str, c_builder: str, tmp_path: Path) -> None:
    project = bake_recipe(ROOT / "recipes" / "c-function", tmp_path, "my-function")
    require_answers(run, project, "my-function", BUILDER=c_builder, RUNTIME=micro)


def test_the_project_in_c_on_alpine(run: Runner, alpine: str, musl_builder: str, tmp_path: Path) -> None:
    project = bake_recipe(ROOT / "recipes" / "c-function", tmp_path, "my-function")
    require_answers(run, project, "my-function", FLAVOUR="alpine", BUILDER=musl_builder, RUNTIME=alpine)


def test_a_builder_for_another_libc_is_told(micro: str, c_builder: str, tmp_path: Path) -> None:
    project = bake_recipe(ROOT / "recipes" / "c-function", tmp_path)
    done = build_image(project, "localhost/never-made:1", FLAVOUR="alpine", BUILDER=c_builder, RUNTIME=micro)
    assert done.returncode != 0
    assert "FLAVOUR=alpine wants a function for musl, BUILDER compiles for glibc" in done.stdout + done.stderr


def test_a_library_that_does_not_fit_makes_no_image(micro: str, c_builder: str, tmp_path: Path) -> None:
    project = bake_recipe(ROOT / "recipes" / "c-function", tmp_path)
    source = project / "simple_handler.c"
    source.write_text(source.read_text().replace("return FAAS_ABI_VERSION;", "return FAAS_ABI_VERSION + 1;"))
    test = project / "test_simple_handler.c"
    test.write_text("int main(void) { return 0; }\n")
    done = build_image(project, "localhost/never-made:1", BUILDER=c_builder, RUNTIME=micro)
    assert done.returncode != 0
    assert "ABI" in done.stdout + done.stderr


@pytest.mark.long
def test_the_project_in_rust_from_vendored_crates(
    run: Runner, micro: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The stand-in has 750 MB, and nothing of it reaches crates.io: the crates come along with the project."""
    project = bake_recipe(ROOT / "recipes" / "rust-function", tmp_path, "my-function")
    vendored = cargo(project, "vendor", "--locked")
    with (project / ".cargo" / "config.toml").open("a") as settings:
        settings.write(vendored)
    with lock("rust-builder"), builder("rust", tmp_path_factory.mktemp("builder"), CACHE) as reference:
        require_answers(run, project, "my-function", BUILDER=reference, RUNTIME=micro)
