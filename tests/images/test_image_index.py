"""The index of a flavour: the same blobs as the images' own archives, read by every tool, and each fault is found."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ci.core import tars
from ci.core.architectures import host_name
from ci.core.errors import ReleaseError, VerificationError
from ci.core.run import Runner
from ci.core.tars import FileTree
from ci.images import image_index, oci
from ci.manifest import dist_paths
from ci.manifest.reader import load
from ci.manifest.release import Release
from ci.pipeline.jobs import Output, Project, Variant, Verdict
from ci.prove import compare, contents
from ci.sboms.contents import OpenedArtifact
from ci.verify.check import Check
from ci.verify.consistency import readers
from ci.verify.consistency.expected import of_manifest
from ci.verify.image_index import verify
from tests.images.conftest import require_engine
from tests.packages.support import open_project
from tests.snapshots import REGISTRY
from tests.support import ROOT

FLAVOUR = "micro"


@pytest.fixture(scope="module")
def release() -> Release:
    found = load(ROOT / "release.yaml")
    # Not the names of the snapshot's images, which engines may have stored already.
    return dataclasses.replace(found, images=dataclasses.replace(found.images, registry=f"{REGISTRY}-index"))


def labels(release: Release) -> dict[str, str]:
    key = "org.opencontainers.image."
    return {
        "name": release.name,
        f"{key}title": release.name,
        f"{key}version": release.version.oci,
        f"{key}description": release.summary,
        f"{key}licenses": release.license,
        f"{key}source": release.home,
        f"{key}url": release.home,
        f"{key}documentation": release.documentation,
        f"{key}vendor": release.vendor,
        f"{key}authors": release.maintainer,
        f"{key}created": f"{release.date}T00:00:00Z",
    }


def write_image(release: Release, dist: Path, architecture: str, salt: str = "") -> Path:
    """A small image for an architecture, written as every flavour is; the layer of one platform is not the other's."""
    tree = {"hello": tars.file(f"hello {architecture} {salt}\n".encode())}
    settings = {"Cmd": ["/hello"], "Labels": {**labels(release), "org.opencontainers.image.base.digest": architecture}}
    config = {"architecture": architecture, "os": "linux", "config": settings, "history": []}
    built = oci.Image(config=config, layers=(tars.pack(tree, 0),))
    image = oci.normalised(built, base_layers=0, architecture=architecture, epoch=release.epoch, title="small")
    path = dist / dist_paths.image(release, FLAVOUR, architecture)
    oci.write_archive(image, path, tag=f"{image_index.reference(release, FLAVOUR)}-{architecture}")
    return path


