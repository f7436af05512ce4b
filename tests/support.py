"""What tests of the whole tooling share: checkouts of their own, and `python -m ci` run in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parent.parent


def not_there(what: str, *, optional: bool = False) -> NoReturn:
    """Report that a test cannot run for want of something that CI has to have, unless it is `optional`."""
    if os.environ.get("CI") and not optional:
        pytest.fail(f"{what} is not installed, and CI needs it", pytrace=False)
    pytest.skip(f"not run: {what} is not installed")


def program(name: str) -> str:
    """The path of a program."""
    return shutil.which(name) or not_there(name)


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


def search_path(folder: Path, *, without: Iterable[str] = ()) -> Path:
    """A folder with links to every program on PATH but some; what is in it already stays."""
    folder.mkdir(exist_ok=True)
    left_out = {*without, *(path.name for path in folder.iterdir())}
    for directory in os.environ["PATH"].split(os.pathsep):
        for program in Path(directory).iterdir() if Path(directory).is_dir() else ():
            if program.name not in left_out:
                left_out.add(program.name)  # the first on PATH is the one that a shell finds
                (folder / program.name).symlink_to(program.absolute())
    return folder
