"""One build of all flavours for the tests that only look at the results; ubi and alpine on the stand-ins."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ci.builders import functions
from ci.commands.running import open_project
from ci.core.errors import CommandFailed
from ci.core.run import Runner
from ci.images import engine_choice
from ci.images.engines import Engine
from ci.pipeline.jobs import Options, Output, Variant, Verdict, Workspace
from ci.verify import image
from ci.verify.check import BuiltFunction, Check
from tests.glue.debian_rust import function_with_libgcc
from tests.glue.support import needed, rust_project
from tests.images import stand_ins
from tests.runtime.support import RUNTIME
from tests.support import program

sys.path.insert(0, str(RUNTIME))  # for the tests of single modules


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(log=tmp_path_factory.mktemp("logs") / "tests.log")


@pytest.fixture(scope="session")
def built(snapshot: Path, bases: dict[str, str]) -> Path:
    """A checkout in which all images of this machine's architecture are built."""
    if "alpine" not in bases:
        pytest.skip("not run: the stand-in for alpine cannot be made here")
    return snapshot


@pytest.fixture(scope="session")
def cannot_run(run: Runner, bases: dict[str, str]) -> dict[str, str]:
    """The engines with a read-only root that cannot run any container here, each with its reason."""
    faults = {name: fault for name in ("podman", "docker") if (fault := engine_choice.why_not(run, name))}
    if "podman" not in faults and (fault := why_podman_starts_nothing(run, bases["alpine"])):
        faults["podman"] = fault
    return faults


def why_podman_starts_nothing(run: Runner, reference: str) -> str:
    """The errors of its own OCI runtime and of runc when they start a stand-in; empty if one of them works."""
    podman, name = Engine(name="podman"), f"trial-{os.getpid()}"
    program, *rest = podman.start_command(reference, "/bin/true", name=name)
    faults = []
    for runtime in ((), ("--runtime=runc",)) if shutil.which("runc") else ((),):
        try:
            run(program, *runtime, *rest)
        except CommandFailed as error:
            faults.append(engine_choice.last_line(error))
        else:
            return ""
        finally:
            podman.end(run, name)
    return "; ".join(faults)


def verify(
    checkout: Path, archive: Path, folder: Path, usable: Sequence[BuiltFunction], engine: str = "auto"
) -> Verdict:
    """The verification's result for an archive, run as in a snapshot."""
    return image.verify(check_of(checkout, archive, folder, usable, engine))


def check_of(
    checkout: Path, archive: Path, folder: Path, usable: Sequence[BuiltFunction], engine: str = "auto"
) -> Check:
    """The check of an archive, as in a snapshot."""
    project = open_project(checkout, Options(engine=engine))
    flavour, architecture = archive.name.removesuffix(".oci.tar").rsplit("-", 2)[-2:]
    libc = "musl" if flavour == "alpine" else "glibc"
    folder.mkdir()
    return Check(
        project=project,
        output=Output(kind="image", path=f"images/{archive.name}"),
        variant=Variant(flavour=flavour, architecture=architecture, libc=libc),
        path=archive,
        folder=folder,
        run=Runner(log=folder.with_suffix(".log")),
        functions=tuple(usable),
    )


def require_engine(run: Runner, name: str) -> None:
    """Skip a test if an engine is not available; CI must have all of them except docker."""
    if fault := engine_choice.why_not(run, name):
        if "CI" in os.environ and name != "docker":
            pytest.fail(f"{name}: {fault}")
        pytest.skip(f"not run: {name}: {fault}")


def c_function_of(built: Path, folder: Path, job_name: str, machine: str) -> BuiltFunction:
    """The C function, built by one of the jobs that the snapshot has for it."""
    project = open_project(built, Options())
    project = project.with_facts(functions.probe(project))
    job = next(job for job in functions.jobs(project) if job.id == job_name)
    (folder / "out").mkdir()
    run = Runner(log=folder / "log")
    job.build(Workspace(project=project, job=job.id, folder=folder, out=folder / "out", run=run))
    return BuiltFunction(language="c", library=folder / "out" / functions.LIBRARY, machine=machine)


@pytest.fixture(scope="session")
def c_function(built: Path, tmp_path_factory: pytest.TempPathFactory) -> BuiltFunction:
    """The C function against this machine's glibc."""
    return c_function_of(built, tmp_path_factory.mktemp("function"), "function-c", "x86_64")


@pytest.fixture(scope="session")
def libgcc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the libgcc_s that functions for `alpine` are linked with."""
    folder = tmp_path_factory.mktemp("libgcc")
    stand_ins.unwinder(folder / "libgcc_s.so.1", folder)
    (folder / "libgcc_s.so").symlink_to("libgcc_s.so.1")
    return folder


@pytest.fixture(scope="session")
def musl_functions(built: Path, libgcc: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[BuiltFunction, ...]:
    """The functions for `alpine`: the C one as the snapshot builds it, and the Rust one, which needs libgcc_s."""
    program("musl-gcc")
    in_c = c_function_of(built, tmp_path_factory.mktemp("musl-function"), "function-c-musl", "x86_64")
    in_rust = function_with_libgcc(rust_project(tmp_path_factory.mktemp("rust")), "simple_handler_libgcc", libgcc)
    assert "libgcc_s.so.1" in needed(in_rust)
    return in_c, BuiltFunction(language="rust", library=in_rust, libc="musl", machine="x86_64")
