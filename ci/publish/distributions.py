"""The source tarball and the wheel of a set: what PyPI wants to be told about each, read out of the file itself."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.metadata import parse_email
from packaging.utils import canonicalize_name

from ci.core.errors import VerificationError
from ci.core.tars import DAMAGED
from ci.publish.release_set import ReleaseSet, SetFile

_LARGEST_METADATA = 4_000_000
# These have other names in packaging. PyPI's form has the names of the core metadata, but classifiers and project_urls.
_IN_THE_FORM = {
    "platforms": "platform",
    "supported_platforms": "supported_platform",
    "license_files": "license_file",
    "import_names": "import_name",
    "import_namespaces": "import_namespace",
}
_AGAIN = "make the set again: nox -s release"


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """A file for PyPI. `type` and `python` are its `filetype` and `pyversion` in the upload API."""

    file: SetFile
    type: str
    python: str

    def fields(self, content: bytes) -> list[tuple[str, str]]:
        """The fields of the upload API that come with the file, in order, without the file.

        They are those of https://docs.pypi.org/api/upload/: its action, the digest, and all core metadata. `content`
        are the bytes of the file, as `SetFile.read` gives them.
        `VerificationError` if the file has no metadata, or some that packaging cannot read.
        """
        return [
            (":action", "file_upload"),
            ("protocol_version", "1"),
            ("filetype", self.type),
            ("pyversion", self.python),
            ("sha256_digest", self.file.sha256),
            *core_metadata(self.file.name, content),
        ]


def of_set(found: ReleaseSet) -> tuple[Distribution, ...]:
    """The wheel, then the source tarball: whoever installs in between gets the wheel, which needs no build.

    `VerificationError` if there are not one of each.
    """
    wheels = [file for file in found.of_kind("sdist", "wheel") if file.name.endswith(".whl")]
    tarballs = [file for file in found.of_kind("sdist", "wheel") if file.name.endswith(".tar.gz")]
    if len(wheels) != 1 or len(tarballs) != 1:
        raise VerificationError(
            f"{found.folder}: it has {len(wheels)} wheels and {len(tarballs)} source tarballs, not one of each",
            hint=_AGAIN,
        )
    tag = wheels[0].name.removesuffix(".whl").split("-")[-3]
    return (
        Distribution(file=wheels[0], type="bdist_wheel", python=tag),
        Distribution(file=tarballs[0], type="sdist", python="source"),
    )


def require_identity(name: str, content: bytes, project: str, version: str) -> None:
    """`VerificationError` if the metadata of a file are those of another project or version."""
    fields = dict(core_metadata(name, content))
    there = (canonicalize_name(fields.get("name", "")), fields.get("version", ""))
    if there != (canonicalize_name(project), version):
        raise VerificationError(
            f"{name}: it is of {' '.join(there)}, and {project} {version} is to be published",
            hint="look at the project's name below targets in release.yaml, and make the set again",
        )


def core_metadata(name: str, content: bytes) -> list[tuple[str, str]]:
    """The core metadata of a distribution as fields of the upload API: lower case, with `_`, one for each value."""
    raw, unknown = parse_email(_metadata_file(name, content))
    if unknown:
        raise VerificationError(f"{name}: metadata that nobody knows: {', '.join(sorted(unknown))}", hint=_AGAIN)
    return list(_fields(dict(raw)))


def _fields(raw: dict[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in sorted(raw.items()):  # packaging keeps no order
        field = _IN_THE_FORM.get(key, key)
        if isinstance(value, dict):  # the addresses of the project
            yield from ((field, f"{label}, {address}") for label, address in value.items())
        elif key == "keywords" and isinstance(value, list):
            yield field, ",".join(value)
        elif isinstance(value, list):
            yield from ((field, one) for one in value)
        else:
            yield field, str(value)


def _metadata_file(name: str, content: bytes) -> bytes:
    """`METADATA` of a wheel, `PKG-INFO` of a source tarball."""
    stem = "-".join(name.split("-")[:2])
    try:
        if name.endswith(".whl"):
            with zipfile.ZipFile(io.BytesIO(content)) as wheel, wheel.open(f"{stem}.dist-info/METADATA") as file:
                return file.read(_LARGEST_METADATA)
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tarball:
            member = tarball.extractfile(f"{name.removesuffix('.tar.gz')}/PKG-INFO")
            if member is None:
                raise KeyError("PKG-INFO is no file")
            return member.read(_LARGEST_METADATA)
    except (OSError, *DAMAGED) as error:
        raise VerificationError(f"{name}: its metadata cannot be read: {error}", hint=_AGAIN) from None
