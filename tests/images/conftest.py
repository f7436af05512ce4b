"""One build of all flavours for the tests that only look at the results; ubi and alpine on the stand-ins."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ci import engines
from ci.builders import functions
from ci.commands import open_project
from ci.engines import Engine
from ci.jobs import Options, Output, Workspace
from ci.run import Runner
from ci.verify import image
from ci.verify.check import Check, Function
from tests.images import stand_ins
from tests.support import copy_checkout, run_ci

REGISTRY = "tests.invalid/faas-runtime"


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(log=tmp_path_factory.mktemp("logs") / "tests.log")


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The stand-ins' references in the storage that buildah and podman share."""
    references = {}
    for name, make in (("ubi", stand_ins.ubi), ("alpine", stand_ins.alpine)):
        folder = tmp_path_factory.mktemp(name)
        make(folder)
        references[name] = stand_ins.store("buildah", folder, name)
    yield references
    for reference in references.values():
        stand_ins.remove("buildah", reference)


@pytest.fixture(scope="session")
def options(bases: dict[str, str]) -> list[str]:
    return [f"--base={name}={reference}" for name, reference in bases.items()]


def checkout_for_tests(target: Path) -> Path:
    """A checkout whose images get names of their own: what stands on a stand-in must not pass for the real one."""
    checkout = copy_checkout(target)
    manifest = checkout / "release.yaml"
    text = manifest.read_text()
    manifest.write_text(re.sub(r"(?m)^  registry: .*$", f"  registry: {REGISTRY}", text))
    return checkout


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, run: Runner, options: list[str]) -> Iterator[Path]:
    """A checkout in which all images of this machine's architecture are built."""
    checkout = checkout_for_tests(tmp_path_factory.mktemp("built") / "checkout")
    done = run_ci(checkout, "images", *options)
    assert done.returncode == 0, done.stderr
    # The stand-ins exist for one architecture; that the other one is lacking is told.
    assert "faas-runtime-0.1.0-ubi-arm64.oci.tar" in done.stdout
    assert "unavailable" in done.stdout
    yield checkout
    for engine in (Engine(name="buildah"), Engine(name="docker")):
        if not engines.why_not(run, engine.name):
            for tag in ("ubi", "alpine", "micro", "micro-arm64"):
                engine.remove(run, f"{REGISTRY}/faas-runtime:0.1.0-{tag}")


def verify(checkout: Path, archive: Path, folder: Path, usable: Sequence[Function], engine: str = "auto") -> str | None:
    """What the verification says of an archive, run as the snapshot does it."""
    project = open_project(checkout, Options(engine=engine))
    folder.mkdir()
    check = Check(
        project=project,
        output=Output(kind="image", path=f"images/{archive.name}"),
        path=archive,
        folder=folder,
        run=Runner(log=folder.with_suffix(".log")),
        functions=tuple(usable),
    )
    return image.verify(check)


@pytest.fixture(scope="session")
def c_function(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Function:
    """The C function, built against this machine's glibc by the job that the snapshot has for it."""
    project = open_project(built, Options())
    job = next(job for job in functions.jobs(project) if job.id == "function-c")
    folder = tmp_path_factory.mktemp("function")
    (folder / "out").mkdir()
    run = Runner(log=folder / "log")
    job.build(Workspace(project=project, job=job.id, folder=folder, out=folder / "out", run=run))
    return Function(language="c", library=folder / "out" / f"lib{functions.NAME}.so")
