"""One fault at a time in a copy of an archive that was really built: the right proof turns red, and names the fault."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ci.commands.running import open_project
from ci.core import tars
from ci.core.errors import VerificationError
from ci.core.run import Runner
from ci.core.tars import FileTree
from ci.images import oci
from ci.manifest import dist_paths
from ci.manifest.release import Budgets
from ci.pipeline.jobs import Options
from ci.prove import compare
from ci.verify import in_engine, sbom
from tests.images.conftest import check_of, verify
from tests.images.test_flavours import archive
from tests.packages.support import check_of as check_of_package
from tests.prove.dists import listed

pytestmark = pytest.mark.mutant

BUNDLE = "etc/ssl/certs/ca-certificates.crt"
ADDED = "Package: netcat\nStatus: install ok installed\nVersion: 1.10-48\n"


def planted(
    built: Path,
    flavour: str,
    folder: Path,
    *,
    files: Callable[[FileTree], object] | None = None,
    layer: int = -1,
    settings: Mapping[str, Any] | None = None,
) -> Path:
    """A copy of an archive after a change of the files of one layer, the uppermost by default, or of settings."""
    source = archive(built, flavour)
    image, manifest = oci.read_archive(source)
    layers = list(image.layers)
    if files:
        tree = tars.read_bytes(layers[layer])
        files(tree)
        layers[layer] = tars.pack(tars.with_parents(tree), 0)
    digests = [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in layers]
    config = {
        **image.config,
        "config": {**image.config["config"], **(settings or {})},
        "rootfs": {"type": "layers", "diff_ids": digests},
    }
    path = folder / "images" / source.name
    path.parent.mkdir(parents=True)
    oci.write_archive(dataclasses.replace(image, config=config, layers=tuple(layers)), path, tag="tests.invalid/x:1")
    assert oci.read_archive(path)[1]["annotations"] == manifest["annotations"]
    return path


def refused(path: Path, said: str) -> Any:
    return pytest.raises(VerificationError, match=rf"^images/{re.escape(path.name)}: {said}")


@pytest.mark.parametrize("flavour", ["micro", "alpine"])
def test_a_missing_ca_bundle(built: Path, tmp_path: Path, flavour: str) -> None:
    path = planted(built, flavour, tmp_path, files=lambda tree: tree.pop(BUNDLE))
    with refused(path, f"not true: {BUNDLE} is there, with b'-----BEGIN CERTIFICATE-----' in it"):
        verify(built, path, tmp_path / "check", [])


@pytest.mark.parametrize("flavour", ["micro", "alpine", pytest.param("ubi", marks=pytest.mark.long)])
def test_a_root_user(built: Path, tmp_path: Path, flavour: str) -> None:
    path = planted(built, flavour, tmp_path, settings={"User": "0:0"})
    with refused(path, "settings: User: found '0:0', expected '65532:65532'"):
        verify(built, path, tmp_path / "check", [])


def test_a_root_user_in_the_install_gate(built: Path, tmp_path: Path) -> None:
    path = planted(built, "micro", tmp_path, settings={"User": "0:0"})
    check = check_of(built, path, tmp_path / "check", [], "buildah")
    with refused(path, r"user and group in the container: found \(0, 0\), expected \(65532, 65532\)"):
        in_engine.install(check)


def test_a_package_added_to_micro(built: Path, tmp_path: Path) -> None:
    listing = "var/lib/dpkg/status.d/netcat"
    path = planted(built, "micro", tmp_path, files=lambda tree: tree.update({listing: tars.file(ADDED.encode())}))
    with refused(path, rf"files: missing \[\], not expected \['{listing}'\]"):
        verify(built, path, tmp_path / "check", [])


@pytest.mark.long
def test_a_package_added_to_the_base_of_ubi(built: Path, tmp_path: Path) -> None:
    """Its SBOM does not list it, and `compare` shows it: both read the base, which is not ours."""

    def add(tree: FileTree) -> None:
        status = tree["var/lib/dpkg/status"]  # the stand-in for the base is a Debian root
        tree["var/lib/dpkg/status"] = dataclasses.replace(status, data=status.data + f"\n{ADDED}".encode())

    path = planted(built, "ubi", tmp_path, files=add, layer=0)
    project = dataclasses.replace(open_project(built, Options()), dist=tmp_path)
    for form in ("spdx", "cdx"):
        document = built / "dist" / dist_paths.sbom(path.name, form)
        check = check_of_package(project, "sbom", tmp_path / dist_paths.sbom(path.name, form), tmp_path / form)
        check.path.parent.mkdir(exist_ok=True)
        shutil.copyfile(document, check.path)
        with pytest.raises(VerificationError, match=rf"^sbom/{path.name}\.{form}\.json: packages: missing \['netcat"):
            sbom.verify(check)
    before = tmp_path / "before" / "images" / path.name
    before.parent.mkdir(parents=True)
    shutil.copyfile(archive(built, "ubi"), before)
    dists = [listed(one, {f"images/{path.name}": "image"}) for one in (tmp_path / "before", tmp_path)]
    run = Runner(log=tmp_path / "log")
    (found,) = compare.compare(dists[0], dists[1], Budgets(image=5, package=10), tmp_path / "work", run)
    assert set(found.differences) == {"packages", "files"}
    assert found.differences["packages"].added == {"netcat": "1.10-48"}
    assert set(found.differences["files"].changed) == {"var/lib/dpkg/status"}
