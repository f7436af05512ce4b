"""`faas-runtime package --to image` with the engines that are here."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.core.run import Runner
from ci.images import engines
from ci.images.engines import Engine
from ci.verify.check import BuiltFunction, expected_answer
from ci.verify.served import served
from tests.glue.support import MACHINE
from tests.images.conftest import require_engine
from tests.images.test_projects import stored
from tests.runtime.check_command import LAUNCH
from tests.runtime.target_libraries import libraries

NAMES = ("podman", "docker", "buildah")


def package(folder: Path, *words: str | Path) -> tuple[int, str, str]:
    """Run the command. The isolation is the one that works in a container as well."""
    argv = [*LAUNCH, "package", "--to", "image", *map(str, words)]
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def made() -> Path:
    return libraries()


@pytest.fixture(params=NAMES)
def engine(request: pytest.FixtureRequest, run: Runner) -> Engine:
    require_engine(run, request.param)
    return Engine(name=request.param)


@pytest.fixture
def tag(run: Runner, engine: Engine) -> Iterator[str]:
    """A name for an image, which is removed afterwards."""
    name = engines.temporary("package", "build", f"image-{os.getpid()}")
    yield name
    engine.remove(run, name)


@pytest.fixture
def empty_base(run: Runner, engine: Engine, tmp_path: Path) -> Iterator[str]:
    """A base for the processor of the library `arm64`, in which nothing can run."""
    context = tmp_path / "base"
    context.mkdir()
    (context / "file").write_text("content\n")
    (context / "Containerfile").write_text("FROM scratch\nCOPY file /\n")
    name = engines.temporary("package", "base", f"image-{os.getpid()}")
    options = ("--platform=linux/arm64",) if engine.name != "docker" else ()
    run(engine.name, "build", *options, "--file", context / "Containerfile", "--tag", name, context)
    yield name
    engine.remove(run, name)


@pytest.mark.parametrize(
    ("engine", "flavour"),
    [*((name, "micro") for name in NAMES), ("podman", "ubi"), ("podman", "alpine")],
    indirect=["engine"],
)
def test_image_answers(
    run: Runner,
    engine: Engine,
    flavour: str,
    built: Path,
    c_function: BuiltFunction,
    musl_functions: tuple[BuiltFunction, ...],
    tag: str,
    tmp_path: Path,
) -> None:
    """On the images of a snapshot, whose ubi and alpine are on stand-ins."""
    base = stored(run, built, flavour, engine.name)
    function = musl_functions[0] if flavour == "alpine" else c_function
    words = (function.library, "--for", flavour, "--engine", engine.name, "--base", base, "--tag", tag)
    exit_code, output, errors = package(tmp_path, *words)
    assert exit_code == 0, errors
    assert output.startswith(f"{tag}: image ")
    assert f" on {base}, handler {function.handler}\n" in output
    name = engines.container_of(tag)
    arguments = [function.handler] if engine.name == "buildah" else []  # it does not use the image's CMD
    try:
        engine.prepare(run, tag, name)
        head, body = served(run, engine, tag, name, *arguments)
    finally:
        engine.end(run, name)
    status, *lines = head.split("\r\n")
    headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    assert status == "HTTP/1.1 200 OK"
    assert body == expected_answer(function, headers["x-amzn-requestid"])


def test_library_for_another_processor_needs_no_emulation(
    run: Runner, engine: Engine, empty_base: str, made: Path, tag: str, tmp_path: Path
) -> None:
    words = (made / "arm64" / "libfunction.so", "--engine", engine.name, "--base", empty_base, "--tag", tag)
    exit_code, output, errors = package(tmp_path, *words)
    if engine.name == "docker" and MACHINE == "x86_64":  # without BuildKit, its base is for this processor
        assert exit_code == 1
        assert (
            f"{empty_base} is for amd64 here, and the library for arm64\n  fix: docker pull --platform=linux/arm64"
            in errors
        )
        assert engine.stored(run, tag) is None
        return
    assert exit_code == 0, errors
    image = engine.stored(run, tag)
    assert image is not None
    assert image.architecture == "arm64"
    assert " --architectures arm64 " in output


def test_the_same_library_and_base_give_the_same_image(
    run: Runner, engine: Engine, empty_base: str, made: Path, tag: str, tmp_path: Path
) -> None:
    """Not by docker without BuildKit, which writes the time into the image."""
    ids = []
    # docker without BuildKit has a base for this processor, whatever it was told.
    name, machine = ("no-libc", "x86_64") if engine.name == "docker" else ("arm64", "arm64")
    for when in (1, 10**9):
        library = tmp_path / "libfunction.so"
        library.write_bytes((made / name / "libfunction.so").read_bytes())
        library.chmod(0o600 if when == 1 else 0o777)
        os.utime(library, (when, when))
        words = ("--for", machine, "--engine", engine.name, "--base", empty_base, "--tag", tag)
        assert package(tmp_path, "./libfunction.so", *words)[0] == 0
        image = engine.stored(run, tag)
        assert image is not None
        ids.append(image.id)
        engine.remove(run, tag)
    assert (ids[0] == ids[1]) == (engine.name != "docker" or engines.has_buildkit(run))


def test_base_that_cannot_be_had(run: Runner, engine: Engine, made: Path, tag: str, tmp_path: Path) -> None:
    base = "localhost:1/absent:1"  # nothing listens there
    words = (made / "no-libc" / "libfunction.so", "--engine", engine.name, "--base", base, "--tag", tag)
    exit_code, output, errors = package(tmp_path, *words)
    assert (exit_code, output) == (1, "")
    assert f"{engine.name} builds {tag} on {base}, which is not here: {engine.name} pulls it\n" in errors
    assert f"{engine.name} has built no image\n  fix: {base}: it is not here, and it could not be pulled" in errors
