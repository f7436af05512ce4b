"""What the tests of the recipes share: `faas-runtime new` with programs and folders that a test chooses."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support import ROOT

LAUNCHER = ROOT / "runtime" / "bin" / "faas-runtime"
RECIPES = ROOT / "recipes"
COOKIECUTTER = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m cookiecutter "$@"\n'


def script(path: Path, text: str) -> Path:
    """Write a program."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@dataclass(frozen=True, kw_only=True)
class Person:
    """A user with an empty home folder, a folder to work in, and only the programs in `bin`.

    Python is in `bin` under the name python3, so nothing is beside it that the test has not put there.
    """

    home: Path
    bin: Path
    work: Path
    launcher: tuple[str | Path, ...]

    def run(self, *command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program as this user."""
        environment = {"HOME": str(self.home), "PATH": str(self.bin), "LC_ALL": "C.UTF-8", **variables}
        return subprocess.run(
            list(map(str, command)), cwd=self.work, env=environment, input="typed ahead\n",
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def new(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `faas-runtime new`."""
        return self.run(*self.launcher, "new", *arguments, **variables)


def person(folder: Path, *launcher: str | Path, cookiecutter: bool = True) -> Person:
    """Make a user who starts the runtime by `launcher`, or from the checkout."""
    places = {name: folder / name for name in ("home", "bin", "work")}
    for place in places.values():
        place.mkdir()
    # The interpreter itself: that of a virtual environment brings cookiecutter along.
    (places["bin"] / "python3").symlink_to(shutil.which("python3", path=f"{sys.base_prefix}/bin") or sys.executable)
    if cookiecutter:
        script(places["bin"] / "cookiecutter", COOKIECUTTER)
    return Person(**places, launcher=launcher or (places["bin"] / "python3", "-IS", "-X", "utf8", LAUNCHER))


def files_of(folder: Path) -> dict[str, bytes]:
    """The files below a folder, by their paths in it."""
    found = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}
