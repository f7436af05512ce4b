"""Writes what an artefact consists of as a document of SPDX 2.3, by the model of spdx-tools."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from typing import TYPE_CHECKING, Any

from ci.sboms.model import Contents, Dependency, File, Licence, Package, Publisher, identity, verification_code, written

if TYPE_CHECKING:
    from spdx_tools.spdx import model as spdx

_ARTEFACT = "SPDXRef-Artefact"
_SYSTEM = "SPDXRef-OperatingSystem"
_DOCUMENT = "SPDXRef-DOCUMENT"
_PURPOSES = {
    "source": "SOURCE",
    "install": "INSTALL",
    "container": "CONTAINER",
    "file": "FILE",
}
# The namespace holds the UUID over everything else, so it is filled in last.
_NO_NAMESPACE = "https://invalid/"


def write(contents: Contents, publisher: Publisher) -> bytes:
    """The bytes of the document."""
    from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter

    document: dict[str, Any] = DocumentConverter().convert(_document(contents, publisher))
    del document["documentNamespace"]
    return written({**document, "documentNamespace": f"{publisher.home}/spdx/{contents.name}-{identity(document)}"})


def _document(contents: Contents, publisher: Publisher) -> spdx.Document:
    from spdx_tools.spdx import model as spdx

    files = {file.path: file for package in (contents.main, *contents.contained) for file in package.files}
    packages = [_main(contents, publisher), *(_package(one) for one in contents.contained)]
    if contents.system:
        purpose = spdx.PackagePurpose.OPERATING_SYSTEM
        name, version = contents.system.name, contents.system.version or None
        packages.append(
            spdx.Package(
                _SYSTEM, name, spdx.SpdxNoAssertion(), version, files_analyzed=False, primary_package_purpose=purpose
            )
        )
    return spdx.Document(
        creation_info=spdx.CreationInfo(
            spdx_version="SPDX-2.3",
            spdx_id=_DOCUMENT,
            name=contents.name,
            document_namespace=_NO_NAMESPACE,
            creators=[
                spdx.Actor(spdx.ActorType.ORGANIZATION, publisher.name),
                spdx.Actor(spdx.ActorType.TOOL, publisher.tool),
            ],
            created=dt.datetime.fromtimestamp(publisher.epoch, dt.UTC).replace(tzinfo=None),
        ),
        packages=[*packages, *(_dependency(one) for one in contents.needs)],
        files=[_file(file) for _, file in sorted(files.items())],
        relationships=_relationships(contents),
        extracted_licensing_info=[
            spdx.ExtractedLicensingInfo(license_id=name, extracted_text=text)
            for name, text in sorted(contents.licence_texts.items())
        ],
    )


def _main(contents: Contents, publisher: Publisher) -> spdx.Package:
    """The artefact itself, a file if it is written already."""
    from spdx_tools.spdx import model as spdx

    package = _package(contents.main, _ARTEFACT)
    package.primary_package_purpose = spdx.PackagePurpose[_PURPOSES[contents.purpose]]
    package.supplier = spdx.Actor(spdx.ActorType.ORGANIZATION, publisher.name)
    package.homepage = publisher.home
    if contents.sha256:
        package.file_name = contents.name
        package.checksums = [spdx.Checksum(spdx.ChecksumAlgorithm.SHA256, contents.sha256)]
    return package


def _package(package: Package, identifier: str = "") -> spdx.Package:
    from spdx_tools.spdx import model as spdx

    code = spdx.PackageVerificationCode(verification_code(package.files)) if package.files else None
    category = spdx.ExternalPackageRefCategory.PACKAGE_MANAGER
    return spdx.Package(
        spdx_id=identifier or _id("Package", package.name, package.purl),
        name=package.name,
        version=package.version,
        download_location=spdx.SpdxNoAssertion(),
        files_analyzed=bool(package.files),
        verification_code=code,
        license_declared=_licence(package.licence),
        license_concluded=spdx.SpdxNoAssertion(),
        copyright_text=spdx.SpdxNoAssertion(),
        external_references=[spdx.ExternalPackageRef(category, "purl", package.purl)],
    )


def _dependency(one: Dependency) -> spdx.Package:
    """What is needed and not contained: it has no version of its own but what is demanded of it."""
    from spdx_tools.spdx import model as spdx

    category = spdx.ExternalPackageRefCategory.PACKAGE_MANAGER
    return spdx.Package(
        spdx_id=_id("Needed", one.name, f"{one.name} {one.versions}"),
        name=one.name,
        download_location=one.url or spdx.SpdxNoAssertion(),
        files_analyzed=False,
        checksums=[spdx.Checksum(spdx.ChecksumAlgorithm.SHA256, one.sha256)] if one.sha256 else [],
        external_references=[spdx.ExternalPackageRef(category, "purl", one.purl)] if one.purl else [],
        comment=f"needed, not contained; version: {one.versions or 'any'}",
    )


def _file(file: File) -> spdx.File:
    from spdx_tools.spdx import model as spdx

    checksums = [
        spdx.Checksum(spdx.ChecksumAlgorithm.SHA1, file.sha1),
        spdx.Checksum(spdx.ChecksumAlgorithm.SHA256, file.sha256),
    ]
    return spdx.File(name=f"./{file.path}", spdx_id=_file_id(file), checksums=checksums)


def _relationships(contents: Contents) -> list[spdx.Relationship]:
    from spdx_tools.spdx import model as spdx

    kinds = spdx.RelationshipType
    found = [(_DOCUMENT, kinds.DESCRIBES, _ARTEFACT)]
    found += [(_ARTEFACT, kinds.CONTAINS, _file_id(file)) for file in contents.main.files]
    if contents.system:
        found.append((_ARTEFACT, kinds.CONTAINS, _SYSTEM))
    for package in contents.contained:
        identifier = _id("Package", package.name, package.purl)
        found.append((_ARTEFACT, kinds.CONTAINS, identifier))
        found += [(identifier, kinds.CONTAINS, _file_id(file)) for file in package.files]
        if package.purl in contents.uses and contents.own:
            found.append((_id("Package", contents.own.name, contents.own.purl), kinds.DEPENDS_ON, identifier))
    for one in contents.needs:
        found.append((_ARTEFACT, kinds.DEPENDS_ON, _id("Needed", one.name, f"{one.name} {one.versions}")))
    return [spdx.Relationship(*one) for one in found]


def _licence(licence: Licence | None) -> Any:
    from spdx_tools.common.spdx_licensing import spdx_licensing
    from spdx_tools.spdx import model as spdx

    return spdx_licensing.parse(licence.expression) if licence else spdx.SpdxNoAssertion()


def _file_id(file: File) -> str:
    return _id("File", file.path.rpartition("/")[2], file.path)


def _id(what: str, name: str, unique: str) -> str:
    """An identifier that people can read, and that the text `unique` makes unique."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")
    return f"SPDXRef-{what}-{plain}-{hashlib.sha256(unique.encode()).hexdigest()[:12]}"
