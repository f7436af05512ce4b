"""The normalised archive: what makes two of the same content differ must not reach it."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from ci import oci, tars
from ci.files import sha256_of

EPOCH = 1_700_000_000


def layer(*files: tuple[str, bytes], clock: int = 0, user: str = "", reverse: bool = False) -> bytes:
    """A layer as some engine on some machine would write it."""
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


def added(*layers: bytes, base_layers: int = 0) -> tars.Tree:
    normal = oci.normalised(image(*layers), base_layers=base_layers, architecture="amd64", epoch=EPOCH, title="t")
    return oci.added_by(normal)


def test_clock_owner_order_and_engine_leave_no_trace(tmp_path: Path) -> None:
    files = (("a", b"1"), ("b/c", b"2"))
    first = image(layer(*files), created="2020-01-01T00:00:00Z", author="me", container="1234")
    second = image(layer(*files, clock=99, user="root", reverse=True), created="2021-01-01T00:00:00Z")
    assert write(first, tmp_path / "first") == write(second, tmp_path / "second")


def test_the_number_of_steps_leaves_no_trace(tmp_path: Path) -> None:
    one = image(layer(("a", b"1"), ("b", b"2")))
    two = image(layer(("a", b"0"), ("gone", b"")), layer(("a", b"1"), ("b", b"2"), (".wh.gone", b"")))
    assert write(one, tmp_path / "one") == write(two, tmp_path / "two")


def test_content_and_settings_do_show(tmp_path: Path) -> None:
    sums = {
        write(image(layer(("a", b"1"))), tmp_path / "1"),
        write(image(layer(("a", b"2"))), tmp_path / "2"),
        write(image(layer(("b", b"1"))), tmp_path / "3"),
        write(image(layer(("a", b"1")), config={"Cmd": ["y"]}), tmp_path / "4"),
    }
    assert len(sums) == 4


def test_removals_hold_against_what_is_below() -> None:
    below = layer(("kept", b""), ("gone/x", b""))
    assert set(added(below, layer(("new", b""), (".wh.gone", b"")), base_layers=1)) == {"new", ".wh.gone"}
    assert set(added(below, layer(("new", b""), (".wh.gone", b"")))) == {"kept", "new"}
    assert set(added(layer(("d/x", b"")), layer(("d/.wh..wh..opq", b""), ("d/y", b"")))) == {"d/y"}


def test_what_engines_mount_is_no_content() -> None:
    assert set(added(layer(("etc/hosts", b""), ("etc/resolv.conf", b""), ("a", b"")))) == {"a"}
    assert set(added(layer(("etc/hosts", b"127.0.0.1 localhost")))) == {"etc/hosts"}


def test_the_layers_of_the_base_stay_byte_for_byte(tmp_path: Path) -> None:
    base = layer(("a", b"1"), clock=5, user="builder", reverse=True)
    write(image(base, layer(("b", b"2"))), tmp_path / "archive", base_layers=1)
    read, manifest = oci.read_archive(tmp_path / "archive")
    assert read.layers[0] == base
    assert len(manifest["layers"]) == 2
    sizes = oci.sizes(tmp_path / "archive")
    assert sizes.base[0].unpacked == len(base)
    assert sizes.added.compressed == manifest["layers"][1]["size"]


def test_the_history_of_the_base_stays(tmp_path: Path) -> None:
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
