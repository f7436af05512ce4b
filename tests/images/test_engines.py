"""The engines: which one is taken, what is said when none works, and that each builds the same micro image."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ci import bases, engines
from ci.engines import Engine
from ci.errors import UnavailableError, UsageError
from ci.files import sha256_of
from ci.run import Runner
from ci.verify.check import Function
from tests.images.conftest import verify
from tests.support import run_ci


def broken_client(folder: Path, name: str, complaint: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{complaint}' >&2\nexit 125\n")
    program.chmod(0o755)


def test_a_client_that_does_not_work_is_passed_over(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_client(tmp_path, "buildah", "cannot open its storage")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert engines.choose(run, "auto") == Engine(name="podman")
    with pytest.raises(UnavailableError, match="buildah: cannot open its storage"):
        engines.choose(run, "buildah")


def test_without_any_engine_all_reasons_are_told(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_client(tmp_path, "docker", "Cannot connect to the Docker daemon")
    for name in ("sh",):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError) as error:
        engines.choose(run, "auto")
    assert str(error.value) == (
        "no container engine works here (buildah: not found on PATH; podman: not found on PATH; "
        "docker: Cannot connect to the Docker daemon)"
    )


def test_an_unknown_engine_is_a_wrong_command_line(run: Runner) -> None:
    with pytest.raises(UsageError, match="rkt"):
        engines.choose(run, "rkt")


def test_a_base_is_missing_with_both_places_named(run: Runner, tmp_path: Path) -> None:
    found = bases.look_up(run, Engine(name="buildah"), tmp_path / "bases.json", "localhost:1/nothing/here:1", "amd64")
    assert found.digest == ""
    assert "(amd64) is neither in buildah's storage nor in reach" in found.why_not
    assert "connection refused" in found.why_not


def test_a_slow_registry_is_not_asked_each_time(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "skopeo"
    slow.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/asked\nsleep 0.5\necho 'no route to host' >&2\nexit 1\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    cache = tmp_path / "bases.json"
    answers = {
        bases.look_up(run, Engine(name="buildah"), cache, "registry.invalid/x:1", "amd64").why_not for _ in range(3)
    }
    assert len(answers) == 1
    assert "asked at" in answers.pop()
    assert (tmp_path / "asked").read_text() == "asked\n"


@pytest.mark.parametrize(
    ("reference", "plain"),
    [
        ("registry.example/a/b:1.2@sha256:00", "registry.example/a/b@sha256:00"),
        ("localhost:5000/b@sha256:00", "localhost:5000/b@sha256:00"),
        ("localhost:5000/b:1", "localhost:5000/b:1"),
    ],
)
def test_a_reference_with_a_digest_needs_no_tag(reference: str, plain: str) -> None:
    assert bases.plain(reference) == plain


@pytest.mark.parametrize("engine", ["podman", "docker"])
def test_every_engine_builds_the_same_archive(
    built: Path, c_function: Function, tmp_path: Path, run: Runner, engine: str
) -> None:
    if fault := engines.why_not(run, engine):
        if "CI" in os.environ and engine == "podman":
            pytest.fail(f"{engine}: {fault}")
        pytest.skip(f"{engine}: {fault}")
    checkout = tmp_path / "checkout"
    shutil.copytree(built, checkout, symlinks=True)
    name = "faas-runtime-0.1.0-micro-amd64.oci.tar"
    done = run_ci(checkout, "images", f"--engine={engine}", "--flavour=micro")
    assert done.returncode == 0, done.stderr
    assert "image-micro-amd64: started" in done.stderr
    assert sha256_of(checkout / "dist" / "images" / name) == sha256_of(built / "dist" / "images" / name)
    assert ("without BuildKit" in done.stdout) == (engine == "docker" and not engines.has_buildkit(run))
    assert verify(checkout, checkout / "dist" / "images" / name, tmp_path / "check", [c_function], engine) is None


def test_buildah_alone_runs_an_image_and_says_what_it_cannot(built: Path, c_function: Function, tmp_path: Path) -> None:
    archive = built / "dist" / "images" / "faas-runtime-0.1.0-micro-amd64.oci.tar"
    note = verify(built, archive, tmp_path / "check", [c_function], "buildah")
    assert note == "run by buildah, whose root is not read-only"


@pytest.mark.parametrize("engine", ["buildah", "podman", "docker"])
def test_what_a_killed_run_left_is_swept_up(built: Path, run: Runner, engine: str) -> None:
    if fault := engines.why_not(run, engine):
        pytest.skip(f"{engine}: {fault}")
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    chosen = Engine(name=engine)
    archive = built / "dist" / "images" / "faas-runtime-0.1.0-micro-amd64.oci.tar"
    stale = f"localhost/faas-runtime-build-{dead.pid}:micro-amd64"
    alive = engines.temporary("faas-runtime", "build", "micro-amd64")
    for reference in (stale, alive):
        chosen.load(run, archive, reference)
    chosen.prepare(run, stale, engines.container_of(stale))
    chosen.remove_stale(run, "faas-runtime")
    assert chosen.stored(run, stale) is None
    assert chosen.stored(run, alive) is not None
    chosen.remove(run, alive)


def test_nothing_is_left_running(run: Runner) -> None:
    for engine in ("podman", "docker"):
        if not engines.why_not(run, engine):
            names = subprocess.run(
                [engine, "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True, check=True
            ).stdout  # fmt: skip
            assert f"verify-{os.getpid()}" not in names
