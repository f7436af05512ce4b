"""The SBOMs of the images of a snapshot, and what a scanner finds in the same archives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci.core.run import Runner
from ci.prove import contents
from ci.sboms import reading
from ci.sboms.contents import OpenedArtifact
from tests.images.test_flavours import archive
from tests.sboms.conftest import packages_found


def packages_in(path: Path) -> set[str]:
    """The package URLs in an SBOM, without that of our own package, which no package manager has installed."""
    listed = reading.read(path.name, path.read_bytes())
    return {purl for purl, (name, _, _) in listed.packages.items() if not (name == "faas-runtime" and "pypi" in purl)}


def documents(built: Path, flavour: str, architecture: str = "amd64") -> tuple[Path, Path]:
    name = archive(built, flavour, architecture).name
    folder = built / "dist" / "sbom"
    return folder / f"{name}.spdx.json", folder / f"{name}.cdx.json"


@pytest.mark.parametrize("flavour", ["micro", "alpine"])
def test_a_scanner_finds_the_same_packages(built: Path, tmp_path: Path, flavour: str) -> None:
    found = {one["purl"] for one in packages_found(archive(built, flavour), tmp_path)}
    assert len(found) >= 3
    for path in documents(built, flavour):
        assert packages_in(path) == found


def test_both_documents_say_the_same(built: Path) -> None:
    for flavour in ("micro", "alpine", "ubi"):
        first, second = (reading.read(path.name, path.read_bytes()) for path in documents(built, flavour))
        assert first == second
        assert any(path.endswith("faas_runtime/serving.py") for path in first.files)


def test_every_package_of_debian_has_its_licence(built: Path) -> None:
    listed = (reading.read(path.name, path.read_bytes()) for path in documents(built, "micro", "arm64"))
    licences = [licence for document in listed for _, _, licence in document.packages.values()]
    assert len(licences) > 20
    assert "NOASSERTION" not in licences


@pytest.mark.parametrize("flavour", ["micro", "alpine"])
def test_a_comparison_reads_the_same_licences(built: Path, tmp_path: Path, flavour: str) -> None:
    source = OpenedArtifact(path=archive(built, flavour), folder=tmp_path, run=Runner(log=tmp_path / "log"))
    found = contents.read("image", source, name="faas-runtime", version="0.1.0")
    path, _ = documents(built, flavour)
    listed = reading.read(path.name, path.read_bytes())
    expected = {name: licence for name, _, licence in listed.packages.values() if name != "faas-runtime"}
    assert found["packages"].keys() == expected.keys()
    del found["licences"]["image"]
    if flavour == "micro":
        assert found["licences"] == expected
    assert found["licences"].keys() == expected.keys()


def test_ubi_has_our_package_as_rpm_lists_it(built: Path) -> None:
    path, _ = documents(built, "ubi")
    listed = reading.read(path.name, path.read_bytes())
    versions = {name: version for name, version, _ in listed.packages.values()}
    assert versions["faas-runtime"] == "0.1.0-1"
    assert "python3" in versions
    assert not listed.needs


def test_our_package_depends_on_the_python_in_the_image(built: Path) -> None:
    path, other = documents(built, "micro")
    document = json.loads(path.read_bytes())
    names = {package["SPDXID"]: package["name"] for package in document["packages"]}
    related = [one for one in document["relationships"] if one["relationshipType"] == "DEPENDS_ON"]
    pairs = [(names[one["spdxElementId"]], names[one["relatedSpdxElement"]]) for one in related]
    assert pairs == [("faas-runtime", "python3.13-minimal")]
    graph = {one["ref"]: one.get("dependsOn", []) for one in json.loads(other.read_bytes())["dependencies"]}
    (own,) = (ref for ref in graph if ref.startswith("pkg:pypi/faas-runtime@"))
    assert [ref.partition("@")[0] for ref in graph[own]] == ["pkg:deb/debian/python3.13-minimal"]
