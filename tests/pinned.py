"""Packages from PyPI that a test uses outside of the tests' own environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cache import kept, key_of
from tests.support import ROOT, not_there


def pinned(name: str) -> Path:
    """A folder for PYTHONPATH with what ci/requirements/NAME.txt lists; the test is not run if PyPI is out of reach."""
    requirements = ROOT / "ci" / "requirements" / f"{name}.txt"

    def install(target: Path) -> None:
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
        command = [*pip, "--require-hashes", "--target", str(target), "-r", str(requirements)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stdout + done.stderr)
            not_there(f"what ci/requirements/{name}.txt lists")

    return kept(name, key_of(requirements, sys.version), install)
