"""Reads a finished artefact: what it is by its own metadata, its files, what it contains and what it needs."""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

from ci.core import crate_file, tars
from ci.core.errors import ReleaseError, VerificationError
from ci.core.files import fresh_folder, sha256_of
from ci.core.run import Runner
from ci.core.tars import FileTree
from ci.images import archive_parts, lambda_layer
from ci.sboms import licences, packages
from ci.sboms.model import Contents, Dependency, Package, files_of

_OCI = "org.opencontainers.image."
_PAYLOAD = "usr/lib/faas-runtime/"
_IN_AN_IMAGE = re.compile(rf"{_PAYLOAD}.+|licenses/faas-runtime/.+|{packages.WANTED}")
_PYTHON = re.compile(r"python3(\.\d+)?(-minimal)?")
_PYPI = "Python"  # the name of the Python that metadata of PyPI demands
_RPM_TAGS = ("NAME", "EPOCH", "VERSION", "RELEASE", "ARCH", "LICENSE", "VENDOR", "SOURCEPACKAGE")
_NONE = "(none)"  # what rpm prints for a tag that is not there


@dataclass(frozen=True, kw_only=True)
class OpenedArtifact:
    """An artefact that is read. `folder` is empty, and the reader may use it."""

    path: Path
    folder: Path
    run: Runner


def read(source: OpenedArtifact) -> Contents:
    """What an artefact consists of; the end of its name says of which kind it is.

    Raises `VerificationError` if it cannot be read.
    """
    reader = next((reader for ending, reader in _READERS.items() if source.path.name.endswith(ending)), None)
    if reader is None:
        raise ReleaseError(
            f"{source.path.name}: nothing here reads the contents of such a file",
            hint="add a function to _READERS in ci/sboms/contents.py",
        )
    try:
        return reader(source)
    except tars.DAMAGED as error:
        raise VerificationError(f"{source.path.name}: its contents cannot be read: {error!r}") from error


def of_wheel(files: Mapping[str, bytes]) -> Contents:
    """What a wheel consists of that is not written yet, by its files."""
    (path,) = (name for name in files if name.endswith(".dist-info/METADATA"))
    fields = BytesParser().parsebytes(files[path])
    return _python("install", fields, files, None)


def _sdist(source: OpenedArtifact) -> Contents:
    tree = tars.read(source.path)
    files = {path: entry.data for path, entry in tree.items() if entry.kind == tarfile.REGTYPE}
    (path,) = (name for name in files if re.fullmatch(r"[^/]+/PKG-INFO", name))
    fields = BytesParser().parsebytes(files[path])
    return _python("source", fields, files, source.path)


def _wheel(source: OpenedArtifact) -> Contents:
    with zipfile.ZipFile(source.path) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    (path,) = (name for name in files if name.endswith(".dist-info/METADATA"))
    fields = BytesParser().parsebytes(files[path])
    return _python("install", fields, files, source.path)


def _python(purpose: str, fields: Message, files: Mapping[str, bytes], path: Path | None) -> Contents:
    """An artefact whose metadata are those of Python packages; without a path, it is not written yet."""
    python = fields["Requires-Python"]
    needs = [Dependency(name=_PYPI, versions=python)] if python else []
    needs += [Dependency(name=text) for text in fields.get_all("Requires-Dist", [])]
    return Contents(
        name=path.name if path else fields["Name"],
        sha256=sha256_of(path) if path else "",
        purpose=purpose,
        main=Package(
            name=fields["Name"],
            version=fields["Version"],
            purl=packages.purl("pypi", "", fields["Name"], fields["Version"], file_name=path.name if path else ""),
            licence=licences.of_text(fields["License-Expression"] or ""),
            files=files_of(files),
        ),
        needs=tuple(needs),
    )


