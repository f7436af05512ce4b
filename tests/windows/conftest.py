"""Fixtures: wine with a Windows Python and the runtime in it, and functions that are compiled for Windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ci.bake.render import bake
from ci.manifest import dist_paths
from tests.emulator.support import Emulator
from tests.glue.support import c_function
from tests.packages.support import build, checkout_of, open_project
from tests.runtime import support as runtime_support
from tests.support import program
from tests.windows import windows_python
from tests.windows.support import FUNCTIONS, Wine, compile_dll, require_programs, windows_path


@pytest.fixture(scope="session")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wine]:
    """The runtime of the MSYS2 package of the current state; all its processes end with the session."""
    require_programs()
    python = windows_python.folder()
    checkout = checkout_of(tmp_path_factory.mktemp("checkout"))
    project = open_project(checkout, checkout / "dist")
    bake(checkout, project.release, checkout)
    build(project, "sdist", "baked", "msys2")
    package = project.dist / dist_paths.msys2(project.release, "ucrt64")
    wine = Wine(tmp_path_factory.mktemp("a folder"), python, package)
    try:
        yield wine
    finally:
        wine.end()


@pytest.fixture(scope="session")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task root with the functions of these tests, and with those of the runtime's tests that work on Windows.

    `libprobe` uses the C library that Python has, and what MSYS2's compilers make; the others the older one, which
    Debian's compiler takes by itself.
    """
    folder = tmp_path_factory.mktemp("functions")
    compile_dll(runtime_support.FUNCTIONS / "probe.c", folder / "libprobe.dll", libraries=("-lucrt",))
    compile_dll(runtime_support.FUNCTIONS / "hooks.c", folder / "libhooks.dll")
    compile_dll(FUNCTIONS / "shown.c", folder / "libshown.dll")
    return folder


@pytest.fixture(scope="session")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C recipe's project, built for Windows by its own Makefile."""
    return c_function(tmp_path_factory.mktemp("recipe"), [program(windows_python.COMPILER)])


@pytest.fixture
def serve(wine: Wine) -> Iterator[Callable[..., Emulator]]:
    """Start an emulator under wine."""
    with ExitStack() as stack:

        def start(library: Path, handler: str, *options: str) -> Emulator:
            name = f"{windows_path(library)}.{handler}"
            return stack.enter_context(Emulator(name, *options, launcher=wine.launcher))

        yield start
