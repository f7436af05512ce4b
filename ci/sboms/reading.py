"""Reads SBOMs again: what a document says, in the same terms for both formats, and what is wrong with its form."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ci.sboms.cyclonedx import EXTERNAL
from ci.sboms.model import File, identity, verification_code

_CYCLONEDX, _SPDX = "1.6", "SPDX-2.3"
_MOST_FAULTS = 5


@dataclass(frozen=True, kw_only=True)
class DescribedArtifact:
    """What a document says of an artefact.

    `file` and `sha256` are those of the artefact, empty if the document lies in it. `files` has the SHA-256 of each
    file by its path. `packages` are those contained, by their package URLs, with name, version and licence. `needs` are
    the names of what is not contained. `created` is the time as text. `identity_is_right` says whether the identity is
    that of the contents, `sums_are_right` whether the hashes that follow from others do.
    """

    name: str
    version: str
    licence: str
    file: str
    sha256: str
    files: Mapping[str, str]
    packages: Mapping[str, tuple[str, str, str]]
    needs: frozenset[str]
    created: str
    identity_is_right: bool
    sums_are_right: bool = True


def is_spdx(name: str) -> bool:
    """Whether a file of that name is an SPDX document; CycloneDX otherwise."""
    return name.endswith(".spdx.json")


def faults(name: str, data: bytes) -> list[str]:
    """What is wrong with the form of a document, by the validators of the two libraries; the first few faults."""
    return (_spdx_faults if is_spdx(name) else _cyclonedx_faults)(data)[:_MOST_FAULTS]


def read(name: str, data: bytes) -> DescribedArtifact:
    """What a document says. Raises `ValueError`, `LookupError` or `TypeError` for one that was not made here."""
    reader: Callable[[dict[str, Any]], DescribedArtifact] = _read_spdx if is_spdx(name) else _read_cyclonedx
    document = json.loads(data)
    if not isinstance(document, dict):
        raise TypeError("it is not an object of JSON")
    return reader(document)


def _spdx_faults(data: bytes) -> list[str]:
    from spdx_tools.spdx.model import RelationshipType
    from spdx_tools.spdx.parser.error import SPDXParsingError
    from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
    from spdx_tools.spdx.validation.package_validator import validate_packages

    try:
        document = JsonLikeDictParser().parse(json.loads(data.decode()))
    except SPDXParsingError as error:
        return list(error.get_messages())
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        return [f"it cannot be parsed: {error!r}"]
    # The library compares a package with all relationships, and makes a list of all elements for each of these. So only
    # relationships that are not plainly right are left to it, and those with the document, which it looks for.
    of_packages = validate_packages(document.packages, _SPDX, document)
    known = {document.creation_info.spdx_id, *(one.spdx_id for one in document.packages)}
    known.update(one.spdx_id for one in document.files)
    document.relationships = [
        one
        for one in document.relationships
        if one.relationship_type in (RelationshipType.DESCRIBES, RelationshipType.DESCRIBED_BY)
        or one.spdx_element_id not in known
        or not isinstance(one.related_spdx_element_id, str)  # none, or no assertion
        or one.related_spdx_element_id not in known
    ]
    found = [*validate_full_spdx_document(document, _SPDX), *of_packages]
    return list(dict.fromkeys(message.validation_message for message in found))


class _SortableObject(dict[str, Any]):
    """An object of JSON in an order, so that jsonschema sorts a list of them to find two that are equal.

    Otherwise, it compares each with each.
    """

    @cached_property
    def _text(self) -> str:
        return json.dumps(self, sort_keys=True)

    def __lt__(self, other: object) -> bool:
        return self._text < other._text if isinstance(other, _SortableObject) else NotImplemented


def _number(text: str) -> int | float:
    """A number of JSON; equal ones are written alike."""
    number = float(text)
    return int(number) if number.is_integer() else number


def _cyclonedx_faults(data: bytes) -> list[str]:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    try:
        document = json.loads(data.decode(), object_hook=_SortableObject, parse_float=_number)
    except ValueError as error:
        return [f"it is not JSON: {error}"]
    # Its own method reads the text again, into plain objects.
    found = JsonStrictValidator(SchemaVersion.V1_6)._validator.iter_errors(document)
    messages = [str(error.message) for error in found]
    # The schema of a version accepts the names of others.
    if not messages and document["specVersion"] != _CYCLONEDX:
        return [f"its version is {document['specVersion']!r}, not {_CYCLONEDX}"]
    return messages


def _read_spdx(document: dict[str, Any]) -> DescribedArtifact:
    packages = {package["SPDXID"]: package for package in document["packages"]}
    files = {file["SPDXID"]: file for file in document.get("files", [])}
    pairs: dict[str, list[tuple[str, str]]] = {"DESCRIBES": [], "CONTAINS": [], "DEPENDS_ON": []}
    for one in document["relationships"]:
        pairs[one["relationshipType"]].append((one["spdxElementId"], one["relatedSpdxElement"]))
    ((_, root),) = pairs["DESCRIBES"]
    main, contained = packages[root], {target for _, target in pairs["CONTAINS"]}
    inner = [packages[one] for one in sorted(contained & packages.keys())]
    owned: dict[str, list[dict[str, Any]]] = {name: [] for name in packages}
    for owner, target in pairs["CONTAINS"]:
        owned[owner] += [files[target]] if target in files else []
    namespace = document.pop("documentNamespace")
    return DescribedArtifact(
        name=main["name"],
        version=main["versionInfo"],
        licence=main["licenseDeclared"],
        file=main.get("packageFileName", ""),
        sha256=_sha256(main),
        files={file["fileName"].removeprefix("./"): _sha256(file) for name, file in files.items() if name in contained},
        packages={
            _purl(one): (one["name"], one["versionInfo"], one.get("licenseDeclared", "NOASSERTION"))
            for one in inner
            if one.get("primaryPackagePurpose") != "OPERATING_SYSTEM"
        },
        needs=frozenset(packages[target]["name"] for _, target in pairs["DEPENDS_ON"] if target not in contained),
        created=document["creationInfo"]["created"],
        identity_is_right=namespace.endswith(f"-{identity(document)}"),
        sums_are_right=all(_has_right_code(packages[name], listed) for name, listed in owned.items()),
    )


def _has_right_code(package: dict[str, Any], files: list[dict[str, Any]]) -> bool:
    """Whether a package has the verification code of its files, or has no files and no code."""
    listed = [File(path=file["fileName"], sha1=_checksum(file, "SHA1"), sha256=_sha256(file)) for file in files]
    code = package.get("packageVerificationCode", {}).get("packageVerificationCodeValue")
    return bool(code == (verification_code(listed) if listed else None))


def _purl(package: dict[str, Any]) -> str:
    (purl,) = (one["referenceLocator"] for one in package["externalRefs"] if one["referenceType"] == "purl")
    return str(purl)


def _sha256(element: dict[str, Any]) -> str:
    return _checksum(element, "SHA256")


def _checksum(element: dict[str, Any], algorithm: str) -> str:
    values = [one["checksumValue"] for one in element.get("checksums", []) if one["algorithm"] == algorithm]
    return str(values[0]) if values else ""


def _read_cyclonedx(document: dict[str, Any]) -> DescribedArtifact:
    main = document["metadata"]["component"]
    components = document.get("components", [])
    inner = [one for one in components if one["type"] != "operating-system" and not _is_external(one)]
    files = [file for one in (main, *inner) for file in one.get("components", [])]
    serial = document.pop("serialNumber")
    return DescribedArtifact(
        name=main["name"],
        version=main["version"],
        licence=_expression(main),
        file=_properties(main).get("faas-runtime:file", ""),
        sha256=_hash(main),
        files={file["name"]: _hash(file) for file in files},
        packages={one["purl"]: (one["name"], one["version"], _expression(one)) for one in inner},
        needs=frozenset(one["name"] for one in components if _is_external(one)),
        created=document["metadata"]["timestamp"].replace("+00:00", "Z"),
        identity_is_right=serial == identity(document).urn,
    )


def _is_external(component: dict[str, Any]) -> bool:
    return _properties(component).get(EXTERNAL) == "true"


def _properties(component: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in component.get("properties", [])}


def _expression(component: dict[str, Any]) -> str:
    return " AND ".join(one["expression"] for one in component.get("licenses", [])) or "NOASSERTION"


def _hash(component: dict[str, Any]) -> str:
    values = [one["content"] for one in component.get("hashes", []) if one["alg"] == "SHA-256"]
    return str(values[0]) if values else ""
