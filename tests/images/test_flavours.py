"""Every flavour, really built: micro for itself, ubi and alpine on stand-ins (see `stand_ins.py`)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ci import oci, tars
from ci.errors import VerificationError
from ci.files import sha256_of
from ci.verify.check import Function
from tests.images.conftest import REGISTRY, checkout_for_tests, verify


def archive(checkout: Path, flavour: str, architecture: str = "amd64") -> Path:
    (found,) = (checkout / "dist" / "images").glob(f"*-{flavour}-{architecture}.oci.tar")
    return found


@pytest.mark.parametrize("flavour", ["micro", "ubi", "alpine"])
def test_it_is_what_it_says_and_answers(built: Path, c_function: Function, tmp_path: Path, flavour: str) -> None:
    # The stand-in for Alpine has glibc: that the musl function answers on musl, this cannot show.
    assert verify(built, archive(built, flavour), tmp_path / "check", [c_function]) is None


def test_micro_for_another_architecture_is_opened_and_says_whether_it_ran(built: Path, tmp_path: Path) -> None:
    note = verify(built, archive(built, "micro", "arm64"), tmp_path / "check", [])
    assert note is None or note.startswith("not run: programs for aarch64 do not run on this machine")


def test_micro_is_as_small_as_it_aims_to_be(built: Path) -> None:
    for architecture in ("amd64", "arm64"):
        total = oci.sizes(archive(built, "micro", architecture)).total
        assert total.unpacked < 13_000_000
        assert total.compressed < 5_500_000


def test_alpine_and_micro_carry_no_shell_and_no_package_manager(built: Path) -> None:
    for flavour in ("alpine", "micro"):
        image, _ = oci.read_archive(archive(built, flavour))
        programs = {name for name in oci.added_by(image) if name.startswith(("bin/", "sbin/", "usr/bin/", "usr/sbin/"))}
        python = {name for name in programs if name.startswith("usr/bin/python3")}
        assert programs == {"usr/bin/faas-runtime", *python}
        assert len(python) == 2


def test_micro_tells_scanners_what_it_is_made_of(built: Path) -> None:
    tree = tars.read(built / "dist" / "micro" / "root-amd64.tar")
    packages = {name.rpartition("/")[2] for name in tree if name.startswith("var/lib/dpkg/status.d/")}
    assert {"libc6", "libgcc-s1", "libffi8", "python3.13-minimal"} <= packages
    assert not any(name.startswith("libssl") for name in packages)
    for package in packages:
        assert tars.follow(tree, f"usr/share/doc/{package}/copyright"), package


def test_ubi_keeps_the_layers_of_its_base(built: Path, bases: dict[str, str]) -> None:
    image, manifest = oci.read_archive(archive(built, "ubi"))
    inspected = subprocess.run(
        ["buildah", "inspect", "--type=image", bases["ubi"]], capture_output=True, check=True
    ).stdout  # fmt: skip
    base = json.loads(inspected)
    assert image.config["rootfs"]["diff_ids"][:-1] == base["OCIv1"]["rootfs"]["diff_ids"]
    assert manifest["annotations"]["org.opencontainers.image.base.digest"] == base["FromImageDigest"]
    assert manifest["annotations"]["org.opencontainers.image.base.name"] == bases["ubi"]


def test_another_checkout_gives_the_same_bytes(built: Path, options: list[str], tmp_path: Path) -> None:
    second = checkout_for_tests(tmp_path / "a longer path" / "checkout")
    command = f"umask 077 && exec {sys.executable} -m ci images {' '.join(options)}"
    environment = {**os.environ, "TZ": "Pacific/Auckland", "LANG": "tr_TR.UTF-8"}
    done = subprocess.run(["sh", "-c", command], cwd=second, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    names = sorted(path.name for path in (built / "dist" / "images").iterdir())
    assert len(names) == 4
    for name in names:
        assert sha256_of(second / "dist" / "images" / name) == sha256_of(built / "dist" / "images" / name), name


def test_nothing_temporary_stays_in_the_storage(built: Path) -> None:
    listed = subprocess.run(["buildah", "images", "--format", "{{.Name}}"], capture_output=True, text=True, check=True)
    assert "faas-runtime-build" not in listed.stdout
    assert f"{REGISTRY}/faas-runtime" in listed.stdout


@pytest.mark.parametrize(
    ("path", "data", "said"),
    [
        ("usr/lib/faas-runtime/faas_runtime/loop.py", b"changed", "differ from the source tarball"),
        ("usr/lib/faas-runtime/faas_runtime/extra.py", b"", "not expected"),
        ("etc/shadow", b"root::", "files: "),
        ("var/cache/left", b"", "leftovers"),
    ],
)
def test_what_does_not_belong_is_found(built: Path, tmp_path: Path, path: str, data: bytes, said: str) -> None:
    image, _ = oci.read_archive(archive(built, "micro"))
    planted = tars.pack({**oci.added_by(image), path: tars.file(data)}, 0)
    spoilt = tmp_path / archive(built, "micro").name
    oci.write_archive(oci.Image(config=image.config, layers=(planted,)), spoilt, tag="spoilt")
    shutil.copystat(archive(built, "micro"), spoilt)
    with pytest.raises(VerificationError, match=said):
        verify(built, spoilt, tmp_path / "check", [])
