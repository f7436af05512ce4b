"""What PyPI's upload API demands of a form (https://docs.pypi.org/api/upload/) and of the file in it."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from collections import Counter
from dataclasses import dataclass
from typing import Any

from packaging.metadata import Metadata, RawMetadata, parse_email
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from ci.publish.rehearse.form_data import Form

_OF_THE_UPLOAD = {
    ":action", "protocol_version", "filetype", "pyversion", "comment",
    "md5_digest", "sha256_digest", "blake2_256_digest",
}  # fmt: skip
_ONCE = {
    "metadata_version", "name", "version", "summary", "description", "description_content_type", "keywords",
    "home_page", "download_url", "author", "author_email", "maintainer", "maintainer_email", "license",
    "license_expression", "requires_python",
}  # fmt: skip
_OFTEN = {
    "dynamic", "platform", "supported_platform", "classifiers", "license_file", "requires_dist", "requires_external",
    "project_urls", "provides_extra", "provides_dist", "obsoletes_dist", "import_name", "import_namespace",
}  # fmt: skip
_LATE = {"import_name", "import_namespace"}  # of metadata 2.5; twine 7.0 does not send them yet
_NEEDED = (":action", "protocol_version", "filetype", "pyversion", "metadata_version", "name", "version")


class PypiRefusal(Exception):
    """The server refuses, with a status and the words that PyPI has for it."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class PypiUpload:
    """A file that may be stored. `project` is its normalised name, `type` `sdist` or `bdist_wheel`."""

    name: str
    project: str
    version: str
    type: str
    requires_python: str
    sha256: str
    content: bytes


def check(form: Form) -> PypiUpload:
    """The file of a form that keeps all rules; otherwise raises `PypiRefusal`."""
    values = _fields(form)
    if values[":action"] != "file_upload":
        raise PypiRefusal(410, "Project pre-registration is no longer required or supported.")
    if values["protocol_version"] != "1":
        raise PypiRefusal(400, "Unknown protocol version.")
    if [field for field, _, _ in form.files] != ["content"]:
        raise PypiRefusal(400, "Upload payload does not have a file.")
    _, name, content = form.files[0]
    _check_type(values, name)
    sha256 = _check_digests(values, content)
    metadata = _metadata(name, values["filetype"], content)
    _check_fields(form, metadata)
    project = canonicalize_name(values["name"])
    version = str(Version(values["version"]))
    if _identity(name, values["filetype"]) != (project, version):
        raise PypiRefusal(400, f"The file name {name!a} does not match {project} {version}.")
    return PypiUpload(
        name=name, project=project, version=version, type=values["filetype"], sha256=sha256, content=content,
        requires_python=values.get("requires_python", ""),
    )  # fmt: skip


def _fields(form: Form) -> dict[str, str]:
    """The fields, of which some may come once alone."""
    times = Counter(name for name, _ in form.fields)
    if unknown := sorted(set(times) - _OF_THE_UPLOAD - _ONCE - _OFTEN):
        if "attestations" in unknown:
            raise PypiRefusal(400, "Attestations are only supported when using Trusted Publishing.")
        raise PypiRefusal(400, f"Nobody knows the field {unknown[0]!a}.")
    if repeated := sorted(name for name in times if times[name] > 1 and name not in _OFTEN):
        raise PypiRefusal(400, f"{repeated[0]}: it is there {times[repeated[0]]} times.")
    if missing := [name for name in _NEEDED if name not in times]:
        raise PypiRefusal(400, f"{missing[0]}: This field is required.")
    return dict(form.fields)


def _check_type(values: dict[str, str], name: str) -> None:
    kind = values["filetype"]
    if kind not in ("sdist", "bdist_wheel"):
        raise PypiRefusal(400, "Unknown type of file.")
    if kind == "sdist" and values["pyversion"] != "source":
        raise PypiRefusal(400, "The only valid Python version for a sdist is 'source'.")
    if kind == "bdist_wheel" and values["pyversion"] != name.removesuffix(".whl").split("-")[-3:][0]:
        raise PypiRefusal(400, "pyversion: it is not that of the wheel's name.")
    if not name.isascii() or "/" in name or "\\" in name or not name.endswith({"sdist": ".tar.gz"}.get(kind, ".whl")):
        raise PypiRefusal(400, "Invalid file extension: Use .tar.gz or .whl, and no '/' in the name.")


def _check_digests(values: dict[str, str], content: bytes) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    md5 = base64.urlsafe_b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode().rstrip("=")
    right = {
        "sha256_digest": {sha256},
        "blake2_256_digest": {hashlib.blake2b(content, digest_size=32).hexdigest()},
        "md5_digest": {md5, hashlib.md5(content, usedforsecurity=False).hexdigest()},
    }
    given = {name: values[name] for name in right if name in values}
    if not given:
        raise PypiRefusal(400, "Must include at least one message digest.")
    if any(value not in right[name] for name, value in given.items()):
        raise PypiRefusal(400, "The digest supplied does not match a digest calculated from the uploaded file.")
    return sha256


def _identity(name: str, kind: str) -> tuple[str, str]:
    """Project and version of a file name; its spelling must be the normal one (PEP 625, PEP 427)."""
    try:
        found = parse_sdist_filename(name) if kind == "sdist" else parse_wheel_filename(name)[:2]
    except (InvalidSdistFilename, InvalidWheelFilename) as error:
        raise PypiRefusal(400, f"Invalid file name: {error}") from None
    if not name.startswith(f"{found[0].replace('-', '_')}-{found[1]}"):
        raise PypiRefusal(400, f"The file name {name!a} is not normalised.")
    return str(found[0]), str(found[1])


def _metadata(name: str, kind: str, content: bytes) -> RawMetadata:
    """The metadata in the file, which must be valid; a wheel must have a list of its files."""
    stem = name.removesuffix(".tar.gz") if kind == "sdist" else "-".join(name.split("-")[:2])
    try:
        if kind == "sdist":
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tarball:
                if {one.partition("/")[0] for one in tarball.getnames()} != {stem}:
                    raise PypiRefusal(400, "Invalid distribution file. It has more than one folder at its top.")
                file = tarball.extractfile(f"{stem}/PKG-INFO")
                data = file.read() if file else b""
        else:
            with zipfile.ZipFile(io.BytesIO(content)) as wheel:
                for needed in ("WHEEL", "RECORD"):
                    wheel.getinfo(f"{stem}.dist-info/{needed}")
                data = wheel.read(f"{stem}.dist-info/METADATA")
        Metadata.from_email(data, validate=True)
        return parse_email(data)[0]
    except (KeyError, OSError, EOFError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise PypiRefusal(400, f"Invalid distribution file. {error}") from None
    except ExceptionGroup as group:
        raise PypiRefusal(400, f"Invalid distribution file. {group.exceptions[0]}") from None


def _check_fields(form: Form, metadata: RawMetadata) -> None:
    """The fields must say what the file says, in as many words."""
    for name in sorted(_ONCE | _OFTEN):
        value: Any = metadata.get(name, metadata.get(f"{name}s", []))  # packaging has some of them in the plural
        if isinstance(value, dict):
            value = [f"{label}, {address}" for label, address in value.items()]
        given, wanted = form.values(name), [value] if isinstance(value, str) else value
        if name == "keywords":  # a list in one line
            given = [word.strip() for line in given for word in line.split(",")]
        if given != wanted and (given or name not in _LATE):
            raise PypiRefusal(400, f"{name}: it is not what the metadata in the file say.")
