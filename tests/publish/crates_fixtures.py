"""What the tests of crates share: a set with the project's own crate, and a registry on the loopback."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ci.core.secrets import register
from ci.core.web import Web
from ci.manifest import dist_paths
from ci.publish import crates
from ci.publish.crates import Crates
from ci.publish.rehearse.crates_server import CratesServer
from ci.publish.rehearse.server import Server
from ci.publish.release_set import ReleaseSet, SetFile
from tests.cache import once_per_run
from tests.leaks import planted
from tests.packages.support import build, open_project
from tests.support import ROOT

NAME, VERSION, FILE = "faas-function", "0.1.0", "faas-function-0.1.0.crate"
TOKEN = planted("cio-planted-token-of-the-tests")
NOW = 1_800_000_000.0
INDEX = "/index/fa/as/faas-function"
NEW = "/api/v1/crates/new"
YANK = f"/api/v1/crates/{NAME}/{VERSION}/yank"


@pytest.fixture(scope="session")
def built_crate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like `dist/`: source tarball and crate of this very state, and the registry of what that depends on."""

    def make(dist: Path) -> None:
        build(open_project(ROOT, dist), "sdist", "local-registry", "crate")

    return once_per_run(tmp_path_factory, "crates", make)


def set_of(folder: Path) -> ReleaseSet:
    """A set that has the crates of a folder like `dist/`, and nothing of what else belongs to one."""
    files = tuple(
        SetFile(
            path=path,
            size=path.stat().st_size,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            kind="crate",
        )
        for path in sorted((folder / "crates").iterdir())
    )
    return ReleaseSet(folder=folder, name="faas-runtime", version=VERSION, commit="1f" * 20, files=files, document={})


@dataclass(kw_only=True)
class ServedRegistry:
    """A registry that runs, and what was said and slept by whoever publishes to it. `told` sees each line at once."""

    crates: CratesServer
    server: Server
    said: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    told: Callable[[str], None] = lambda line: None

    def say(self, line: str) -> None:
        self.said.append(line)
        self.told(line)

    def target(
        self, folder: Path, *, index: str = "", api: str = "", token: str = TOKEN, seconds: float = 30.0
    ) -> Crates:
        """The target with the crate of a folder like `dist/`."""
        web = Web(
            name="crates",
            say=self.say,
            trusted=(self.server.origin,),
            authorize=crates.authorization(register("CRATES_TOKEN", token)),
            sleep=self.slept.append,
            now=lambda: NOW,
            seconds=(seconds, seconds),
        )
        return Crates(
            release=set_of(folder),
            web=web,
            index=index or self.crates.index,
            api=api or self.server.origin,
            crate=dist_paths.CRATE,
            version=VERSION,
            say=self.say,
        )

    @property
    def has(self) -> dict[tuple[str, str], tuple[bytes, Mapping[str, object], Mapping[str, object]]]:
        """What the registry has in the end: of each version its bytes, its metadata, and its line in the index."""
        return {key: (one.content, one.metadata, one.entry) for key, one in self.crates.crates.items()}


@pytest.fixture
def registry() -> Iterator[ServedRegistry]:
    """A registry without a crate."""
    found = CratesServer(token=TOKEN)
    with Server(found.answer) as server:
        found.origin = server.origin
        yield ServedRegistry(crates=found, server=server)
