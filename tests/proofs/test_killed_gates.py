"""Gates that are killed at any moment leave no mount, no process, no account and no temporary file.

Nor do they leave a container or an image in an engine's storage, unless they are killed by SIGKILL: that is left to the
next run, which removes it. The engine is buildah, with a storage of the tests' own.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.proofs.test_reproduce_mutants import mounts, processes_of
from tests.prove.support import committed_checkout
from tests.support import program, run_ci, search_path
from tests.waiting import wait_until

pytestmark = pytest.mark.long

MOMENTS = 25
PATIENCE = 180.0  # seconds; a container whose run was killed works on to its end
IMAGE = "install-image-micro"
# What runs again in a moment, and the seconds until a signal comes: the jobs of images are not the first of all.
ALL, IMAGES = (("install-", "upgrade-", "consistency", "equivalence-"), 12.0), ((IMAGE,), 6.0)


@dataclass(frozen=True, kw_only=True)
class GateCheckout:
    """A checkout whose gates have passed, with folders of its own for temporary files and for images."""

    checkout: Path
    temporary: Path
    environment: dict[str, str]

    @contextmanager
    def verifying(self, gates: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
        """`nox -s verify`, in which every job of some gates runs again, with the roots and packages that are there."""
        for record in (self.checkout / "dist" / ".state" / "jobs").iterdir():
            if record.name.startswith(tuple(gates)):
                record.unlink()
        argv = [sys.executable, "-m", "ci", "verify"]
        with subprocess.Popen(argv, cwd=self.checkout, env=self.environment, stderr=subprocess.DEVNULL) as run:
            yield run

    def processes(self) -> list[str]:
        """The processes of a run, those of the engine among them."""
        return processes_of(self.checkout.parent)

    def stored(self) -> set[int]:
        """The process numbers in the names of what a run has put into the storage: containers, and their images."""
        named: set[int] = set()
        for words, field in (("containers", "containername"), ("images", "names")):
            listed = json.loads(self._buildah(words, "--json") or "null") or []
            names = " ".join(str(one.get(field) or "") for one in listed)
            named |= {int(found) for found in re.findall(r"faas-runtime-verify-(\d+)", names)}
        return named

    def _buildah(self, *words: str) -> str:
        argv = [shutil.which("buildah", path=self.environment["PATH"]) or "buildah", *words]
        return subprocess.run(argv, env=self.environment, capture_output=True, text=True, check=True).stdout

    def containers(self) -> str:
        """The names of all containers."""
        return self._buildah("containers", "--format", "{{.ContainerName}}")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GateCheckout]:
    """The engines but buildah are left out, so that this one starts the images."""
    folder = tmp_path_factory.mktemp("killed")
    temporary, storage = folder / "temporary", folder / "storage"
    temporary.mkdir()
    with tempfile.TemporaryDirectory(dir="/run" if os.geteuid() == 0 else None) as name:
        Path(name).chmod(0o755)
        programs = search_path(Path(name, "bin"), without=("buildah", "docker", "podman"))
        own = f"--root {storage} --runroot {storage}-run --storage-driver overlay"
        (programs / "buildah").write_text(f'#!/bin/sh\nexec {program("buildah")} {own} "$@"\n')
        (programs / "buildah").chmod(0o755)
        environment = {**os.environ, "PATH": str(programs), "TMPDIR": str(temporary)}
        made = GateCheckout(
            checkout=committed_checkout(folder / "checkout"), temporary=temporary, environment=environment
        )
        try:
            done = run_ci(made.checkout, "snapshot", env=environment)
            assert done.returncode == 0, done.stderr
            gates = json.loads((made.checkout / "dist" / "artifacts.json").read_bytes())["gates"]
            (image,) = (one for one in gates if one["name"] == f"{IMAGE}-amd64")
            assert image["status"] == "passed"
            assert image["notes"][0].startswith("by buildah, ")
            yield made
        finally:
            subprocess.run(["umount", storage / "overlay"], capture_output=True, check=False)  # which buildah left


def test_gates_that_are_killed_leave_nothing(place: GateCheckout) -> None:
    before, accounts = mounts(), Path("/etc/passwd").read_bytes()
    chosen = random.Random(seed := random.randrange(10**6))
    killed: set[int] = set()
    for _ in range(MOMENTS):
        gates, longest = chosen.choice([ALL, IMAGES])
        with place.verifying(gates) as run:
            try:
                run.wait(chosen.uniform(1, longest))
            except subprocess.TimeoutExpired:
                run.send_signal(number := chosen.choice([signal.SIGKILL, signal.SIGTERM]))
                killed |= {run.pid} if number == signal.SIGKILL else set()
        wait_until(lambda: not place.processes(), f"processes are left (seed {seed})", PATIENCE)
        assert mounts() == before, f"seed {seed}"
        assert Path("/etc/passwd").read_bytes() == accounts, f"seed {seed}"
        assert place.stored() <= killed, f"seed {seed}"
    require_nothing_after_the_next(place, f"seed {seed}")
    assert mounts() == before, f"seed {seed}"


def test_what_a_killed_run_has_left_with_the_engine_is_removed_by_the_next(place: GateCheckout) -> None:
    before = mounts()
    with place.verifying([IMAGE]) as run:
        wait_until(lambda: f"verify-{run.pid}-" in place.containers(), "there is no container", PATIENCE)
        run.kill()
    wait_until(lambda: not place.processes(), "processes are left", PATIENCE)
    assert mounts() == before
    assert place.stored() == {run.pid}
    require_nothing_after_the_next(place, "after SIGKILL")


def test_an_interrupted_run_removes_its_container_itself(place: GateCheckout) -> None:
    with place.verifying([IMAGE]) as run:
        wait_until(lambda: f"verify-{run.pid}-" in place.containers(), "there is no container", PATIENCE)
        run.terminate()
    assert not place.processes()
    assert place.stored() == set()


def require_nothing_after_the_next(place: GateCheckout, what: str) -> None:
    """Nothing is left of any run after one that comes to its end; it repeats what was killed, and no more."""
    with place.verifying(()) as run:
        assert run.wait() == 0, what
    assert place.stored() == set(), what
    assert [*place.temporary.iterdir()] == [], what
    assert not any((place.checkout / "dist" / ".state" / "work").glob("*")), what
