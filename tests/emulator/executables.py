"""Executables that speak the Runtime API, for tests."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.emulator.support import EMULATOR_FUNCTIONS


def make_bootstrap(folder: Path, name: str = "bootstrap") -> Path:
    """The program bootstrap.py under a name, executable."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    source = (EMULATOR_FUNCTIONS / "bootstrap.py").read_text()
    path.write_text(f"#!{sys.executable} -IS\n{source}")
    path.chmod(0o755)
    return path
