"""The functions in docs/examples/rust, built as their authors would build them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.cache import CACHE, lock
from tests.support import ROOT, program

EXAMPLES = ROOT / "docs" / "examples" / "rust"
_CRATE = '"../../../../runtime/crate"'


def library(name: str) -> Path:
    """The library of an example; cargo builds only what has changed."""
    return _build(EXAMPLES, name, "--locked")


def library_without_stream(name: str, folder: Path) -> Path:
    """The library of an example whose responses are streams, but without streams; `folder` gets its crate."""
    buffered = f"{name}_buffered"
    shutil.copytree(EXAMPLES / name, folder)
    shutil.copy(EXAMPLES / "Cargo.lock", folder)
    _replace(folder / "Cargo.toml", f'name = "{name}"', f'name = "{buffered}"')
    _replace(folder / "Cargo.toml", _CRATE, f'"{(EXAMPLES / name / _CRATE.strip(chr(34))).resolve()}"')
    with (folder / "Cargo.toml").open("a") as manifest:
        manifest.write("\n[workspace]\n")
    _replace(folder / "src" / "lib.rs", ", response = stream", "")
    return _build(folder, buffered, "--offline")


def _build(folder: Path, name: str, option: str) -> Path:
    target = CACHE / "examples"
    command = [program("cargo"), "build", "--quiet", option, "--package", name, "--target-dir", str(target)]
    with lock("examples"):
        done = subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target / "debug" / f"lib{name}.so"


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
