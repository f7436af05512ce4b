"""The signed trees of real packages, in roots: dnf and pacman install from them, and refuse each change."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ci.core.errors import CommandFailed
from ci.core.run import Runner
from ci.manifest import dist_paths
from ci.pipeline.jobs import Project
from ci.release import pacman, yum
from ci.verify import in_dnf, in_pacman
from ci.verify.in_dnf import Dnf
from ci.verify.in_pacman import Pacman
from tests.gates import root_of
from tests.keys import keys
from tests.support import program
from tests.trees.packages import Key, key, making

__all__ = ["key", "keys"]

pytestmark = pytest.mark.long

ENVIRONMENT = "ucrt64"
URL = Path("/", in_dnf.TREES)
DNF_SUITES = ("bullseye", "bookworm", "sid")
PACMAN_SUITES = ("bookworm", "sid")


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory, built: Project, key: Key) -> Path:
    """Both trees, as they are offered at `file:///srv/trees`."""
    folder, release = tmp_path_factory.mktemp("trees"), built.release
    run = Runner(log=folder / "log")
    gpg, settings = key.gpg(release, run), making(key, release, folder / "scratch", URL, run)
    rpms = []
    for path in (dist_paths.rpm(release), dist_paths.rpm_devel(release), dist_paths.srpm(release)):
        rpms.append(Path(shutil.copy(built.dist / path, folder)))
        gpg.sign_rpm(rpms[-1], key=key.fingerprint)
    packages = []
    for environment in release.msys2.environments:
        packages.append(Path(shutil.copy(built.dist / dist_paths.msys2(release, environment), folder)))
        signature = packages[-1].with_name(f"{packages[-1].name}.sig")
        gpg.detach_sign(packages[-1], signature, key=key.fingerprint, armour=False)
    yum.make(folder / "trees" / "yum", rpms, None, settings)
    pacman.make(folder / "trees" / "pacman", packages, None, settings)
    return folder / "trees"


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory, key: Key) -> Path:
    home = tmp_path_factory.mktemp("keyring")
    for words in (["--init"], ["--add", str(key.public)], ["--lsign-key", key.fingerprint]):
        subprocess.run([program("pacman-key"), "--gpgdir", str(home), *words], check=True, capture_output=True)
    return home


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("suite", DNF_SUITES)
def test_dnf_demands_both_signatures(built: Project, trees: Path, tmp_path: Path, suite: str) -> None:
    root = root_of(built, suite, tmp_path / "work")
    name, dnf = built.release.name, Dnf(root=root, signed=True)
    version = f"{root.suite.python}.1"
    stubs = [in_dnf.python_stub(root.run, tmp_path / "python", version, Path(root.python).name)]
    stubs.append(in_dnf.base_stub(root.run, tmp_path / "base"))
    for stub in stubs:
        shutil.copy(stub, root.folder / "srv")
    local = [f"/srv/{stub.name}" for stub in stubs]
    for fault in ("repodata/repomd.xml", f"{name}-{built.release.version.rpm}-1.noarch.rpm"):
        copy = Path(shutil.copytree(trees / "yum", tmp_path / "changed", dirs_exist_ok=True))
        flip(copy / fault)
        dnf.offer_tree(copy)
        with pytest.raises(CommandFailed):
            dnf("install", name, *local)
        assert name not in dnf.installed()
    dnf.offer_tree(trees / "yum")
    dnf("install", name, f"{name}-devel", *local)
    assert {name, f"{name}-devel"} < dnf.installed()


@pytest.mark.parametrize("suite", PACMAN_SUITES)
def test_pacman_demands_both_signatures(built: Project, trees: Path, keyring: Path, tmp_path: Path, suite: str) -> None:
    root = root_of(built, suite, tmp_path / "work")
    client = Pacman(root=root)
    stub = in_pacman.python_stub(tmp_path / "stub", ENVIRONMENT, f"{root.suite.python}.1", root.python)
    shutil.copy(stub, root.folder / "srv")
    name = dist_paths.msys2(built.release, ENVIRONMENT).rpartition("/")[2]
    package = name.rsplit("-", 3)[0]
    client.offer_tree(trees / "pacman", ENVIRONMENT, built.release.name, keyring)
    client("-U", f"/srv/{stub.name}")
    for fault in (f"{built.release.name}.db", name):
        copy = Path(shutil.copytree(trees / "pacman", tmp_path / "changed", dirs_exist_ok=True))
        flip(copy / ENVIRONMENT / fault)
        client.offer_tree(copy, ENVIRONMENT, built.release.name, keyring)
        with pytest.raises(CommandFailed):
            client("-Sy", package)
        assert package not in client.installed()
    client.offer_tree(trees / "pacman", ENVIRONMENT, built.release.name, keyring)
    client("-Syy", package)
    assert package in client.installed()
