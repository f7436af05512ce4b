"""Projects of the recipes, built with their own Containerfiles on the images of this checkout, run and invoked."""

from __future__ import annotations

import json
import os
import re
import sys
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
from tests.glue.support import call
from tests.images.conftest import require_engine
from tests.images.projects import build_image, builder, remove_layers
from tests.recipes.support import LAUNCHER
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


def stored(run: Runner, built: Path, flavour: str, engine: str = "buildah") -> str:
    """The reference of an image of this checkout, which is stored again if another engine has built it."""
    require_engine(run, engine)
    reference = f"{REGISTRY}/faas-runtime:0.1.0-{flavour}"
    if Engine(name=engine).stored(run, reference) is None:
        (archive,) = (built / "dist" / "images").glob(f"*-{flavour}-{host_name()}.oci.tar")
        Engine(name=engine).load(run, archive, reference)
    return reference


@pytest.fixture(scope="module")
def micro_index(run: Runner, built: Path) -> Iterator[str]:
    """The reference of a list with the micro images of this checkout for both processors, in buildah's storage."""
    require_engine(run, "buildah")
    buildah, name = Engine(name="buildah"), engines.temporary("recipes", "index", "micro")
    references = {}
    for architecture in ("amd64", "arm64"):
        (archive,) = (built / "dist" / "images").glob(f"*-micro-{architecture}.oci.tar")
        references[architecture] = f"{name}-{architecture}"
        buildah.load(run, archive, references[architecture])
    run("buildah", "manifest", "create", name)
    try:
        for reference in references.values():
            run("buildah", "manifest", "add", name, f"containers-storage:{reference}")
        yield name
    finally:
        run("buildah", "manifest", "rm", name)
        for reference in references.values():
            buildah.remove(run, reference)


@pytest.fixture(scope="module")
def c_builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with builder("c", tmp_path_factory.mktemp("builder")) as reference:
        yield reference


@pytest.fixture(scope="module")
def musl_builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with builder("c-musl", tmp_path_factory.mktemp("builder")) as reference:
        yield reference


def require_answers(
    run: Runner, project: Path, expected: dict[str, object], *, layers: bool = False, **arguments: str
) -> str:
    """The image builds, and a container of it answers without further options. Returns what the build printed."""
    tag = engines.temporary("recipes", "build", f"image-{os.getpid()}")
    done = build_image(project, tag, layers=layers, **arguments)
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
    return done.stdout + done.stderr


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
    for source in (project / "simple_handler.c", project / "test_simple_handler.c"):
        source.write_text(re.sub(r"\bhandle\(", "other(", source.read_text()))
    done = build_image(project, "localhost/never-made:1", BUILDER=c_builder, RUNTIME=micro)
    assert done.returncode != 0
    assert "does not export the symbol handle" in done.stdout + done.stderr


def require_for_arm(run: Runner, project: Path, builder: str, runtime: str) -> None:
    """The image builds for arm64. Where there is no emulation, that proves that none of its programs is run."""
    tag = engines.temporary("recipes", "build", f"arm64-{os.getpid()}")
    options = ("--platform=linux/arm64", "--build-arg=BUILDPLATFORM=linux/amd64")
    done = build_image(project, tag, *options, BUILDER=builder, RUNTIME=runtime)
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        assert "for micro: fits\nfor arm64: fits\n" in done.stdout
        image = Engine(name="buildah").stored(run, tag)
        assert image is not None
        assert image.architecture == "arm64"
    finally:
        Engine(name="buildah").remove(run, tag)


@pytest.mark.skipif(host_name() != "amd64", reason="not run: the stand-ins have the cross compiler of amd64")
def test_the_project_in_c_for_another_processor(run: Runner, micro_index: str, c_builder: str, tmp_path: Path) -> None:
    project = bake_recipe(ROOT / "recipes" / "c-function", tmp_path, "my-function")
    require_for_arm(run, project, c_builder, micro_index)


