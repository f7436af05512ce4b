"""One build of all flavours for the tests that only look at the results; ubi and alpine on the stand-ins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ci.builders import functions
from ci.commands import open_project
from ci.errors import UnavailableError
from ci.jobs import Options, Output
from ci.run import Runner
from ci.verify import image
from ci.verify.check import Check, Function
from tests.images import stand_ins
from tests.support import copy_checkout, run_ci


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


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, options: list[str]) -> Path:
    """A checkout in which all images of this machine's architecture are built, and the functions to run in them."""
    checkout = copy_checkout(tmp_path_factory.mktemp("built") / "checkout")
    done = run_ci(checkout, "images", *options)
    # The stand-ins exist for one architecture; that the other one was asked for by `--base` and is lacking is told.
    assert done.returncode == UnavailableError.exit_code, done.stderr
    assert "image-ubi-arm64" in done.stderr
    return checkout


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
    from ci.jobs import Workspace

    project = open_project(built, Options())
    job = next(job for job in functions.jobs(project) if job.id == "function-c")
    folder = tmp_path_factory.mktemp("function")
    (folder / "out").mkdir()
    run = Runner(log=folder / "log")
    job.build(Workspace(project=project, job=job.id, folder=folder, out=folder / "out", run=run))
    return Function(language="c", library=folder / "out" / f"lib{functions.NAME}.so")
