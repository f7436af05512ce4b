"""An image archive is read by every tool that people load, inspect and scan images with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.core import tars
from ci.core.run import Runner
from ci.images import oci
from tests.images.conftest import require_engine
from tests.scanner import scanned
from tests.support import not_there

EPOCH = 1_700_000_000
TAG = f"tests.invalid/readers-{os.getpid()}:1.0-micro-amd64"
CONTROL = """\
Package: netbase
Status: install ok installed
Version: 6.5
Architecture: all
Maintainer: nobody <nobody@tests.invalid>
Description: what a scanner has to find
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small image of a Debian with one package, written as every flavour is."""
    tree = tars.with_parents(
        {
            "etc/os-release": tars.file(b'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian"\n'),
            "var/lib/dpkg/status.d/netbase": tars.file(CONTROL.encode()),
            "hello": tars.file(b"hello\n"),
        }
    )
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/hello"]}, "history": []}
    built = oci.Image(config=config, layers=(tars.pack(tree, 0),))
    image = oci.normalised(built, base_layers=0, architecture="amd64", epoch=EPOCH, title="readers")
    path = tmp_path_factory.mktemp("archive") / "readers.oci.tar"
    oci.write_archive(image, path, tag=TAG)
    return path


@pytest.fixture(scope="module")
def diff_ids(archive: Path) -> list[str]:
    image, _ = oci.read_archive(archive)
    return list(image.config["rootfs"]["diff_ids"])


@pytest.mark.parametrize("prefix", ["oci-archive:", "docker-archive:", ""])
def test_a_scanner_finds_the_packages(archive: Path, tmp_path: Path, prefix: str) -> None:
    assert [found["name"] for found in scanned(f"{prefix}{archive}", tmp_path)] == ["netbase"]


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_skopeo_copies_it_by_either_layout(archive: Path, tmp_path: Path, diff_ids: list[str], transport: str) -> None:
    subprocess.run(["skopeo", "copy", "-q", f"{transport}:{archive}", f"dir:{tmp_path}/copy"], check=True)
    manifest = json.loads((tmp_path / "copy" / "manifest.json").read_bytes())
    config = json.loads((tmp_path / "copy" / manifest["config"]["digest"].partition(":")[2]).read_bytes())
    assert config["rootfs"]["diff_ids"] == diff_ids


@pytest.fixture
def loaded_by(request: pytest.FixtureRequest, archive: Path, tmp_path: Path) -> Iterator[str]:
    """An engine that has loaded the archive with its own `load`; the image goes afterwards."""
    engine = str(request.param)
    require_engine(Runner(log=tmp_path / "log"), engine)
    done = subprocess.run([engine, "load", "--input", archive], capture_output=True, text=True, check=False)
    try:
        assert done.returncode == 0, done.stderr
        yield engine
    finally:
        subprocess.run([engine, "rmi", "--force", TAG], capture_output=True, check=False)


@pytest.mark.parametrize("loaded_by", ["docker", "podman"], indirect=True)
def test_an_engine_loads_it_under_its_name(loaded_by: str, diff_ids: list[str]) -> None:
    found = subprocess.run([loaded_by, "image", "inspect", TAG], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    described = json.loads(found.stdout)[0]
    assert described["RootFS"]["Layers"] == diff_ids
    assert described["Config"]["Cmd"] == ["/hello"]


def test_containerd_imports_it_under_its_name(archive: Path) -> None:
    sockets = ("/run/containerd/containerd.sock", "/var/run/docker/containerd/containerd.sock")
    address = next((path for path in sockets if Path(path).is_socket()), "")
    if not (address and shutil.which("ctr")):
        not_there("containerd", optional=True)
    ctr = ["ctr", f"--address={address}", f"--namespace=readers-{os.getpid()}"]
    try:
        subprocess.run([*ctr, "images", "import", "--no-unpack", archive], capture_output=True, check=True)
        listed = subprocess.run([*ctr, "images", "ls", "--quiet"], capture_output=True, text=True, check=True).stdout
        assert listed.split() == [TAG]
    finally:
        subprocess.run([*ctr, "images", "rm", "--sync", TAG], capture_output=True, check=False)


def test_every_folder_has_an_entry_before_what_lies_in_it(archive: Path) -> None:
    with tarfile.open(archive) as opened:
        names = [f"{member.name}/" if member.isdir() else member.name for member in opened]
    folders = [name for name in names if name.endswith("/")]
    assert folders == ["blobs/", "blobs/sha256/"]
    for name in names:
        for parent in Path(name).parents:
            if str(parent) != ".":
                assert names.index(f"{parent}/") < names.index(name)
    assert {name for name in names if "/" not in name} == {"index.json", "manifest.json", "oci-layout"}
