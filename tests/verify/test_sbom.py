"""Faults planted in SBOMs, each in a copy of a document that describes an artefact of this very build."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ci.core.errors import VerificationError
from ci.core.run import Runner
from ci.manifest import dist_paths
from ci.pipeline.jobs import Project
from ci.sboms import contents, cyclonedx, spdx
from ci.sboms.model import Contents, Publisher, identity, written
from ci.verify import sbom
from tests.packages.support import check_of, open_project
from tests.sboms.conftest import write_image
from tests.verify.conftest import Checking

pytestmark = pytest.mark.mutant

Document = dict[str, Any]
Change = Callable[[Document], object]


def documents(project: Project) -> list[Path]:
    return sorted((project.dist / "sbom").iterdir())


def test_those_of_all_packages_pass(built: Project, tmp_path: Path) -> None:
    names = [path.name for path in documents(built)]
    packages = [
        path.name
        for folder in ("sdist", "rpm", "msys2", "formulae", "crates")
        for path in (built.dist / folder).iterdir()
    ]
    assert names == sorted(f"{name}.{form}.json" for name in packages for form in ("spdx", "cdx"))
    for number, path in enumerate(documents(built)):
        assert sbom.verify(check_of(built, "sbom", path, tmp_path / str(number))).passed


def with_identity(name: str, document: Document) -> bytes:
    """The bytes of a document that was changed, with the identity of its new contents."""
    if name.endswith(".cdx.json"):
        document.pop("serialNumber")
        return written({**document, "serialNumber": identity(document).urn})
    place = document.pop("documentNamespace")[: -len(str(identity({})))]
    return written({**document, "documentNamespace": f"{place}{identity(document)}"})


def other_hash(document: Document) -> None:
    document["files"][3]["checksums"][1]["checksumValue"] = "0" * 64


def other_first_hash(document: Document) -> None:
    document["files"][3]["checksums"][0]["checksumValue"] = "0" * 40


def without_a_file(document: Document) -> None:
    del document["metadata"]["component"]["components"][3]


def other_version(document: Document) -> None:
    document["metadata"]["component"]["version"] = "0.0.9"


def other_licence(document: Document) -> None:
    document["packages"][0]["licenseDeclared"] = "MIT"


def other_name(document: Document) -> None:
    document["packages"][0]["name"] = "another"


def other_time(document: Document) -> None:
    document["creationInfo"]["created"] = "2026-01-01T00:00:00Z"


def other_artefact(document: Document) -> None:
    document["metadata"]["component"]["hashes"][0]["content"] = "0" * 64


def needs_nothing(document: Document) -> None:
    document["components"], document["dependencies"] = [], []


def one_package_more(document: Document) -> None:
    document["components"].append({"type": "library", "name": "x", "version": "1", "purl": "pkg:generic/x@1"})


def unknown_key(document: Document) -> None:
    document["metadata"]["unheardOf"] = True


def unknown_licence(document: Document) -> None:
    document["packages"][0]["licenseDeclared"] = "Unheard-Of-1.0"


def one_component_twice(document: Document) -> None:
    components = document["metadata"]["component"]["components"]
    components.append(dict(components[3]))


def contains_what_is_not_there(document: Document) -> None:
    document["relationships"][-1]["relatedSpdxElement"] = "SPDXRef-Nothing"


def contained_in_what_is_not_there(document: Document) -> None:
    document["relationships"][-1]["spdxElementId"] = "SPDXRef-Nothing"


def files_that_were_not_analysed(document: Document) -> None:
    document["packages"][0]["filesAnalyzed"] = False


def needs_no_assertion(document: Document) -> None:
    package = document["packages"][0]["SPDXID"]
    document["relationships"].append(
        {"spdxElementId": package, "relationshipType": "DEPENDS_ON", "relatedSpdxElement": "NOASSERTION"}
    )


def two_kinds_of_components(document: Document) -> None:
    document["components"] = ["x", *document["components"]]


def equal_scores(document: Document) -> None:
    document["vulnerabilities"] = [{"id": "x", "ratings": [{"score": score}]} for score in (1, 1.5, 1.0)]


def one_id_twice(document: Document) -> None:
    document["files"][3]["SPDXID"] = document["files"][4]["SPDXID"]


@pytest.mark.parametrize(
    ("form", "change", "said"),
    [
        ("spdx", other_hash, "sha256: faas"),
        ("spdx", other_first_hash, "verification codes"),
        ("cdx", without_a_file, "files: missing"),
        ("cdx", other_version, "name and version: found .*0.0.9"),
        ("spdx", other_licence, "licence: found 'MIT'"),
        ("spdx", other_name, "name and version: found .*another"),
        ("spdx", other_time, "time: found '2026-01-01"),
        ("cdx", other_artefact, "sha256 of the artefact: found .*000"),
        ("cdx", needs_nothing, r"needs .*: missing \['Python'\]"),
        ("cdx", one_package_more, r"packages: missing \[\], not expected \['x 1'\]"),
        ("cdx", unknown_key, "faults of the document: .*unheardOf"),
        ("spdx", unknown_licence, "faults of the document: .*Unheard-Of"),
        ("cdx", one_component_twice, r"faults of the document: found .*characters\), expected \[\]"),
        ("spdx", contains_what_is_not_there, 'faults of the document: .*did not find .*"SPDXRef-Nothing"'),
        ("spdx", contained_in_what_is_not_there, 'faults of the document: .*did not find .*"SPDXRef-Nothing"'),
        ("spdx", files_that_were_not_analysed, "faults of the document: .*package must contain no elements"),
        ("cdx", two_kinds_of_components, "faults of the document: .*'x' is not of type 'object'"),
        ("cdx", equal_scores, "faults of the document: .*has non-unique elements"),
        ("spdx", needs_no_assertion, "not a document that this tooling makes: .*NOASSERTION"),
        ("spdx", one_id_twice, "faults of the document: .*every spdx_id must be unique"),
    ],
)
def test_a_fault_is_found(
    built: Project, checking: Checking, tmp_path: Path, form: str, change: Change, said: str
) -> None:
    path = built.dist / dist_paths.sbom(Path(dist_paths.wheel(built.release)).name, form)
    document = json.loads(path.read_bytes())
    change(document)
    spoilt = tmp_path / path.name
    spoilt.write_bytes(with_identity(path.name, document))
    with pytest.raises(VerificationError, match=said):
        sbom.verify(checking("sbom", spoilt))


@pytest.mark.parametrize("form", ["spdx", "cdx"])
def test_an_identity_of_other_contents_is_found(built: Project, checking: Checking, tmp_path: Path, form: str) -> None:
    path = built.dist / dist_paths.sbom(built.release.sdist_name, form)
    text = path.read_text()
    spoilt = tmp_path / path.name
    spoilt.write_text(text.replace("release-tooling", "another-tooling"))
    with pytest.raises(VerificationError, match="identity is the UUIDv5"):
        sbom.verify(checking("sbom", spoilt))


def test_the_sbom_of_another_artefact_is_found(built: Project, checking: Checking, tmp_path: Path) -> None:
    spoilt = tmp_path / f"{built.release.sdist_name}.cdx.json"
    shutil.copyfile(built.dist / dist_paths.sbom(Path(dist_paths.wheel(built.release)).name, "cdx"), spoilt)
    with pytest.raises(VerificationError, match=r"artefact: found .*whl"):
        sbom.verify(checking("sbom", spoilt))


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff\xff", b"{}", b"\xef\xbb\xbf{}", "{}".encode("utf-16")])
@pytest.mark.parametrize("form", ["spdx", "cdx"])
def test_rubbish_is_refused(built: Project, checking: Checking, tmp_path: Path, form: str, data: bytes) -> None:
    spoilt = tmp_path / f"{built.release.sdist_name}.{form}.json"
    spoilt.write_bytes(data)
    with pytest.raises(VerificationError, match=r"faults of the document|not a document"):
        sbom.verify(checking("sbom", spoilt))


def test_without_its_artefact_it_is_refused(built: Project, tmp_path: Path) -> None:
    project = open_project(built.root, tmp_path / "dist", built.release)
    shutil.copytree(built.dist / "sbom", project.dist / "sbom")
    check = check_of(project, "sbom", documents(project)[0], tmp_path / "check")
    with pytest.raises(VerificationError, match="which it describes, is there"):
        sbom.verify(check)


MUSL, ZLIB = b"P:musl\nV:1.2.5-r20\nL:MIT\n\n", b"P:zlib\nV:1.3-r1\nL:Zlib\n\n"


def test_a_package_that_the_image_has_and_the_sbom_has_not_is_found(built: Project, tmp_path: Path) -> None:
    project = open_project(built.root, tmp_path / "dist", built.release)
    path = project.dist / "images" / "faas-runtime-0.1.0-alpine-amd64.oci.tar"
    run = Runner(log=tmp_path / "log")
    (tmp_path / "work").mkdir()

    def described(packages: bytes) -> Contents:
        archive = write_image(path, {"lib/apk/db/installed": packages, "etc/os-release": b"ID=alpine\n"})
        return contents.read(contents.OpenedArtifact(path=archive, folder=tmp_path / "work", run=run))

    both, one = described(MUSL + ZLIB), described(MUSL)
    for name, write in (("spdx", spdx.write), ("cdx", cyclonedx.write)):
        document = project.dist / dist_paths.sbom(path.name, name)
        document.parent.mkdir(exist_ok=True)
        document.write_bytes(write(one, Publisher.of(built.release)))
        assert sbom.verify(check_of(project, "sbom", document, tmp_path / f"good {name}")).passed
    described(MUSL + ZLIB)
    document.write_bytes(write(both, Publisher.of(built.release)).replace(b"zlib", b"zlip"))
    with pytest.raises(VerificationError, match=r"packages: missing \['zlib 1.3-r1'\], not expected \['zlip 1.3-r1'\]"):
        sbom.verify(check_of(project, "sbom", document, tmp_path / "spoilt"))
