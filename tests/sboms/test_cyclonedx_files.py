"""The files in a CycloneDX document, which are written without the library's model: as with it."""

from __future__ import annotations

import json
import warnings

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6

from ci.sboms import cyclonedx, reading
from ci.sboms.model import Contents, Package, Publisher, files_of

PUBLISHER = Publisher(name="tests", home="https://tests.invalid", tool="tests-1", epoch=1_700_000_000)
FILES = files_of({"usr/ü": b"1", "usr/Z": b"2", 'usr/a "b"\n': b"", "usr/a": b"3", "usr/\U0001f40d": b"4"})


def test_files_are_written_as_the_library_writes_them() -> None:
    components = [
        Component(
            name=file.path,
            type=ComponentType.FILE,
            bom_ref=f"file:{file.path}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file.sha256)],
        )
        for file in FILES
    ]
    owner = Component(name="owner", type=ComponentType.APPLICATION, components=components)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        written = JsonV1Dot6(Bom(metadata=BomMetaData(component=owner))).output_as_string()
    expected = json.loads(written)["metadata"]["component"]["components"]

    main = Package(name="owner", version="1", purl="pkg:generic/owner@1", files=FILES[::-1])
    contents = Contents(name="owner.zip", sha256="0" * 64, purpose="file", main=main)
    document = cyclonedx.write(contents, PUBLISHER)
    assert json.loads(document)["metadata"]["component"]["components"] == expected
    assert reading.faults("owner.cdx.json", document) == []


def test_files_of_our_own_package_are_in_its_component() -> None:
    own = Package(name="own", version="1", purl="pkg:rpm/own@1", files=FILES)
    main = Package(name="image", version="1", purl="pkg:oci/image@1")
    contents = Contents(name="image.tar", sha256="0" * 64, purpose="container", main=main, own=own)
    document = json.loads(cyclonedx.write(contents, PUBLISHER))
    (component,) = document["components"]
    assert [file["name"] for file in component["components"]] == [file.path for file in FILES]
    assert "components" not in document["metadata"]["component"]


def test_files_stay_in_their_packages_if_two_of_them_have_the_same_url() -> None:
    own = Package(name="own", version="1", purl="pkg:generic/one@1", files=FILES)
    main = Package(name="main", version="1", purl=own.purl, files=files_of({"main": b""}))
    contents = Contents(name="main.zip", sha256="0" * 64, purpose="install", main=main, own=own)
    document = json.loads(cyclonedx.write(contents, PUBLISHER))
    assert [file["name"] for file in document["metadata"]["component"]["components"]] == ["main"]
    assert [file["name"] for file in document["components"][0]["components"]] == [file.path for file in FILES]
