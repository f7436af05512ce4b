"""An OpenVEX statement: a version is affected by a fault, and another one has the fix.

OpenVEX 0.2.0, https://github.com/openvex/spec/blob/main/OPENVEX-SPEC.md
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import tarfile
from collections.abc import Sequence
from urllib.parse import quote

from ci.core.errors import VerificationError
from ci.core.page_names import safe
from ci.core.tars import DAMAGED
from ci.publish import image_archive
from ci.publish.oci_documents import descriptor
from ci.publish.release_set import ReleaseSet, SetFile

_CONTEXT = "https://openvex.dev/ns/v0.2.0"
_RPM = r"(?P<name>.+)-(?P<version>[^-]+-[^-]+)\.(?P<arch>[^.]+)\.rpm"
_WHEEL = r"(?P<name>[^-]+)-(?P<version>[^-]+)-.+\.whl"
_MSYS2 = r"(?P<name>.+)-(?P<version>[^-]+-[^-]+)-(?P<arch>[^-]+)\.pkg\.tar\.zst"
_CRATE = r"(?P<name>[a-z_-]+)-(?P<version>\d.*)\.crate"
_LAYER = r"(?P<file>(?P<name>.+)-(?P<version>\d.*)-lambda-layer-\w+\.zip)"
# From the kind of an artefact to the form of its package URL, and the pattern of its name.
_PACKAGES = {
    "rpm": ("pkg:rpm/{name}@{version}?arch={arch}", _RPM),
    "rpm-devel": ("pkg:rpm/{name}@{version}?arch={arch}", _RPM),
    "wheel": ("pkg:pypi/{name}@{version}", _WHEEL),
    "crate": ("pkg:cargo/{name}@{version}", _CRATE),
    "lambda-layer": ("pkg:generic/{name}@{version}?file_name={file}", _LAYER),
    "msys2": ("pkg:alpm/msys/{name}@{version}?arch={arch}", _MSYS2),
}
_KNOWN = re.compile(r"\b(CVE-\d{4}-\d{4,}|GHSA(?:-[0-9a-z]{4}){3})\b")


def products(found: ReleaseSet, registry: str) -> list[str]:
    """The package URLs of what a set has for users: images and their indexes by digest, and all kinds of packages.

    `registry` is the place below which the images are. `VerificationError` for an archive that names no image.
    """
    listed = {safe(str(one["name"])): one for one in found.document.get("artifacts", ())}
    unpublished = image_archive.without_index(found)
    urls = set()
    for file in found.files:
        known = listed.get(file.name, {})
        if file.kind in _PACKAGES:
            urls.add(_package(str(known.get("name", file.name)), file.kind))
        elif file.kind in ("image", "image-index") and file.name not in unpublished:
            digest = quote(known.get("digest") or _digest(file), safe="")
            urls.add(f"pkg:oci/{found.name}@{digest}?repository_url={registry}/{found.name}")
    return sorted(urls)


def _package(name: str, kind: str) -> str:
    """The package URL of an artefact, whose name is that of its builder."""
    form, pattern = _PACKAGES[kind]
    parts = re.fullmatch(pattern, name)
    if parts is None:
        raise VerificationError(f"{name}: it is not the name of this kind: {kind}", hint="make the set again")
    words = {key: quote(text, safe="~") for key, text in parts.groupdict().items()}
    if kind == "wheel":
        words["name"] = re.sub(r"[._]+", "-", words["name"]).lower()
    return form.format(**words)


def _digest(file: SetFile) -> str:
    """The digest of the one image or index that an archive is about."""
    try:
        with tarfile.open(file.path, "r:") as archive:
            member = archive.extractfile("index.json")
            (described,) = json.loads(member.read() if member else b"")["manifests"]
        return descriptor(described).digest
    except DAMAGED as error:
        raise VerificationError(f"{file.name}: it names no image: {error}", hint="make the set again") from None


def document(products: Sequence[str], author: str, reason: str, fixed_in: str, epoch: int) -> bytes:
    """The statement about some products, which are package URLs. The same values give the same bytes.

    The fault is the CVE or GHSA number in the reason or, without one, the reason itself. `epoch` is the time of the
    statement, in seconds since 1970.
    """
    found = _KNOWN.search(reason)
    statement = {
        "vulnerability": {"name": found[1] if found else reason, "description": reason},
        "products": [{"@id": product} for product in products],
        "status": "affected",
        "action_statement": f"Use version {fixed_in} or later.",
    }
    text = json.dumps(statement, sort_keys=True)
    made = {
        "@context": _CONTEXT,
        "@id": f"https://openvex.dev/docs/public/vex-{hashlib.sha256(text.encode()).hexdigest()}",
        "author": author,
        "timestamp": dt.datetime.fromtimestamp(epoch, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "version": 1,
        "statements": [statement],
    }
    return json.dumps(made, indent=2, sort_keys=True).encode() + b"\n"
