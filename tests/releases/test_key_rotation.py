"""What clients in roots make of a switch to another key: it depends on which keys they know, see docs/keys.md."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.core.errors import CommandFailed
from ci.core.run import Runner
from ci.pipeline.jobs import Project
from ci.release import pacman, yum
from ci.verify import in_dnf
from ci.verify.in_dnf import Dnf
from ci.verify.in_pacman import Pacman
from tests.gates import root_of
from tests.keys import SigningKeys, signing_keys
from tests.releases.test_trees_in_roots import DNF_SUITES, ENVIRONMENT, PACMAN_SUITES, URL
from tests.support import program
from tests.trees import packages
from tests.trees.packages import Key, making

pytestmark = pytest.mark.long

# From the keys that a client knows to the trees that it can install from, by the key that signs them.
CLIENTS = {"old": ("old",), "old and new": ("old", "new"), "new": ("new",)}
NAME = "faas-runtime"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Key]]:
    with signing_keys(tmp_path_factory.mktemp("keys") / "keys") as found:
        yield {"old": key_of(found, found.fingerprint, found.public),
               "new": key_of(found, found.stranger, found.stranger_public)}  # fmt: skip


def key_of(found: SigningKeys, fingerprint: str, public: Path) -> Key:
    return Key(keys=found, fingerprint=fingerprint, public=public)


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory, built: Project, keys: dict[str, Key]) -> dict[str, Path]:
    """Both repositories, once signed by each key."""
    found = {}
    for name, key in keys.items():
        folder = tmp_path_factory.mktemp(name)
        run = Runner(log=folder / "log")
        settings = making(key, built.release, folder / "scratch", URL, run)
        yum.make(folder / "yum", [packages.rpm(folder / "rpm", built.release, run, key)], None, settings)
        package = packages.msys2(folder / "msys2", built.release, run, key)
        pacman.make(folder / "pacman", [package], None, settings)
        found[name] = folder
    return found


def known_to(client: str, keys: dict[str, Key]) -> list[Key]:
    return [keys[name] for name in client.split(" and ")]


def recorded(manager: Pacman, package: str) -> bool:
    """Whether pacman has a package installed; `pacman -Q` fails where there is none at all."""
    return any((manager.root.folder / "srv" / "database" / "local").glob(f"{package}-*"))


@pytest.mark.parametrize("suite", DNF_SUITES)
@pytest.mark.parametrize("client", CLIENTS)
def test_dnf(
    built: Project, trees: dict[str, Path], keys: dict[str, Key], tmp_path: Path, client: str, suite: str
) -> None:
    dnf = Dnf(root=root_of(built, suite, tmp_path / "work"), signed=True)
    for signer, tree in trees.items():
        offered = Path(shutil.copytree(tree / "yum", tmp_path / signer))
        # The client has taken the list of keys before, and takes no other.
        (offered / "packages.asc").write_bytes(b"".join(key.public.read_bytes() for key in known_to(client, keys)))
        dnf.offer_tree(offered)
        shutil.rmtree(dnf.root.folder / "srv" / "cache", ignore_errors=True)
        if signer in CLIENTS[client]:
            dnf("install", NAME)
            assert NAME in dnf.installed()
            dnf("remove", NAME)
        else:
            with pytest.raises(CommandFailed):
                dnf("install", NAME)
        assert NAME not in dnf.installed()


@pytest.mark.parametrize("suite", PACMAN_SUITES)
@pytest.mark.parametrize("client", CLIENTS)
def test_pacman(
    built: Project, trees: dict[str, Path], keys: dict[str, Key], tmp_path: Path, client: str, suite: str
) -> None:
    keyring = tmp_path / "keyring"
    keyring.mkdir()
    steps = [["--init"]]
    for key in known_to(client, keys):
        steps += [["--add", str(key.public)], ["--lsign-key", key.fingerprint]]
    for words in steps:
        subprocess.run([program("pacman-key"), "--gpgdir", str(keyring), *words], check=True, capture_output=True)
    package = f"mingw-w64-ucrt-x86_64-{NAME}"
    manager = Pacman(root=root_of(built, suite, tmp_path / "work"))
    for signer, tree in trees.items():
        manager.offer_tree(tree / "pacman", ENVIRONMENT, NAME, keyring)
        shutil.rmtree(manager.root.folder / "srv" / "cache")
        (manager.root.folder / "srv" / "cache").mkdir()
        if signer in CLIENTS[client]:
            manager("-Syy", package)
            assert recorded(manager, package)
            manager("-R", package)
        else:
            with pytest.raises(CommandFailed):
                manager("-Syy", package)
        assert not recorded(manager, package)


def test_the_tree_of_dnf_is_made_for_the_place_where_roots_have_it() -> None:
    assert str(URL) == f"/{in_dnf.TREES}"
