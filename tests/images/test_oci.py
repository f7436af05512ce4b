"""The normalised archive: its bytes depend on its content alone."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ci.core import tars
from ci.core.errors import ReleaseError
from ci.core.files import sha256_of
from ci.images import oci

EPOCH = 1_700_000_000


def layer(*files: tuple[str, bytes], clock: int = 0, user: str = "", reverse: bool = False) -> bytes:
    """A layer as an engine could write it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in sorted(files, reverse=reverse):
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uname, info.gname = len(data), clock, user, user
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def image(*layers: bytes, **config: Any) -> oci.Image:
    settings = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["x"]}, "history": [], **config}
    return oci.Image(config=settings, layers=layers)


def write(built: oci.Image, path: Path, base_layers: int = 0) -> str:
    normal = oci.normalised(built, base_layers=base_layers, architecture="amd64", epoch=EPOCH, title="t")
    oci.write_archive(normal, path, tag="name:tag")
    return sha256_of(path)


def added(*layers: bytes, base_layers: int = 0) -> tars.FileTree:
    normal = oci.normalised(image(*layers), base_layers=base_layers, architecture="amd64", epoch=EPOCH, title="t")
    return oci.added_by(normal)


def test_the_bytes_do_not_depend_on_clock_owner_order_and_engine(tmp_path: Path) -> None:
    files = (("a", b"1"), ("b/c", b"2"))
    first = image(layer(*files), created="2020-01-01T00:00:00Z", author="me", container="1234")
    second = image(layer(*files, clock=99, user="root", reverse=True), created="2021-01-01T00:00:00Z")
    assert write(first, tmp_path / "first") == write(second, tmp_path / "second")


def test_the_bytes_do_not_depend_on_the_number_of_steps(tmp_path: Path) -> None:
    one = image(layer(("a", b"1"), ("b", b"2")))
    two = image(layer(("a", b"0"), ("gone", b"")), layer(("a", b"1"), ("b", b"2"), (".wh.gone", b"")))
    assert write(one, tmp_path / "one") == write(two, tmp_path / "two")


def test_the_bytes_depend_on_content_and_settings(tmp_path: Path) -> None:
    sums = {
        write(image(layer(("a", b"1"))), tmp_path / "1"),
        write(image(layer(("a", b"2"))), tmp_path / "2"),
        write(image(layer(("b", b"1"))), tmp_path / "3"),
        write(image(layer(("a", b"1")), config={"Cmd": ["y"]}), tmp_path / "4"),
    }
    assert len(sums) == 4


def test_removals_remove_what_is_below() -> None:
    below = layer(("kept", b""), ("gone/x", b""))
    assert set(added(below, layer(("new", b""), (".wh.gone", b"")), base_layers=1)) == {"new", ".wh.gone"}
    assert set(added(below, layer(("new", b""), (".wh.gone", b"")))) == {"kept", "new"}
    assert set(added(layer(("d/x", b"")), layer(("d/.wh..wh..opq", b""), ("d/y", b"")))) == {"d/y"}


def linked(name: str) -> bytes:
    return tars.pack({name: tars.link("elsewhere")}, 0)


def test_files_of_a_folder_are_not_below_the_link_that_replaces_it() -> None:
    assert set(added(layer(("d/x", b""), ("dx", b"")), linked("d"))) == {"d", "dx"}


def test_an_opaque_root_hides_all_that_is_below() -> None:
    assert set(added(layer(("a", b""), ("d/x", b"")), layer((".wh..wh..opq", b""), ("b", b"")))) == {"b"}


def test_an_image_for_another_architecture_is_refused() -> None:
    built = image(layer(("a", b"")), architecture="arm64")
    with pytest.raises(ReleaseError, match="built it for arm64, not for amd64"):
        oci.normalised(built, base_layers=0, architecture="amd64", epoch=EPOCH, title="t")


def damage(path: Path, change: Callable[[tars.FileTree, str, str], object]) -> None:
    """Change an archive's tree; `change` gets the tree, and the paths of the configuration and of the layer."""
    tree = tars.read(path)
    _, manifest = oci.read_archive(path)
    config, content = (
        f"blobs/{one['digest'].replace(':', '/')}" for one in (manifest["config"], manifest["layers"][0])
    )
    change(tree, config, content)
    path.write_bytes(tars.pack(tree, 0))


