"""What the tests of PyPI share: a set with the project's own wheel and source tarball, and an index on the loopback."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ci.core.secrets import register
from ci.core.web import Web
from ci.publish import pypi
from ci.publish.pypi import PyPi
from ci.publish.rehearse.pypi_server import PyPiServer
from ci.publish.rehearse.server import Server
from ci.publish.release_set import ReleaseSet, SetFile
from tests.cache import once_per_run
from tests.leaks import planted
from tests.support import ROOT

PROJECT, VERSION = "faas-runtime", "0.1.0"
WHEEL, TARBALL = "faas_runtime-0.1.0-py3-none-any.whl", "faas_runtime-0.1.0.tar.gz"
TOKEN = planted("pypi-AgEIcHlwaS5vcmcCJDAwMDAwMDAw-planted")
NOW = 1_800_000_000.0


def build(folder: Path) -> None:
    """Build the wheel and the source tarball of this project, at a fixed time."""
    source = folder.with_name(f"{folder.name}-source")
    shutil.copytree(ROOT / "runtime", source, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source],
        check=True, capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
    )  # fmt: skip


@pytest.fixture(scope="session")
def built_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the two files, for all tests to read."""
    return once_per_run(tmp_path_factory, "pypi", build)


def set_of(folder: Path) -> ReleaseSet:
    """A set that has the files of a folder, and nothing of what else belongs to one."""
    files = tuple(
        SetFile(
            path=path,
            size=path.stat().st_size,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            kind="wheel" if path.suffix == ".whl" else "sdist",
        )
        for path in sorted(folder.iterdir())
    )
    return ReleaseSet(folder=folder, name=PROJECT, version=VERSION, commit="1f" * 20, files=files, document={})


@dataclass(kw_only=True)
class Site:
    """An index that runs, and what was said and slept by whoever publishes to it. `told` sees each line at once."""

    pypi: PyPiServer
    server: Server
    said: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    told: Callable[[str], None] = lambda line: None
    now: float = NOW

    def say(self, line: str) -> None:
        self.said.append(line)
        self.told(line)

    def target(
        self, folder: Path, *, upload: str = "", index: str = "", token: str = TOKEN, seconds: float = 30.0
    ) -> PyPi:
        """The target with the files of a folder."""
        web = Web(
            name="pypi",
            say=self.say,
            trusted=(self.server.origin,),
            authorize=pypi.authorization(register("PYPI_TOKEN", token, pypi.USER)),
            sleep=self.slept.append,
            now=lambda: self.now,
            seconds=(seconds, seconds),
        )
        return PyPi(
            release=set_of(folder),
            web=web,
            upload=upload or f"{self.server.origin}/legacy/",
            index=index or f"{self.server.origin}/simple/",
            project=PROJECT,
            say=self.say,
        )

    @property
    def has(self) -> dict[str, tuple[str, Sequence[tuple[str, str]]]]:
        """What the index has in the end: of each file its sha256 and its fields."""
        return {name: (file.upload.sha256, file.fields) for name, file in self.pypi.files.items()}


@pytest.fixture
def site() -> Iterator[Site]:
    """An index without a file."""
    found = PyPiServer(token=TOKEN, now=lambda: NOW)
    with Server(found.answer) as server:
        yield Site(pypi=found, server=server)
