"""`nox -s pin` against Debian's docker-registry: images of two platforms are pushed by skopeo and pinned."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.core import tars
from ci.images import image_index, oci
from ci.images.image_index import ImageIndex
from tests.release import debian_registry
from tests.support import copy_checkout, run_ci


def write_index(folder: Path, salt: str, architectures: tuple[str, ...] = ("amd64", "arm64")) -> Path:
    """An index of small images."""
    archives = []
    for architecture in architectures:
        config = {"architecture": architecture, "os": "linux", "config": {"Cmd": [salt]}, "history": []}
        built = oci.Image(config=config, layers=(tars.pack({salt: tars.file(architecture.encode())}, 0),))
        image = oci.normalised(built, base_layers=0, architecture=architecture, epoch=0, title=salt)
        archives.append(folder / f"{salt}-{architecture}.oci.tar")
        oci.write_archive(image, archives[-1], tag=f"tests.invalid/{salt}:1-{architecture}")
    path = folder / f"{salt}.oci-index.tar"
    image_index.write(archives, path, tag=f"tests.invalid/{salt}:1")
    return path


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with debian_registry.serving(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture(scope="module")
def indexes(address: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ImageIndex]:
    """What is pushed under `ubi:1` and `alpine:1`."""
    folder = tmp_path_factory.mktemp("indexes")
    found = {}
    for name in ("ubi", "alpine"):
        path = write_index(folder, name)
        debian_registry.push(path, address, f"{name}:1")
        found[name] = image_index.read(path)
    return found


@pytest.fixture
def checkout(address: str, tmp_path: Path) -> Path:
    """A checkout whose bases are in the registry, rendered."""
    checkout = copy_checkout(tmp_path / "checkout")
    manifest = checkout / "release.yaml"
    text = manifest.read_text()
    for name in ("ubi", "alpine"):
        text = re.sub(rf"(?m)(^  {name}:\n    base: ).*$", rf'\g<1>"{address}/{name}:1" # its tag', text)
    manifest.write_text(text)
    assert run_ci(checkout, "bake").returncode == 0
    return checkout


def state(checkout: Path) -> dict[str, bytes]:
    """The manifest and the files that are rendered from it."""
    files = [checkout / "release.yaml", *(checkout / "containers").rglob("*")]
    return {str(path.relative_to(checkout)): path.read_bytes() for path in files if path.is_file()}


def seen_by_skopeo(name: str) -> str:
    """The digest of the bytes that skopeo gets for a name."""
    command = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}"]
    return oci.digest_of(subprocess.run(command, check=True, capture_output=True).stdout)


def test_digests_are_written_and_rendered(checkout: Path, address: str, indexes: dict[str, ImageIndex]) -> None:
    before = state(checkout)
    done = run_ci(checkout, "pin")
    assert done.returncode == 0, done.stderr
    assert "images.ubi.digest is new, images.alpine.digest is new" in done.stderr
    said = re.sub(r"\s+", "", done.stdout)
    for name, index in indexes.items():
        assert all(digest in said for digest in (index.digest, *index.platforms.values())), name
    after = state(checkout)
    old, new = before["release.yaml"].decode().splitlines(), after["release.yaml"].decode().splitlines()
    changed = [(first, second) for first, second in zip(old, new, strict=True) if first != second]
    assert [line for _, line in changed] == [f"    digest: {index.digest}" for index in indexes.values()]
    assert run_ci(checkout, "pin").stderr.endswith("release.yaml has these digests already\n")
    for name, index in indexes.items():
        assert index.digest.encode() in after[f"containers/{name}/Containerfile"]
        assert seen_by_skopeo(f"{address}/{name}@{index.digest}") == index.digest
    assert run_ci(checkout, "bake").returncode == 0
    assert state(checkout) == after


def test_a_dry_run_shows_the_diff_and_writes_nothing(checkout: Path, indexes: dict[str, ImageIndex]) -> None:
    before = state(checkout)
    done = run_ci(checkout, "pin", "--dry-run")
    assert done.returncode == 0, done.stderr
    for name, index in indexes.items():
        assert f"+    digest: {index.digest}\n" in done.stdout
        assert f"+++ b/containers/{name}/Containerfile\n" in done.stdout
    assert state(checkout) == before


def test_a_tag_that_moves_is_followed(
    checkout: Path, address: str, indexes: dict[str, ImageIndex], tmp_path: Path
) -> None:
    manifest = checkout / "release.yaml"
    manifest.write_text(manifest.read_text().replace(f"{address}/ubi:1", f"{address}/moving:1"))
    found = []
    for salt in ("first", "second"):
        path = write_index(tmp_path, salt)
        debian_registry.push(path, address, "moving:1")
        assert run_ci(checkout, "pin").returncode == 0
        found.append(image_index.read(path).digest)
        assert found[-1] in manifest.read_text()
    assert found[0] != found[1]
    assert found[0] not in manifest.read_text()


def test_every_base_that_cannot_be_pinned_is_named(
    checkout: Path, address: str, indexes: dict[str, ImageIndex], tmp_path: Path
) -> None:
    debian_registry.push(write_index(tmp_path, "one", ("amd64",)), address, "one:1")
    manifest = checkout / "release.yaml"
    text = manifest.read_text().replace(f"{address}/ubi:1", f"{address}/one:1")
    manifest.write_text(text.replace(f"{address}/alpine:1", f"{address}/alpine:2"))
    before = state(checkout)
    done = run_ci(checkout, "pin")
    assert done.returncode == 18
    assert f"{address}/one:1: it has no image for linux/arm64 (there: linux/amd64)" in done.stderr
    assert (
        f'{address}/alpine:2: the tag 2: the registry does not have it (404, "MANIFEST_UNKNOWN: manifest unknown")'
        in done.stderr
    )
    assert state(checkout) == before
