"""Gates that are killed at any moment leave no mount, no process, no account and no temporary file."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proofs.test_reproduce_mutants import mounts, processes_of
from tests.prove.support import committed_checkout
from tests.support import run_ci, search_path, wait_for

pytestmark = pytest.mark.long

MOMENTS = 25
GATES = ("install-", "upgrade-", "consistency", "equivalence-")


@pytest.fixture(scope="module")
def fast() -> Iterator[dict[str, str]]:
    """A PATH without container engines, which take most of the time; with mmdebstrap, for the roots."""
    with tempfile.TemporaryDirectory(dir="/run" if os.geteuid() == 0 else None) as name:
        Path(name).chmod(0o755)
        yield {"PATH": str(search_path(Path(name, "bin"), without=("buildah", "docker", "podman")))}


def forget_gates(checkout: Path) -> None:
    """Let every job of a gate run again, with the roots and packages that are there."""
    for record in (checkout / "dist" / ".state" / "jobs").iterdir():
        if record.name.startswith(GATES):
            record.unlink()


def test_gates_that_are_killed_leave_nothing(tmp_path: Path, fast: dict[str, str]) -> None:
    checkout = committed_checkout(tmp_path / "checkout")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, **fast, "TMPDIR": str(temporary)}
    made = run_ci(checkout, "snapshot", env=fast)
    assert made.returncode == 0, made.stderr
    before, accounts = mounts(), Path("/etc/passwd").read_bytes()
    chosen = random.Random(seed := random.randrange(10**6))
    for _ in range(MOMENTS):
        forget_gates(checkout)
        with subprocess.Popen(
            [sys.executable, "-m", "ci", "verify"], cwd=checkout, env=environment, stderr=subprocess.DEVNULL
        ) as run:
            try:
                run.wait(chosen.uniform(1, 12))
            except subprocess.TimeoutExpired:
                run.send_signal(chosen.choice([signal.SIGKILL, signal.SIGTERM]))
        wait_for(lambda: not processes_of(checkout), f"no process is left (seed {seed})")
        assert mounts() == before, f"seed {seed}"
        assert Path("/etc/passwd").read_bytes() == accounts, f"seed {seed}"
    done = subprocess.run([sys.executable, "-m", "ci", "verify"], cwd=checkout, env=environment, check=False)
    assert done.returncode == 0, f"seed {seed}"
    assert [*temporary.iterdir()] == [], f"seed {seed}"
    assert not any((checkout / "dist" / ".state" / "work").glob("*")), f"seed {seed}"