def test_alpine_has_no_compiler_for_another_processor(micro: str, musl_builder: str, tmp_path: Path) -> None:
    project = bake_recipe(ROOT / "recipes" / "c-function", tmp_path)
    name, other = ("arm64", "arm64") if host_name() == "amd64" else ("amd64", "x86_64")
    tag = "localhost/never-made:1"
    done = build_image(project, tag, FLAVOUR="alpine", TARGETARCH=name, BUILDER=musl_builder, RUNTIME=micro)
    assert done.returncode != 0
    assert f"faas-runtime build --for alpine,{other}, then package --to image" in done.stdout + done.stderr


@pytest.fixture(scope="module")
def rust_builder(micro: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The stand-in has 1.4 GB and no access to crates.io: projects have their crates vendored."""
    with builder("rust", tmp_path_factory.mktemp("builder")) as reference:
        try:
            yield reference
        finally:
            remove_layers(reference, micro)


def vendor(root: Path) -> None:
    """Copy the crates that a project or a workspace needs into it, and let cargo take those."""
    settings = root / ".cargo" / "config.toml"
    settings.parent.mkdir(exist_ok=True)
    with settings.open("a") as file:
        file.write(call("cargo", "vendor", cwd=root))


@pytest.mark.long
def test_the_project_in_rust_from_vendored_crates(
    run: Runner, micro: str, micro_index: str, rust_builder: str, tmp_path: Path
) -> None:
    project = bake_recipe(ROOT / "recipes" / "rust-function", tmp_path, "my-function")
    vendor(project)
    arguments = {"BUILDER": rust_builder, "RUNTIME": micro}
    first = require_answers(run, project, {"greeting": "Hello, Grüße."}, layers=True, **arguments)
    assert "Compiling serde " in first
    source = project / "src" / "lib.rs"
    source.write_text(source.read_text().replace("Hello, ", "Good day, "))
    os.utime(source, (1, 1))  # older than what was compiled, as after a checkout of an earlier commit
    second = require_answers(run, project, {"greeting": "Good day, Grüße."}, layers=True, **arguments)
    assert re.findall(r"Compiling (\S+)", second) == ["my-function"]
    if host_name() == "amd64":
        require_for_arm(run, project, rust_builder, micro_index)


@pytest.mark.long
def test_a_member_of_a_workspace_in_rust(micro: str, rust_builder: str, tmp_path: Path) -> None:
    """A change of another member compiles that one and the function again, and nothing else."""
    (tmp_path / "Cargo.toml").write_text('[workspace]\nmembers = ["greeting", "tool"]\nresolver = "2"\n')
    for name, file, source in (
        ("greeting", "lib.rs", 'pub const WORD: &str = "Hello";\n'), ("tool", "main.rs", "fn main() {}\n"),
    ):  # fmt: skip
        (tmp_path / name / "src").mkdir(parents=True)
        manifest = f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n'
        (tmp_path / name / "Cargo.toml").write_text(manifest)
        (tmp_path / name / "src" / file).write_text(source)
    call(sys.executable, "-IS", "-X", "utf8", LAUNCHER, "new", "rust", "my-function", cwd=tmp_path)
    member = tmp_path / "my-function"
    replace(member / "Cargo.toml", "[dependencies]\n", '[dependencies]\ngreeting = { path = "../greeting" }\n')
    replace(member / "src" / "lib.rs", '"Hello, {name}."', '"{}, {name}.", greeting::WORD')
    vendor(tmp_path)
    compiled = []
    for word in ("Hello", "Good day"):
        replace(tmp_path / "greeting" / "src" / "lib.rs", "Hello", word)
        tag = engines.temporary("recipes", "build", f"member-{os.getpid()}")
        options = (f"--file={member / 'Containerfile'}",)
        done = build_image(tmp_path, tag, *options, layers=True, BUILDER=rust_builder, RUNTIME=micro)
        assert done.returncode == 0, done.stdout + done.stderr
        call("buildah", "rmi", tag)
        compiled.append(re.findall(r"Compiling (\S+)", done.stderr))
    assert "serde" in compiled[0]
    assert compiled[1] == ["greeting", "my-function"]


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
