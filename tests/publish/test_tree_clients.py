"""What dnf and pacman see of published trees over HTTP, with all signatures demanded."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.core.run import Runner
from ci.manifest.reader import load
from ci.manifest.release import Release
from ci.publish.rehearse.server import Server
from ci.publish.rehearse.static import static_server
from ci.release import pacman, yum
from tests.keys import signing_keys
from tests.publish.tree_sets import seal, target
from tests.support import ROOT, program
from tests.trees.packages import Key, making, msys2, released, rpm

ENVIRONMENT = "ucrt64"
PACKAGE = "mingw-w64-ucrt-x86_64-faas-runtime"
CONFIG = """\
[options]
Architecture = auto
SigLevel = Required DatabaseRequired

[faas-runtime]
Server = {}
"""


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Key]:
    with signing_keys(tmp_path_factory.mktemp("keys") / "keys") as found:
        yield Key(keys=found, fingerprint=found.fingerprint, public=found.public)


@pytest.fixture(scope="module")
def release() -> Release:
    return load(ROOT / "release.yaml")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "web").mkdir()
    return tmp_path / "web"


@pytest.fixture
def server(place: Path) -> Iterator[Server]:
    with static_server(place) as found:
        yield found


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    return Runner(log=tmp_path / "log")


def make_sets(name: str, folder: Path, release: Release, key: Key, url: str, run: Runner) -> tuple[Path, Path]:
    """Two sets with one tree each: an older release, and this one on top of it."""
    previous, sets = None, []
    for one in (released(release, "0.0.9", -30), release):
        version = str(one.version)
        settings = dataclasses.replace(making(key, one, folder / f"scratch-{version}", folder, run), url=url)
        tree = folder / version / name
        if name == "yum":
            yum.make(tree, [rpm(folder / f"build-{version}", one, run, key)], previous, settings)
        else:
            pacman.make(tree, [msys2(folder / f"build-{version}", one, run, key)], previous, settings)
        sets.append(seal(folder / version, version))
        previous = tree
    return sets[0], sets[1]


def test_dnf_sees_a_candidate_only_when_it_is_promoted(
    tmp_path: Path, place: Path, server: Server, release: Release, key: Key, run: Runner
) -> None:
    older, newer = make_sets("yum", tmp_path / "sets", release, key, server.origin, run)
    client = tmp_path / "client"
    (client / "root").mkdir(parents=True)
    settings = (f"reposdir={place / 'yum'}", f"cachedir={client}/cache", f"logdir={client}", f"persistdir={client}")
    options = [f"--setopt={setting}" for setting in settings]

    def dnf(*words: str) -> str:
        run("dnf", "-y", f"--installroot={client / 'root'}", "--releasever=1", "--refresh", *options, *words)
        return (client / "root" / "srv" / "version").read_text().strip()

    target(older, place).publish()
    text = (place / "yum" / "faas-runtime.repo").read_text()
    assert "gpgcheck=1\nrepo_gpgcheck=1" in text
    assert dnf("install", "faas-runtime") == "0.0.9"
    target(newer, place, channel="testing").publish()
    assert dnf("upgrade") == "0.0.9"
    target(newer, place).promote()
    assert dnf("upgrade") == str(release.version)
    assert dnf("downgrade", "faas-runtime-0.0.9") == "0.0.9"  # the old version is kept
    assert "GET /yum/repodata/repomd.xml.asc" in server.seen


def test_pacman_sees_a_candidate_only_when_it_is_promoted(
    tmp_path: Path, place: Path, server: Server, release: Release, key: Key, run: Runner
) -> None:
    older, newer = make_sets("pacman", tmp_path / "sets", release, key, server.origin, run)
    client = tmp_path / "client"
    for name in ("root", "database", "cache", "keys"):
        (client / name).mkdir(parents=True)
    for words in (["--init"], ["--add", str(key.public)], ["--lsign-key", key.fingerprint]):
        keyring = [program("pacman-key"), "--gpgdir", str(client / "keys"), *words]
        subprocess.run(keyring, check=True, capture_output=True)
    (client / "pacman.conf").write_text(CONFIG.format(f"{server.origin}/pacman/{ENVIRONMENT}"))
    paths = {"config": "pacman.conf", "root": "root", "dbpath": "database", "cachedir": "cache", "gpgdir": "keys"}
    options = [word for name, path in paths.items() for word in (f"--{name}", str(client / path))]
    options += ["--hookdir", str(client), "--logfile", str(client / "pacman.log"), "--noconfirm"]

    def installed(*words: str) -> str:
        run("pacman", *options, *words)
        return (client / "root" / "version").read_text().strip()

    target(older, place, "pacman").publish()
    assert installed("-Sy", PACKAGE) == "0.0.9-1"
    target(newer, place, "pacman", channel="testing").publish()
    assert installed("-Syu") == "0.0.9-1"
    target(newer, place, "pacman").promote()
    assert installed("-Syu") == f"{release.version.pacman}-1"
    assert f"GET /pacman/{ENVIRONMENT}/faas-runtime.db.sig" in server.seen
