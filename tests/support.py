"""What tests of the whole tooling share: checkouts of their own, and `python -m ci` run in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def copy_checkout(target: Path) -> Path:
    """Copy the files that git tracks, or would, to `target`: what a fresh clone of this very state holds."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        if source.exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name, follow_symlinks=False)
    return target


def run_ci(checkout: Path, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run one command of the tooling in a checkout, as its Nox session does."""
    return subprocess.run(
        [sys.executable, "-m", "ci", *arguments],
        cwd=checkout, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False,
    )  # fmt: skip