def _rpm(source: OpenedArtifact) -> Contents:
    form = "".join(f"%{{{tag}}}\n" for tag in _RPM_TAGS)
    needed = "[%{REQUIRENAME}\t%{REQUIREFLAGS:depflags}\t%{REQUIREVERSION}\n]"
    options = ("--dbpath", source.folder / "database", "--nosignature", "-qp", "--qf", form + needed)
    lines = source.run.output("rpm", *options, source.path).splitlines()
    tags = {tag: "" if value == _NONE else value for tag, value in zip(_RPM_TAGS, lines, strict=False)}
    required = sorted({tuple(line.split("\t")) for line in lines[len(_RPM_TAGS) :]})
    is_source = bool(tags["SOURCEPACKAGE"])
    version = f"{tags['VERSION']}-{tags['RELEASE']}"
    architecture = "src" if is_source else tags["ARCH"]
    return Contents(
        name=source.path.name,
        sha256=sha256_of(source.path),
        purpose="source" if is_source else "install",
        main=Package(
            name=tags["NAME"],
            version=version,
            purl=packages.purl("rpm", tags["VENDOR"].lower(), tags["NAME"], version, arch=architecture),
            licence=licences.of_text(tags["LICENSE"]),
            files=files_of(_unpacked(source)),
        ),
        needs=tuple(
            Dependency(name=name, versions=f"{sign} {wanted}".strip())
            for name, sign, wanted in required
            if not name.startswith("rpmlib(")
        ),
    )


def _msys2(source: OpenedArtifact) -> Contents:
    files = _unpacked(source)
    lines = [line.partition(" = ") for line in files[".PKGINFO"].decode().splitlines() if not line.startswith("#")]
    fields = {key: value for key, _, value in lines}
    needed = (re.fullmatch(r"([^<>=]+)(.*)", value) for key, _, value in lines if key == "depend")
    licence = " AND ".join(value.removeprefix("spdx:") for key, _, value in lines if key == "license")
    name, version = fields["pkgname"], fields["pkgver"]
    return Contents(
        name=source.path.name,
        sha256=sha256_of(source.path),
        purpose="install",
        main=Package(
            name=name,
            version=version,
            purl=packages.purl("alpm", "msys", name, version, arch=fields["arch"]),
            licence=licences.of_text(licence),
            files=files_of({path: data for path, data in files.items() if not path.startswith(".")}),
        ),
        needs=tuple(Dependency(name=found[1], versions=found[2]) for found in needed if found),
    )


def _unpacked(source: OpenedArtifact) -> dict[str, bytes]:
    """The files of a package that bsdtar can read."""
    plain = fresh_folder(source.folder / "unpacked") / "plain.tar"
    source.run("bsdtar", "-cf", plain, "--format=pax", f"@{source.path}")
    return {path: entry.data for path, entry in tars.read(plain).items() if entry.kind == tarfile.REGTYPE}


def _formula(source: OpenedArtifact) -> Contents:
    """The formula: a file that says where Homebrew gets the source tarball, and what it needs."""
    text = source.path.read_text(encoding="utf-8")
    stated = dict(re.findall(r'^  (url|sha256|license) "(.*)"$', text, re.MULTILINE))
    name, url, sha256 = source.path.stem, stated["url"], stated["sha256"]
    version = url.rpartition("-")[2].removesuffix(".tar.gz")
    tarball = packages.purl("generic", "", name, version, download_url=url, checksum=f"sha256:{sha256}")
    pythons = re.findall(r'^  depends_on "(.*)"$', text, re.MULTILINE)
    return Contents(
        name=source.path.name,
        sha256=sha256_of(source.path),
        purpose="file",
        main=Package(
            name=name,
            version=version,
            purl=packages.purl("generic", "", name, version),
            licence=licences.of_text(stated["license"]),
        ),
        needs=(
            Dependency(name=url.rpartition("/")[2], versions=f"= {version}", purl=tarball, url=url, sha256=sha256),
            *(Dependency(name=name) for name in pythons),
        ),
    )


