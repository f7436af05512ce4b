"""One build of all flavours for the tests that only look at the results; ubi and alpine on the stand-ins."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ci import engines
from ci.builders import functions
from ci.commands import open_project
from ci.engines import Engine
from ci.errors import CommandFailed
from ci.jobs import Options, Output, Workspace
from ci.run import Runner
from ci.verify import image
from ci.verify.check import Check, Function
from tests.glue.debian_rust import function_with_libgcc
from tests.glue.support import needed, program, rust_project
from tests.images import stand_ins
from tests.support import copy_checkout, run_ci

# The storage is one for the whole machine: what another run of the tests makes there must bear another name.
REGISTRY = f"tests.invalid/faas-runtime-{os.getpid()}"


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(log=tmp_path_factory.mktemp("logs") / "tests.log")


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The stand-ins' references in the storage that buildah and podman share."""
    references = {}
    try:
        for name, make in (("ubi", stand_ins.ubi), ("alpine", stand_ins.alpine)):
            folder = tmp_path_factory.mktemp(name)
            make(folder)
            references[name] = stand_ins.store("buildah", folder, name)
        yield references
    finally:
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
    baked = run_ci(checkout, "bake")  # the recipes name the images
    assert baked.returncode == 0, baked.stderr
    return checkout


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, run: Runner, options: list[str]) -> Iterator[Path]:
    """A checkout in which all images of this machine's architecture are built."""
    checkout = checkout_for_tests(tmp_path_factory.mktemp("built") / "checkout")
    try:
        done = run_ci(checkout, "images", *options)
        assert done.returncode == 0, done.stderr
        # The stand-ins exist for one architecture; that the other one is lacking is told.
        assert "faas-runtime-0.1.0-ubi-arm64.oci.tar" in done.stdout
        assert "unavailable" in done.stdout
        # What Debian's archive held is an input that no file names, so the build has to.
        assert re.search(r"Debian \w+: base-files \S+, libc6 \d", done.stdout + done.stderr)
        yield checkout
    finally:
        for engine in (Engine(name="buildah"), Engine(name="docker")):
            for tag in ("ubi", "alpine", "micro", "micro-arm64") if not engines.why_not(run, engine.name) else ():
                with contextlib.suppress(CommandFailed):  # it is gone already
                    engine.remove(run, f"{REGISTRY}/faas-runtime:0.1.0-{tag}")


@pytest.fixture(scope="session")
def cannot_run(run: Runner, bases: dict[str, str]) -> dict[str, str]:
    """The engines with a read-only root that cannot run any container here, each with its reason."""
    faults = {name: fault for name in ("podman", "docker") if (fault := engines.why_not(run, name))}
    if "podman" not in faults and (fault := why_podman_starts_nothing(run, bases["alpine"])):
        faults["podman"] = fault
    return faults


def why_podman_starts_nothing(run: Runner, reference: str) -> str:
    """What its own OCI runtime and runc say when they are to start a stand-in; empty if one of them does."""
    podman, name = Engine(name="podman"), f"trial-{os.getpid()}"
    program, *rest = podman.start_command(reference, "/bin/true", name=name)
    faults = []
    for runtime in ((), ("--runtime=runc",)) if shutil.which("runc") else ((),):
        try:
            run(program, *runtime, *rest)
        except CommandFailed as error:
            faults.append(engines.last_words(error))
        else:
            return ""
        finally:
            podman.end(run, name)
    return "; ".join(faults)


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


def require_engine(run: Runner, name: str) -> None:
    """Report a test as not run for want of an engine; CI has to have all but docker."""
    if fault := engines.why_not(run, name):
        if "CI" in os.environ and name != "docker":
            pytest.fail(f"{name}: {fault}")
        pytest.skip(f"not run: {name}: {fault}")


def c_function_of(built: Path, folder: Path, job_name: str, machine: str) -> Function:
    """The C function, built by one of the jobs that the snapshot has for it."""
    project = open_project(built, Options())
    job = next(job for job in functions.jobs(project) if job.id == job_name)
    (folder / "out").mkdir()
    run = Runner(log=folder / "log")
    job.build(Workspace(project=project, job=job.id, folder=folder, out=folder / "out", run=run))
    return Function(language="c", library=folder / "out" / f"lib{functions.NAME}.so", machine=machine)


@pytest.fixture(scope="session")
def c_function(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Function:
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
def musl_functions(built: Path, libgcc: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Function, ...]:
    """The functions for `alpine`: the C one as the snapshot builds it, and the Rust one, which needs libgcc_s."""
    program("musl-gcc")
    in_c = c_function_of(built, tmp_path_factory.mktemp("musl-function"), "function-c-musl", "x86_64")
    in_rust = function_with_libgcc(rust_project(tmp_path_factory.mktemp("rust")), "simple_handler_libgcc", libgcc)
    assert "libgcc_s.so.1" in needed(in_rust)
    return in_c, Function(language="rust", library=in_rust, libc="musl", machine="x86_64")
