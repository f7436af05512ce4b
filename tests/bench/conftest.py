"""Fixtures: the bench's native programs, compiled once a session."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.bench.server import INCLUDE, Command, MeasuringServer, Native, compile_native
from ci.core.run import Runner
from tests.support import not_there

FUNCTIONS = Path(__file__).resolve().parent / "functions"

CommandOf = Callable[..., Command]


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Native:
    if not sys.platform.startswith("linux"):
        pytest.skip("the bench needs Linux")
    if shutil.which("gcc") is None:
        not_there("gcc")
    folder = tmp_path_factory.mktemp("native")
    return compile_native(Runner(log=folder / "log"), folder)


@pytest.fixture(scope="session")
def command(native: Native, tmp_path_factory: pytest.TempPathFactory) -> CommandOf:
    """The bare client with a function of `echo.c`, or of `misbehaving.c`."""
    bad = tmp_path_factory.mktemp("functions") / "libmisbehaving.so"
    gcc = ("gcc", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{INCLUDE}", "-shared", "-fPIC")
    subprocess.run([*gcc, "-o", str(bad), str(FUNCTIONS / "misbehaving.c")], check=True)

    def of(symbol: str, *options: str) -> Command:
        library = native.task_root / "libecho.so" if symbol in ("handle", "nap") else bad
        return Command(argv=(native.client, library, symbol, *options))

    return of


@pytest.fixture
def server(native: Native, tmp_path: Path) -> MeasuringServer:
    return MeasuringServer(run=Runner(log=tmp_path / "log"), program=native.server, core=max(os.sched_getaffinity(0)))