def _crate(source: OpenedArtifact) -> Contents:
    """The crate, and what functions that use it are built with; an optional dependency is not among that."""
    found = crate_file.read(source.path.read_bytes(), source.path.name)
    needed = (one for one in found.dependencies if one.kind == "normal" and not one.optional)
    return Contents(
        name=source.path.name,
        sha256=found.sha256,
        purpose="source",
        main=Package(
            name=found.name,
            version=found.version,
            purl=packages.purl("cargo", "", found.name, found.version),
            licence=licences.of_text(str(found.package.get("license", ""))),
            files=files_of({f"{found.name}-{found.version}/{path}": data for path, data in found.files.items()}),
        ),
        needs=tuple(
            Dependency(name=one.name, versions=one.requirement, purl=packages.purl("cargo", "", one.name, ""))
            for one in needed
        ),
    )


def _image(source: OpenedArtifact) -> Contents:
    parts = archive_parts.read(source.path, _IN_AN_IMAGE)
    labels = parts.config.get("config", {}).get("Labels") or {}
    name, version = labels["name"], labels[f"{_OCI}version"]
    found = packages.installed(parts.tree, source.folder, source.run)
    pythons = tuple(package.purl for package in found if _PYTHON.fullmatch(package.name))
    own = _own_package(parts.tree, found, labels["name"], labels[f"{_OCI}licenses"])
    return Contents(
        name=source.path.name,
        sha256=sha256_of(source.path),
        purpose="container",
        main=Package(
            name=name,
            version=version,
            purl=packages.purl("oci", "", name, parts.digest, arch=parts.config["architecture"]),
            licence=licences.of_text(labels[f"{_OCI}licenses"]),
        ),
        own=own,
        system=packages.system_of(parts.tree),
        packages=tuple(package for package in found if package.purl != own.purl),
        uses=pythons,
        needs=() if pythons else (Dependency(name=_PYPI),),
    )


def _lambda_layer(source: OpenedArtifact) -> Contents:
    """A layer for Lambda, which has its own Python, and says itself what it is."""
    layer = lambda_layer.read(source.path)
    tree, said = layer.root, layer.said
    found = packages.installed(tree, source.folder, source.run)
    return Contents(
        name=source.path.name,
        sha256=sha256_of(source.path),
        purpose="install",
        main=Package(
            name=said["name"],
            version=said["version"],
            purl=packages.purl("generic", "", said["name"], said["version"], file_name=source.path.name),
            licence=licences.of_text(said["license"]),
        ),
        own=_own_package(tree, found, said["name"], said["license"]),
        system=packages.system_of(tree),
        packages=found,
        uses=tuple(package.purl for package in found if _PYTHON.fullmatch(package.name)),
    )


def _own_package(tree: FileTree, found: tuple[Package, ...], name: str, licence: str) -> Package:
    """Our package in a root: by the distribution's list if it is there, otherwise by what is said and the payload."""
    listed = [package for package in found if package.name == name]
    inside = ("usr/lib/faas-runtime/", "licenses/faas-runtime/")
    files = {path: entry.data for path, entry in tree.items() if entry.kind == tarfile.REGTYPE}
    payload = files_of({path: data for path, data in files.items() if path.startswith(inside)})
    if listed:
        (one,) = listed
        return Package(name=one.name, version=one.version, purl=one.purl, licence=one.licence, files=payload)
    text = files[f"{_PAYLOAD}faas_runtime/_version.py"].decode()
    (version,) = re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    return Package(
        name=name,
        version=version,
        purl=packages.purl("pypi", "", name, version),
        licence=licences.of_text(licence),
        files=payload,
    )


# By the ends of their names: the first one that fits counts.
_READERS: Mapping[str, Callable[[OpenedArtifact], Contents]] = {
    ".oci.tar": _image,
    ".pkg.tar.zst": _msys2,
    ".tar.gz": _sdist,
    ".whl": _wheel,
    ".rpm": _rpm,
    ".rb": _formula,
    ".crate": _crate,
    ".zip": _lambda_layer,
}
