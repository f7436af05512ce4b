"""Runs `faas-runtime check`."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.runtime.support import LAUNCHER, PYTHON
from tests.waiting import TIMEOUT_S

LAUNCH = (*PYTHON, str(LAUNCHER))


def check(name: str, folder: Path, command: Sequence[str] = LAUNCH) -> tuple[int, dict[str, str], str]:
    """The exit code, the reported facts by their names, and standard error."""
    done = subprocess.run(
        [*command, "check", name], cwd=folder, env={}, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert "Traceback" not in done.stderr
    facts = dict(line.strip().split(": ", 1) for line in done.stdout.splitlines())
    return done.returncode, facts, done.stderr
