"""Writes what an artefact consists of as a CycloneDX document. The model of cyclonedx-python-lib writes all but files.

Version 1.6 is what scanners of today read. Its components cannot say that they are not contained: those that the
artefact needs and does not contain have the property EXTERNAL.
"""

from __future__ import annotations

import datetime as dt
import json
import warnings
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ci.sboms.model import Contents, Dependency, File, Licence, Package, Publisher, identity, written

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import LicenseExpression

EXTERNAL = "faas-runtime:external"
VERSIONS = "faas-runtime:versions"
_ARTEFACT = "artefact"
_TYPES = {
    "source": "APPLICATION",
    "install": "APPLICATION",
    "container": "CONTAINER",
    "file": "FILE",
}


def write(contents: Contents, publisher: Publisher) -> bytes:
    """The bytes of the document."""
    from cyclonedx.output.json import JsonV1Dot6

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # on components that depend on nothing
        document: dict[str, Any] = json.loads(JsonV1Dot6(_bom(contents, publisher)).output_as_string())
    document.pop("serialNumber", None)
    _add_files(document, contents)
    return written({**document, "serialNumber": identity(document).urn})


def _bom(contents: Contents, publisher: Publisher) -> Bom:
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.contact import OrganizationalEntity
    from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
    from cyclonedx.model.tool import ToolRepository

    main = _main(contents)
    own = [_package(contents.own, ComponentType.APPLICATION)] if contents.own else []
    packages = [_package(one, ComponentType.LIBRARY) for one in contents.packages]
    needs = [_dependency(one) for one in contents.needs]
    system = []
    if contents.system:
        name, version = contents.system.name, contents.system.version or None
        kind = ComponentType.OPERATING_SYSTEM
        system.append(Component(name=name, version=version, type=kind, bom_ref=f"system:{name}"))
    name, _, version = publisher.tool.rpartition("-")
    tool = Component(name=name, version=version, type=ComponentType.APPLICATION)
    bom = Bom(
        components=[*own, *packages, *system, *needs],
        metadata=BomMetaData(
            tools=ToolRepository(components=[tool]),
            component=main,
            supplier=OrganizationalEntity(name=publisher.name),
            timestamp=dt.datetime.fromtimestamp(publisher.epoch, dt.UTC),
            lifecycles=[PredefinedLifecycle(LifecyclePhase.POST_BUILD)],
        ),
    )
    bom.register_dependency(main, [*own, *packages, *needs])
    for component in own:
        bom.register_dependency(component, [one for one in packages if str(one.purl) in contents.uses])
    return bom


def _add_files(document: dict[str, Any], contents: Contents) -> None:
    """Add the files of the packages, as the library writes them. No path occurs twice in them.

    Its model sorts and hashes the components several times, and makes a tuple of thirty values for each comparison. A
    document with a thousand files takes thirty times as long with it.
    """
    components = {one["bom-ref"]: one for one in document.get("components", [])}
    owners = [(document["metadata"]["component"], contents.main)]
    owners += [(components[one.purl], one) for one in contents.contained if one.files]
    for component, package in owners:
        if package.files:
            component["components"] = [_file(file) for file in sorted(package.files, key=attrgetter("path"))]


def _main(contents: Contents) -> Component:
    """The artefact itself, a file if it is written already."""
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import ComponentType

    main = _package(contents.main, ComponentType[_TYPES[contents.purpose]])
    main.bom_ref.value = _ARTEFACT
    if contents.sha256:
        main.hashes.add(HashType(alg=HashAlgorithm.SHA_256, content=contents.sha256))
        main.properties.add(Property(name="faas-runtime:file", value=contents.name))
    return main


def _package(package: Package, kind: ComponentType) -> Component:
    from cyclonedx.model.component import Component
    from packageurl import PackageURL

    return Component(
        name=package.name,
        version=package.version,
        type=kind,
        bom_ref=package.purl,
        purl=PackageURL.from_string(package.purl),
        licenses=[_licence(package.licence)] if package.licence else [],
    )


def _dependency(one: Dependency) -> Component:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    properties = [Property(name=EXTERNAL, value="true")]
    properties += [Property(name=VERSIONS, value=one.versions)] if one.versions else []
    distribution = ExternalReferenceType.DISTRIBUTION
    return Component(
        name=one.name,
        type=ComponentType.LIBRARY,
        bom_ref=f"needed:{one.name} {one.versions}".strip(),
        purl=PackageURL.from_string(one.purl) if one.purl else None,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one.sha256)] if one.sha256 else [],
        external_references=[ExternalReference(type=distribution, url=XsUri(one.url))] if one.url else [],
        properties=properties,
    )


def _file(file: File) -> dict[str, Any]:
    hashes = [{"alg": "SHA-256", "content": file.sha256}]
    return {"bom-ref": f"file:{file.path}", "hashes": hashes, "name": file.path, "type": "file"}


def _licence(licence: Licence) -> LicenseExpression:
    from cyclonedx.model.license import LicenseAcknowledgement, LicenseExpression

    return LicenseExpression(licence.expression, acknowledgement=LicenseAcknowledgement.DECLARED)
