"""Projects of the recipes, built with their own Containerfiles on the images of this checkout, run and invoked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.bake.render import bake_recipe
from ci.core.architectures import host_name
from ci.core.run import Runner
from ci.images import engine_choice, engines
from ci.images.engines import Engine
from ci.verify.check import EVENT
from ci.verify.served import served
from tests.glue.support import cargo
from tests.images.conftest import require_engine
from tests.images.projects import build_image, builder
from tests.snapshots import REGISTRY
from tests.support import ROOT

IN_C = {"event": json.loads(EVENT), "function": "my-function"}


@pytest.fixture(scope="module")
def micro(built: Path, run: Runner) -> str:
    """The reference of the micro image of this checkout, in buildah's storage."""
    return stored(run, built, "micro")


@pytest.fixture(scope="module")
def alpine(built: Path, run: Runner) -> str:
    """The reference of this checkout's alpine image, on the stand-in."""
    return stored(run, built, "alpine")


def stored(run: Runner, built: Path, flavour: str) -> str:
    """The reference of an image of this checkout, which is stored again if another engine has built it."""
    require_engine(run, "buildah")
    reference = f"{REGISTRY}/faas-runtime:0.1.0-{flavour}"
    if Engine(name="buildah").stored(run, reference) is None:
        (archive,) = (built / "dist" / "images").glob(f"*-{flavour}-{host_name()}.oci.tar")
        Engine(name="buildah").load(run, archive, reference)
    return reference


@pytest.fixture(scope="module")
def c_builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with builder("c", tmp_path_factory.mktemp("builder")) as reference:
        yield reference


@pytest.fixture(scope="module")
def musl_builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with builder("c-musl", tmp_path_factory.mktemp("builder")) as reference:
        yield reference


def require_answers(run: Runner, project: Path, expected: dict[str, object], **arguments: str) -> None:
    """The image builds, and a container of it answers without further options."""
    tag = engines.temporary("recipes", "build", f"image-{os.getpid()}")
    done = build_image(project, tag, **arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    engine = Engine(name="buildah" if engine_choice.why_not(run, "podman") else "podman")
    name = engines.container_of(tag)
    words = [f"{project.name.replace('-', '_')}.handle"] if engine.name == "buildah" else []
    try:
        engine.prepare(run, tag, name)
        head, body = served(run, engine, tag, name, *words)
    finally:
        engine.end(run, name)
        Engine(name="buildah").remove(run, tag)
    assert head.startswith("HTTP/1.1 200 ")
    answer = json.loads(body)
    assert answer.pop("request_id")
    assert answer == expected


def test_the_project_in_c(run: Runner, micro: str, c_builder: str, tmp_path: Path) -> None:
    project = bake_recipe(ROOT / "recipes" / "c-function", tmp_path, "my-function")
    require_answers(run, project, IN_C, BUILDER=c_builder, RUNTIME=micro)


def test_the_project_in_c_on_alpine(run: Runner, alpine: str, musl_builder: str, tmp_path: Path) -> None:
    project = bake_recipe(ROOT / "recipes" / "c-function", tmp_path, "my-function")
    require_answers(run, project, IN_C, FLAVOUR="alpine", BUILDER=musl_builder, RUNTIME=alpine)


def test_a_builder_for_another_libc_is_reported(micro: str, c_builder: str, tmp_path: Path) -> None:
    project = bake_recipe(ROOT / "recipes" / "c-function", tmp_path)
    done = build_image(project, "localhost/never-made:1", FLAVOUR="alpine", BUILDER=c_builder, RUNTIME=micro)
    assert done.returncode != 0
    assert "FLAVOUR=alpine needs a function for musl, but BUILDER compiles for glibc" in done.stdout + done.stderr


def test_an_unsuitable_library_gives_no_image(micro: str, c_builder: str, tmp_path: Path) -> None:
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
    """The stand-in has 750 MB and no access to crates.io: the crates are vendored in the project."""
    project = bake_recipe(ROOT / "recipes" / "rust-function", tmp_path, "my-function")
    vendored = cargo(project, "vendor", "--locked")
    with (project / ".cargo" / "config.toml").open("a") as settings:
        settings.write(vendored)
    with builder("rust", tmp_path_factory.mktemp("builder")) as reference:
        require_answers(run, project, {"greeting": "Hello, Grüße."}, BUILDER=reference, RUNTIME=micro)
