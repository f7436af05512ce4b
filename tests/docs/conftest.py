"""Fixtures: the runtime as pip installs it, and a reader who follows a page with it."""

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

from tests.cache import CACHE
from tests.docs.follow import Reader
from tests.rust import warm_target
from tests.support import ROOT, copy_checkout, not_there, run_ci

OURS = ("AWS_", "CARGO_TARGET_DIR", "FAAS_", "LAMBDA_", "PYTHON", "RUST_BACKTRACE", "VIRTUAL_ENV", "_HANDLER")
"""Variables that are not set in a new terminal."""


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
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    pip = (sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"))
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    folder = environment / "bin"
    if importlib.util.find_spec("ziglang") is not None:
        zig = folder / "zig"
        command = f"PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m tests.docs.zig"
        zig.write_text(f'#!/bin/sh\n{command} "$@"\n')
        zig.chmod(0o755)
    cookiecutter = folder / "cookiecutter"
    cookiecutter.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m cookiecutter "$@"\n')
    cookiecutter.chmod(0o755)
    return folder


def variables(home: Path, *programs: Path, cargo: bool = False) -> dict[str, str]:
    """The environment of a person whose home folder is empty; toolchains and caches are where they are.

    With `cargo`, what the crates of the recipe depend on is compiled already: cargo has its intermediate files beside
    the home folder, and only what it is asked for in the crate's `target`. Before 1.91 it compiles all by itself.
    """
    built = {}
    if cargo:
        built["CARGO_BUILD_BUILD_DIR"] = str(warm_target(home.with_name("cargo")))
        built["CARGO_NET_OFFLINE"] = "true"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    user = Path.home()
    return kept | {
        **built,
        "HOME": str(home),
        "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
        "CARGO_HOME": os.environ.get("CARGO_HOME", str(user / ".cargo")),
        "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(user / ".rustup")),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(user / ".cache")),
        "ZIG_GLOBAL_CACHE_DIR": str(CACHE / "zig"),
        "LC_ALL": "C.UTF-8",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",  # a newer pip must not change what the page shows
    }


@pytest.fixture
def reader(tmp_path: Path, programs: Path) -> Iterator[Callable[..., Reader]]:
    """Starts a reader in a new folder with copies of some files, and with the runtime on PATH."""
    with ExitStack() as stack:

        def sit_down(*files: Path, cargo: bool = False) -> Reader:
            folder = tmp_path / "work"
            folder.mkdir()
            for file in files:
                shutil.copy(file, folder)
            return stack.enter_context(Reader(folder, variables(tmp_path / "home", programs, cargo=cargo)))

        yield sit_down


def need(*names: str) -> None:
    """Report the programs that a page uses and that are not available on this machine."""
    for name in names:
        if shutil.which(name) is None:
            not_there(name)