@pytest.fixture(scope="module")
def project(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A `dist/` with two images and their index."""
    project = open_project(ROOT, tmp_path_factory.mktemp("dist"), release)
    archives = [write_image(release, project.dist, name) for name in ("amd64", "arm64")]
    image_index.write(archives, path_of(project), tag=image_index.reference(release, FLAVOUR))
    return project


def path_of(project: Project) -> Path:
    return project.dist / dist_paths.image_index(project.release, FLAVOUR)


def check_of(project: Project, folder: Path, path: Path | None = None) -> Check:
    folder.mkdir()
    return Check(
        project=project,
        output=Output(kind="image-index", path=dist_paths.image_index(project.release, FLAVOUR)),
        variant=Variant(flavour=FLAVOUR),
        path=path or path_of(project),
        folder=folder,
        run=Runner(log=folder.with_suffix(".log")),
        functions=(),
    )


def test_it_is_verified(project: Project, tmp_path: Path) -> None:
    verdict: Verdict = verify(check_of(project, tmp_path / "check"))
    assert verdict.passed
    digest = image_index.read(path_of(project)).digest
    assert verdict.notes[0] == f"{digest} for linux/amd64, linux/arm64"


def test_blobs_are_those_of_the_images_byte_for_byte(project: Project) -> None:
    index = image_index.read(path_of(project))
    own: dict[str, bytes] = {}
    for name in ("amd64", "arm64"):
        tree = tars.read(project.dist / dist_paths.image(project.release, FLAVOUR, name))
        own.update({path: entry.data for path, entry in tree.items() if path.startswith("blobs/sha256/")})
        (described,) = json.loads(tree["index.json"].data)["manifests"]
        assert index.platforms[f"linux/{name}"] == described["digest"]
    assert {oci.blob_path(name): data for name, data in index.blobs.items() if name != index.digest} == own
    assert len(index.blobs) == 2 * 3 + 1


def test_annotations_are_what_all_images_have_alike(project: Project) -> None:
    annotations = image_index.read(path_of(project)).document["annotations"]
    assert annotations == {key: value for key, value in labels(project.release).items() if key != "name"}


def test_the_same_images_give_the_same_bytes(project: Project, tmp_path: Path) -> None:
    archives = [project.dist / dist_paths.image(project.release, FLAVOUR, name) for name in ("amd64", "arm64")]
    image_index.write(archives, tmp_path / "again.tar", tag=image_index.reference(project.release, FLAVOUR))
    assert (tmp_path / "again.tar").read_bytes() == path_of(project).read_bytes()


def test_skopeo_reads_and_copies_the_archive_itself(project: Project, tmp_path: Path) -> None:
    index = image_index.read(path_of(project))
    archive = f"oci-archive:{path_of(project)}"
    raw = subprocess.run(["skopeo", "inspect", "--raw", archive], check=True, capture_output=True).stdout
    assert raw == index.blobs[index.digest]
    copy = ["skopeo", "copy", "-q", "--multi-arch", "all", "--preserve-digests", archive, f"dir:{tmp_path}/copy"]
    subprocess.run(copy, check=True)
    copied = {oci.digest_of(path.read_bytes()) for path in (tmp_path / "copy").iterdir() if path.name != "version"}
    assert copied == set(index.blobs)


def is_stored(engine: str, name: str) -> bool:
    return subprocess.run([engine, "image", "inspect", name], capture_output=True, check=False).returncode == 0


@pytest.fixture
def loaded_by(request: pytest.FixtureRequest, project: Project, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """An engine that has loaded the archive with its own `load`, and the name to look under; it goes afterwards."""
    engine = str(request.param)
    require_engine(Runner(log=tmp_path / "log"), engine)
    done = subprocess.run([engine, "load", "--input", path_of(project)], capture_output=True, text=True, check=False)
    name = image_index.reference(project.release, FLAVOUR)
    names = [name, *(f"{name}-{one}" for one in ("amd64", "arm64"))]
    try:
        assert done.returncode == 0, done.stderr
        yield engine, next(one for one in names if is_stored(engine, one))
    finally:
        for one in names:
            subprocess.run([engine, "rmi", "--force", one], capture_output=True, check=False)


@pytest.mark.parametrize("loaded_by", ["docker", "podman"], indirect=True)
def test_an_engine_loads_the_image_for_its_machine(loaded_by: tuple[str, str], project: Project) -> None:
    engine, name = loaded_by
    found = subprocess.run([engine, "image", "inspect", name], capture_output=True, text=True, check=True).stdout
    assert json.loads(found)[0]["Architecture"] == host_name()
    assert json.loads(found)[0]["Config"]["Cmd"] == ["/hello"]


def test_its_facts_are_the_expected_ones(project: Project, tmp_path: Path) -> None:
    source = readers.ArtifactOfProject(
        project=project,
        path=path_of(project),
        variant=Variant(flavour=FLAVOUR),
        folder=tmp_path,
        run=Runner(log=tmp_path / "log"),
    )
    facts = readers.index(source)
    assert facts == {name: of_manifest(project)[name] for name in facts}
    assert {"platforms", "version as images spell it", "licence", "date"} <= facts.keys()


def test_it_can_be_compared_with_another_release(project: Project, tmp_path: Path) -> None:
    source = OpenedArtifact(path=path_of(project), folder=tmp_path, run=Runner(log=tmp_path / "log"))
    aspects = contents.read("image-index", source, name="faas-runtime", version="0.1.0")
    assert aspects["settings"]["platforms"] == "linux/amd64, linux/arm64"
    assert aspects["licences"] == {"image": "Apache-2.0"}
    assert compare.subject("image-index", "faas-runtime-0.1.0-micro.oci-index.tar", "faas-runtime") == "image micro"


def changed(project: Project, target: Path, change: Callable[[FileTree, dict[str, Any]], object]) -> Path:
    """A copy of the archive after a change of its members and of the index, which is then written under its digest."""
    tree = tars.read(path_of(project))
    index = image_index.read(path_of(project))
    document = json.loads(index.blobs[index.digest])
    change(tree, document)
    data = oci.as_json(document)
    if oci.digest_of(data) != index.digest:
        del tree[oci.blob_path(index.digest)]
        tree[oci.blob_path(oci.digest_of(data))] = tars.file(data)
        top = json.loads(tree["index.json"].data)
        top["manifests"][0].update(digest=oci.digest_of(data), size=len(data))
        tree["index.json"] = tars.file(oci.as_json(top))
    target.write_bytes(tars.pack(tree, 0))
    return target


def a_byte_of_a_layer(tree: FileTree, document: dict[str, Any]) -> None:
    name = next(name for name, entry in sorted(tree.items()) if entry.data[:2] == b"\x1f\x8b")
    data = tree[name].data
    tree[name] = tars.file(data[:-1] + bytes([data[-1] ^ 1]))


def another_blob(tree: FileTree, document: dict[str, Any]) -> None:
    tree[oci.blob_path(oci.digest_of(b"more"))] = tars.file(b"more")


def another_name(tree: FileTree, document: dict[str, Any]) -> None:
    tree["index.json"] = tars.file(tree["index.json"].data.replace(b"-micro", b"-macro"))


def no_layer(tree: FileTree, document: dict[str, Any]) -> None:
    del tree[next(name for name, entry in sorted(tree.items()) if entry.data[:2] == b"\x1f\x8b")]


def swapped(tree: FileTree, document: dict[str, Any]) -> None:
    first, second = document["manifests"]
    first["digest"], second["digest"] = second["digest"], first["digest"]


FAULTS: dict[str, tuple[Callable[[FileTree, dict[str, Any]], object], str]] = {
    "a byte of a layer": (a_byte_of_a_layer, "is damaged"),
    "a blob more": (another_blob, "blobs: missing [], not expected ['sha256:"),
    "a blob less": (no_layer, "blobs: missing ['sha256:"),
    "another file": (lambda tree, _: tree.update(x=tars.file(b"")), "files beside the blobs: missing [], not expected"),
    "another name": (another_name, "names in index.json"),
    "a platform less": (lambda _, document: document["manifests"].pop(), "platforms: found ['linux/amd64']"),
    "platforms swapped": (swapped, "digest of the image for linux/amd64"),
    "another size": (lambda _, document: document["manifests"][0].update(size=1), "description of the image for"),
    "another type": (lambda _, document: document.update(mediaType="text/plain"), "version and type of the index"),
    "another version": (
        lambda _, document: document["annotations"].update({"org.opencontainers.image.version": "9"}),
        "org.opencontainers.image.version: found '9'",
    ),
    "no annotations": (lambda _, document: document.pop("annotations"), "not an archive that this tooling makes"),
    "nothing for docker": (lambda tree, _: tree.pop("manifest.json"), "not an archive that this tooling makes"),
    "docker gets another image": (
        lambda tree, _: tree.update({"manifest.json": tars.file(b"[]")}),
        "manifest.json: found []",
    ),
}


@pytest.mark.mutant
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(project: Project, tmp_path: Path, fault: str) -> None:
    change, said = FAULTS[fault]
    path = changed(project, tmp_path / "changed.tar", change)
    with pytest.raises((VerificationError, ReleaseError)) as raised:
        verify(check_of(project, tmp_path / "check", path))
    assert said in str(raised.value)


@pytest.mark.mutant
def test_an_image_of_another_build_is_found(project: Project, tmp_path: Path, release: Release) -> None:
    archives = [write_image(release, tmp_path / "dist", name, salt="other") for name in ("amd64", "arm64")]
    other = tmp_path / "other.tar"
    image_index.write(archives, other, tag=image_index.reference(release, FLAVOUR))
    with pytest.raises(VerificationError, match="digest of the image for linux/amd64: found 'sha256:"):
        verify(check_of(project, tmp_path / "check", other))


@pytest.mark.mutant
def test_a_damaged_image_gives_no_index(project: Project, tmp_path: Path, release: Release) -> None:
    archive = write_image(release, tmp_path / "dist", "amd64")
    tree = tars.read(archive)
    a_byte_of_a_layer(tree, {})
    archive.write_bytes(tars.pack(tree, 0))
    with pytest.raises(ReleaseError, match="is damaged"):
        image_index.write([archive], tmp_path / "index.tar", tag="x")
    assert not (tmp_path / "index.tar").exists()
