"""Roots of Debian, each made once and kept until its recipe changes."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.cache import kept, key_of
from tests.support import program


def root(label: str, suite: str, packages: tuple[str, ...], variant: str = "extract", *options: str) -> Path:
    """A tarball of a root with some packages and what they need.

    The variant `extract` runs none of the root's programs, and so takes seconds. The options are mmdebstrap's.
    """
    command = [
        *(program("mmdebstrap"), "--quiet", "--format=tar", "--skip=output/dev"),
        *(f"--variant={variant}", f"--include={','.join(packages)}", *options, suite),
    ]

    def make(target: Path) -> None:
        done = subprocess.run([*command, str(target)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    return kept(f"root-{label}", key_of(*command[1:]), make)
