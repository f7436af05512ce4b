"""The archives that are pushed: what is not in order is found before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ci.core import tars
from ci.core.errors import VerificationError
from ci.core.tars import FileTree
from ci.images import oci
from ci.publish import image_archive
from ci.publish.release_set import ReleaseSet
from tests.publish import image_sets

INDEX = "faas-runtime-0.1.0-micro.oci-index.tar"


@pytest.fixture
def release_set(tmp_path: Path) -> ReleaseSet:
    return image_sets.make(tmp_path / "set", flavours=("micro",))


def test_what_is_pushed(release_set: ReleaseSet) -> None:
    (flavour,) = image_archive.flavours(release_set)
    assert flavour.name == "micro"
    assert [(one.platform, one.archive) for one in flavour.images] == [
        (f"linux/{one}", f"faas-runtime-0.1.0-micro-{one}.oci.tar") for one in ("amd64", "arm64")
    ]
    for image in flavour.images:
        document = json.loads(image.manifest)
        named = [document["config"]["digest"], *(layer["digest"] for layer in document["layers"])]
        assert [place.digest for place in image.blobs] == named
        assert all(oci.digest_of(place.read()) == place.digest for place in image.blobs)


def top_of(tree: FileTree) -> dict[str, Any]:
    (found,) = json.loads(tree["index.json"].data)["manifests"]
    return dict(found)


def set_top(tree: FileTree, top: object) -> None:
    tree["index.json"] = tars.file(json.dumps({"manifests": [top]}).encode())


def with_index(change: Callable[[dict[str, Any]], object]) -> Callable[[FileTree], None]:
    """A change of the index, which is then stored under its new digest."""

    def changed(tree: FileTree) -> None:
        top = top_of(tree)
        document = json.loads(tree.pop(oci.blob_path(top["digest"])).data)
        change(document)
        data = json.dumps(document).encode()
        tree[oci.blob_path(oci.digest_of(data))] = tars.file(data)
        set_top(tree, {**top, "digest": oci.digest_of(data), "size": len(data)})

    return changed


def a_layer(tree: FileTree) -> str:
    top = top_of(tree)
    index = json.loads(tree[oci.blob_path(top["digest"])].data)
    manifest = json.loads(tree[oci.blob_path(index["manifests"][0]["digest"])].data)
    return oci.blob_path(manifest["layers"][1]["digest"])


def longer(tree: FileTree) -> None:
    tree[a_layer(tree)] = tars.file(b"longer" * 1000)


FAULTS: dict[str, tuple[Callable[[FileTree], object], str]] = {
    "a file that does not belong there": (lambda tree: tree.update(x=tars.file(b"")), "'x', which does not belong"),
    "a link": (lambda tree: tree.update({"index.json": tars.link("oci-layout")}), "does not belong there"),
    "a blob that nothing names": (
        lambda tree: tree.update({oci.blob_path(oci.digest_of(b"x")): tars.file(b"x")}), "which nothing in it names",
    ),
    "a layer is missing": (lambda tree: tree.pop(a_layer(tree)), "is missing, of another size, or not"),
    "a layer of another size": (longer, "is missing, of another size, or not"),
    "no index": (lambda tree: tree.pop("index.json"), "it names no image"),
    "no image in the index": (lambda tree: tree.update({"index.json": tars.file(b"{}")}), "it names no image"),
    "an image in the place of the index": (
        lambda tree: set_top(tree, {**top_of(tree), "mediaType": "application/vnd.oci.image.manifest.v1+json"}),
        "not application/vnd.oci.image.index",
    ),
    "an index of another type": (with_index(lambda index: index.pop("mediaType")), "of schema version 2"),
    "an image without a platform": (with_index(lambda index: index["manifests"][0].pop("platform")), "'platform'"),
    "no images": (with_index(lambda index: index.update(manifests={})), "manifests is not a list"),
    "an image without a digest": (with_index(lambda index: index["manifests"][0].pop("digest")), "no SHA-256 digest"),
    "a size that is no number": (with_index(lambda index: index["manifests"][0].update(size=True)), "has no size"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str, release_set: ReleaseSet) -> None:
    change, message = FAULTS[name]
    path = release_set.folder / INDEX
    tree = tars.read(path)
    change(tree)
    path.write_bytes(tars.pack(tree, 0))
    with pytest.raises(VerificationError, match=message) as caught:
        image_archive.flavours(image_sets.read(release_set.folder))
    assert INDEX in str(caught.value)
    assert caught.value.hint == "make the set again: nox -s release"


def test_a_damaged_layer_is_not_read(release_set: ReleaseSet) -> None:
    path = release_set.folder / INDEX
    tree = tars.read(path)
    layer = a_layer(tree)
    tree[layer] = tars.file(bytes([tree[layer].data[0] ^ 1]) + tree[layer].data[1:])
    path.write_bytes(tars.pack(tree, 0))
    (flavour,) = image_archive.flavours(image_sets.read(release_set.folder))
    with pytest.raises(VerificationError, match="is damaged"):
        flavour.images[0].blobs[2].read()


def test_no_tar_file(release_set: ReleaseSet) -> None:
    (release_set.folder / INDEX).write_bytes(b"nothing\n" * 200)
    with pytest.raises(VerificationError, match="it is not an archive of a release"):
        image_archive.flavours(image_sets.read(release_set.folder))


def test_an_image_without_its_own_archive(release_set: ReleaseSet) -> None:
    (release_set.folder / "faas-runtime-0.1.0-micro-arm64.oci.tar").unlink()
    with pytest.raises(VerificationError, match="is in no archive of its own"):
        image_archive.flavours(image_sets.read(release_set.folder))


def test_a_strange_name(release_set: ReleaseSet) -> None:
    path = release_set.folder / INDEX
    path.rename(path.with_name("other-runtime-0.1.0-micro.oci-index.tar"))
    with pytest.raises(VerificationError, match="its name is not faas-runtime-0"):
        image_archive.flavours(image_sets.read(release_set.folder))
