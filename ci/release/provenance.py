"""Where a release comes from: the predicate "SLSA provenance v1" (slsa.dev/spec/v1.2/provenance).

It holds nothing of the machine and no time of today, so that a second release of the same tag has the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from ci.manifest.release import Release
from ci.pipeline.inputs import Inputs

PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
_PAGE = "/blob/main/docs/build-type.md"


def build_type(release: Release) -> str:
    """The URI of the page that says how to run the build again. A change of what the parameters mean raises it."""
    return f"{release.home}{_PAGE}#version-1"


def builder_id(release: Release) -> str:
    """The URI of the page that says what a release is built on."""
    return f"{release.home}{_PAGE}#builder"


def predicate(release: Release, inputs: Inputs, allow_missing: Sequence[str]) -> dict[str, Any]:
    """The provenance of a release that was built from these inputs.

    `allow_missing` are the kinds and flavours without which it was allowed to be made.
    """
    return {
        "buildDefinition": {
            "buildType": build_type(release),
            "externalParameters": {
                "repository": release.home,
                "tag": release.version.tag,
                "allowMissing": sorted(allow_missing),
            },
            "internalParameters": {"sourceDateEpoch": release.epoch},
            "resolvedDependencies": [source(release, inputs), *_dependencies(release, inputs)],
        },
        "runDetails": {"builder": {"id": builder_id(release)}},
    }


def source(release: Release, inputs: Inputs) -> dict[str, Any]:
    """The commit that was built, as a resource of in-toto."""
    uri = f"git+{release.home}@refs/tags/{release.version.tag}"
    return {"name": "source", "uri": uri, "digest": {"gitCommit": inputs.commit}}


def _dependencies(release: Release, inputs: Inputs) -> Iterator[dict[str, Any]]:
    """One resource for each file that went in. Of a Python package, each file that its requirement accepts is one."""
    for base in inputs.bases:
        yield _resource(_image(base.reference, base.digest, base.architecture), base.digest.partition(":")[2])
    for package in inputs.debian:
        distribution = f"?distro={release.images.micro.suite}"
        yield _resource(_purl("deb/debian", package.name, package.version) + distribution, package.sha256)
    for crate in inputs.crates:
        yield _resource(_purl("cargo", crate.name, crate.version), crate.sha256)
    for python in inputs.python_packages:
        for sha256 in python.sha256:
            yield _resource(_purl("pypi", re.sub(r"[._]", "-", python.name), python.version), sha256)
    for tool in inputs.tools:
        yield _resource(_purl("generic", tool.name, tool.version), tool.sha256)


def _resource(uri: str, sha256: str) -> dict[str, Any]:
    return {"uri": uri, "digest": {"sha256": sha256}}


def _purl(kind: str, name: str, version: str) -> str:
    """A package URL; its parts are escaped as their specification says (ECMA-427)."""
    return f"pkg:{kind}/{quote(name.lower(), safe='')}@{quote(version, safe='')}"


def _image(reference: str, digest: str, architecture: str) -> str:
    repository = reference.partition("@")[0]
    if ":" in repository.rpartition("/")[2]:
        repository = repository.rpartition(":")[0]
    name = repository.rpartition("/")[2]
    qualifiers = f"arch={architecture}&repository_url={quote(repository, safe='/')}"
    return f"pkg:oci/{quote(name, safe='')}@{quote(digest, safe='')}?{qualifiers}"
