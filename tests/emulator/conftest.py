"""Fixtures: libraries with functions, and emulators that run them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.emulator.building import LibraryBuilder
from tests.emulator.support import EMULATOR_FUNCTIONS, Emulator, FunctionGate
from tests.runtime.support import RUNTIME, compile_library

sys.path.insert(0, str(RUNTIME))  # for the tests of single modules
sys.dont_write_bytecode = True


@pytest.fixture(scope="session")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library with the functions of emulated.c."""
    return compile_library(EMULATOR_FUNCTIONS / "emulated.c", tmp_path_factory.mktemp("emulated"))


@pytest.fixture(scope="module")
def shared(emulated: Path) -> Iterator[Callable[[str], Emulator]]:
    """Starts emulators with default options, one for each handler, which all tests of a module share."""
    running: dict[str, Emulator] = {}
    with ExitStack() as stack:

        def emulator(handler: str) -> Emulator:
            if handler not in running:
                running[handler] = stack.enter_context(Emulator(f"{emulated}.{handler}"))
            return running[handler]

        yield emulator


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[FunctionGate]:
    """Holds invocations of the function `gate`; opened at the end, even if the test fails."""
    gate = FunctionGate(tmp_path)
    yield gate
    gate.open()


@pytest.fixture
def serve(emulated: Path) -> Iterator[Callable[..., Emulator]]:
    """Starts an emulator of a handler, with options and environment variables."""
    with ExitStack() as stack:

        def start(handler: str, *options: str, **environment: str) -> Emulator:
            return stack.enter_context(Emulator(f"{emulated}.{handler}", *options, environment=environment))

        yield start


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> LibraryBuilder:
    return LibraryBuilder(tmp_path_factory.mktemp("built"))
