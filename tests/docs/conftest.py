"""Fixtures: the runtime as pip installs it, and somebody who follows a page with it."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.docs.follow import Reader
from tests.support import ROOT, copy_checkout, not_there, run_ci

OURS = ("AWS_", "CARGO_TARGET_DIR", "FAAS_", "LAMBDA_", "PYTHON", "RUST_BACKTRACE", "VIRTUAL_ENV", "_HANDLER")
"""Variables that a person at a new terminal does not have."""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    checkout = copy_checkout(tmp_path_factory.mktemp("wheel"))
    done = run_ci(checkout, "sdist")
    assert done.returncode == 0, done.stderr
    (made,) = checkout.glob("dist/sdist/*.whl")
    return made


@pytest.fixture(scope="session")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PATH with the runtime, Zig's compiler and cookiecutter."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    folder = environment / "bin"
    if importlib.util.find_spec("ziglang") is not None:
        zig = folder / "zig"
        zig.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m ziglang "$@"\n')
        zig.chmod(0o755)
    cookiecutter = folder / "cookiecutter"
    cookiecutter.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m cookiecutter "$@"\n')
    cookiecutter.chmod(0o755)
    return folder


def variables(home: Path, *programs: Path) -> dict[str, str]:
    """The environment of a person whose home folder is empty; toolchains and caches are where they are."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    user = Path.home()
    return kept | {
        "HOME": str(home),
        "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
        "CARGO_HOME": os.environ.get("CARGO_HOME", str(user / ".cargo")),
        "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(user / ".rustup")),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(user / ".cache")),
        "ZIG_GLOBAL_CACHE_DIR": str(ROOT / "dist" / ".cache" / "tests" / "zig"),
        "LC_ALL": "C.UTF-8",
    }


@pytest.fixture
def reader(tmp_path: Path, programs: Path) -> Iterator[Callable[..., Reader]]:
    """Seats somebody in a fresh folder that holds copies of some files, with the runtime on PATH."""
    with ExitStack() as stack:

        def sit_down(*files: Path) -> Reader:
            folder = tmp_path / "work"
            folder.mkdir()
            for file in files:
                shutil.copy(file, folder)
            return stack.enter_context(Reader(folder, variables(tmp_path / "home", programs)))

        yield sit_down


def need(*names: str) -> None:
    """Report the programs that a page uses and this machine lacks."""
    for name in names:
        if shutil.which(name) is None:
            not_there(name)