@pytest.mark.parametrize("which", [0, 1])
def test_a_blob_with_a_wrong_digest_is_found(tmp_path: Path, which: int) -> None:
    write(image(layer(("a", b"1"))), tmp_path / "archive")

    def change(tree: tars.FileTree, *blobs: str) -> None:
        tree[blobs[which]] = tars.file(gzip.compress(layer(("a", b"2"))))

    damage(tmp_path / "archive", change)
    with pytest.raises(ReleaseError, match="is damaged"):
        oci.read_archive(tmp_path / "archive")


def test_a_missing_blob_is_found(tmp_path: Path) -> None:
    write(image(layer(("a", b"1"))), tmp_path / "archive")
    damage(tmp_path / "archive", lambda tree, _, content: tree.pop(content))
    with pytest.raises(ReleaseError, match="is missing"):
        oci.read_archive(tmp_path / "archive")


def test_a_layer_that_the_configuration_does_not_name_is_found(tmp_path: Path) -> None:
    config = {**image().config, "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]}}
    oci.write_archive(oci.Image(config=config, layers=(layer(("a", b"1")),)), tmp_path / "archive", tag="t")
    with pytest.raises(ReleaseError, match="diff_ids"):
        oci.read_archive(tmp_path / "archive")


def test_an_archive_that_describes_two_images_is_found(tmp_path: Path) -> None:
    write(image(layer(("a", b"1"))), tmp_path / "archive")

    def change(tree: tars.FileTree, config: str, _: str) -> None:
        described = {"Config": config, "Layers": ["blobs/sha256/other"], "RepoTags": ["t"]}
        tree["manifest.json"] = tars.file(json.dumps([described]).encode())

    damage(tmp_path / "archive", change)
    with pytest.raises(ReleaseError, match="different images"):
        oci.read_archive(tmp_path / "archive")


def test_the_bytes_do_not_depend_on_the_version_of_python(tmp_path: Path) -> None:
    """The header of gzip.compress differs between 3.11 and 3.13."""
    write(image(layer(("a", b"1"))), tmp_path / "archive")
    image_, manifest = oci.read_archive(tmp_path / "archive")
    blob = tars.read(tmp_path / "archive")[f"blobs/{manifest['layers'][0]['digest'].replace(':', '/')}"].data
    assert blob[:10].hex() == "1f8b08000000000002ff"
    assert gzip.decompress(blob) == image_.layers[0]


def test_what_engines_mount_is_not_content() -> None:
    assert set(added(layer(("etc/hosts", b""), ("etc/resolv.conf", b""), ("a", b"")))) == {"a"}
    assert set(added(layer(("etc/hosts", b"127.0.0.1 localhost")))) == {"etc/hosts"}


def test_the_layers_of_the_base_do_not_change(tmp_path: Path) -> None:
    base = layer(("a", b"1"), clock=5, user="builder", reverse=True)
    write(image(base, layer(("b", b"2"))), tmp_path / "archive", base_layers=1)
    read, manifest = oci.read_archive(tmp_path / "archive")
    assert read.layers[0] == base
    assert len(manifest["layers"]) == 2
    sizes = oci.sizes(tmp_path / "archive")
    assert sizes.base[0].unpacked == len(base)
    assert sizes.added.compressed == manifest["layers"][1]["size"]


def test_the_history_of_the_base_is_kept(tmp_path: Path) -> None:
    history = [{"created_by": "base"}, {"created_by": "env", "empty_layer": True}, {"created_by": "ours"}]
    normal = oci.normalised(
        image(layer(), layer(), history=history), base_layers=1, architecture="amd64", epoch=EPOCH, title="t"
    )
    assert [entry["created_by"] for entry in normal.config["history"]] == ["base", "t"]


def test_a_layout_is_read_compressed_or_not(tmp_path: Path) -> None:
    config, plain = json.dumps({"config": {}}).encode(), layer(("a", b"1"))
    manifest = {"config": {"digest": "sha256:c"}, "layers": [{"digest": "sha256:1"}, {"digest": "sha256:2"}]}
    blobs = {"c": config, "1": plain, "2": gzip.compress(plain), "m": json.dumps(manifest).encode()}
    (tmp_path / "blobs" / "sha256").mkdir(parents=True)
    for name, data in blobs.items():
        (tmp_path / "blobs" / "sha256" / name).write_bytes(data)
    (tmp_path / "index.json").write_text(json.dumps({"manifests": [{"digest": "sha256:m"}]}))
    assert oci.read_layout(tmp_path).layers == (plain, plain)
