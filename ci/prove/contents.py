"""What an artefact consists of, read out of the finished file: all that a comparison of two releases looks at."""

from __future__ import annotations

import hashlib
import posixpath
import re
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution

from ci.core import crate_file, tars
from ci.core.errors import ReleaseError, VerificationError
from ci.core.resolve import resolve
from ci.core.tars import Entry, FileTree
from ci.images import image_index as index_archive
from ci.images import lambda_layer as lambda_layer_file
from ci.images import oci
from ci.pipeline.entries import entry_of
from ci.prove import header
from ci.sboms.contents import OpenedArtifact
from ci.sboms.packages import debian_licence
from ci.verify import metadata

# What is compared, in the order in which people read it. Each aspect is a mapping from names to values.
ASPECTS = ("licences", "dependencies", "symbols", "settings", "packages", "modes", "files")

Aspects = dict[str, dict[str, str]]
_HEADER = re.compile(r"(.*/)?include/faas\.h")
_DATABASES = ("usr/lib/sysimage/rpm", "var/lib/rpm")


def read(kind: str, source: OpenedArtifact, *, name: str, version: str) -> Aspects:
    """All aspects of an artefact. Names in it that contain the version of the product are read without it."""
    reader = resolve(entry_of(kind, source.path.name).contents)
    try:
        found: Aspects = reader(source)
    except (ReleaseError, OSError, *tars.DAMAGED) as error:
        raise VerificationError(f"{source.path.name}: its contents cannot be read: {error}") from error
    spelt = f"{name.replace('-', '_')}-{version}"
    plain = spelt.replace(version, "VERSION")
    return {
        aspect: {key.replace(spelt, plain): value for key, value in sorted(found.get(aspect, {}).items())}
        for aspect in ASPECTS
    }


def _of_tree(tree: Mapping[str, Entry]) -> Aspects:
    """The aspects that every archive has: its files, their modes and owners, and the ABI that a header declares."""
    files = {path: _content(entry) for path, entry in tree.items() if entry.kind != tarfile.DIRTYPE}
    modes = {path: f"{entry.mode:04o} {entry.uid}:{entry.gid}" for path, entry in tree.items()}
    headers = [entry.data for path, entry in sorted(tree.items()) if _HEADER.fullmatch(path)]
    symbols = header.declarations(headers[0].decode()) if headers else {}
    return {"files": files, "modes": modes, "symbols": symbols}


def _content(entry: Entry) -> str:
    return f"-> {entry.target}" if entry.target else f"sha256 {hashlib.sha256(entry.data).hexdigest()}"


def sdist(source: OpenedArtifact) -> Aspects:
    """The source tarball."""
    tree = tars.read(source.path)
    (info,) = (entry for path, entry in tree.items() if re.fullmatch(r"[^/]+/PKG-INFO", path))
    (source.folder / "PKG-INFO").write_bytes(info.data)
    return {**_of_tree(tree), **_metadata(Distribution.at(source.folder))}


def wheel(source: OpenedArtifact) -> Aspects:
    """The wheel."""
    tree: FileTree = {}
    with zipfile.ZipFile(source.path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                tree[member.filename] = tars.file(archive.read(member), member.external_attr >> 16 & 0o7777)
        return {**_of_tree(tree), **_metadata(metadata.of_wheel(archive))}


def _metadata(found: Distribution) -> Aspects:
    python = found.metadata["Requires-Python"]
    needed = [*(found.requires or ()), *([f"Python {python}"] if python else [])]
    return {"dependencies": _set(needed), "licences": {"package": found.metadata["License-Expression"] or ""}}


def rpm(source: OpenedArtifact) -> Aspects:
    """Any of the RPMs."""
    licence = metadata.rpm_query(source.run, source.folder, source.path, "%{LICENSE}")
    needed = _set(metadata.rpm_requires(source.run, source.folder, source.path))
    return {**_of_tree(_unpacked(source)), "dependencies": needed, "licences": {"package": licence}}


def msys2(source: OpenedArtifact) -> Aspects:
    """The package of one environment of MSYS2."""
    tree = _unpacked(source)
    lines = [line.partition(" = ") for line in tree[".PKGINFO"].data.decode().splitlines()]
    licences = sorted(value for key, _, value in lines if key == "license")
    needed = (value for key, _, value in lines if key == "depend")
    return {**_of_tree(tree), "dependencies": _set(needed), "licences": {"package": ", ".join(licences)}}


def formula(source: OpenedArtifact) -> Aspects:
    """The formula, one file."""
    text = source.path.read_text(encoding="utf-8")
    licence = re.search(r'^  license "(.*)"$', text, re.MULTILINE)
    return {
        **_of_tree({source.path.name: tars.file(text.encode())}),
        "dependencies": _set(re.findall(r'^  depends_on "(.*)"$', text, re.MULTILINE)),
        "licences": {"package": licence[1] if licence else ""},
    }


def crate(source: OpenedArtifact) -> Aspects:
    """The crate, with what it needs for all of its features."""
    found = crate_file.read(source.path.read_bytes(), source.path.name)
    needed = (
        f"{one.name} {one.requirement}{' (optional)' if one.optional else ''}"
        for one in found.dependencies
        if one.kind == "normal"
    )
    # The folder at its top has the version in its name.
    tree = {path.partition("/")[2]: entry for path, entry in tars.read(source.path).items()}
    return {
        **_of_tree(tree),
        "dependencies": _set([*needed, f"Rust {found.package.get('rust-version', '')}"]),
        "licences": {"package": str(found.package.get("license", ""))},
    }


def image(source: OpenedArtifact) -> Aspects:
    """An image: all its layers, and its settings."""
    image, _ = oci.read_archive(source.path)
    tree = oci.merged(image)
    settings = image.config.get("config", {})
    labels = settings.get("Labels") or {}
    packages, licences = _packages(source, tree)
    return {
        **_of_tree(tree),
        "packages": packages,
        "licences": {"image": labels.get("org.opencontainers.image.licenses", ""), **licences},
        "settings": {
            **{key: str(value) for key, value in settings.items() if key != "Labels"},
            **{f"label {key}": value for key, value in labels.items()},
        },
    }


def lambda_layer(source: OpenedArtifact) -> Aspects:
    """A layer for Lambda: its files, and the distribution's packages among them."""
    found = lambda_layer_file.read(source.path)
    packages, licences = _packages(source, found.root)
    return {
        **_of_tree(found.entries),
        "packages": packages,
        "licences": {"package": found.said["license"], **licences},
        "settings": dict(found.said),
    }


def image_index(source: OpenedArtifact) -> Aspects:
    """What an index says of itself. Its images are compared where they have archives of their own."""
    document = index_archive.read(source.path).document
    annotations: dict[str, str] = document.get("annotations") or {}
    platforms = (f"{one['platform']['os']}/{one['platform']['architecture']}" for one in document["manifests"])
    return {
        "licences": {"image": annotations.get("org.opencontainers.image.licenses", "")},
        "settings": {"platforms": ", ".join(platforms), **{f"label {key}": annotations[key] for key in annotations}},
    }


def _packages(source: OpenedArtifact, tree: FileTree) -> tuple[dict[str, str], dict[str, str]]:
    """The distribution's packages in an image with their versions, and with their licences where it records them."""
    packages, licences = {}, {}
    for path, entry in tree.items():
        if path.startswith("var/lib/dpkg/status") and entry.kind == tarfile.REGTYPE and not path.endswith(".md5sums"):
            for fields in _paragraphs(entry.data, ": "):
                name = fields.get("Package", "")
                packages[name] = fields.get("Version", "")
                if stated := debian_licence(tree, name):
                    licences[name] = stated.expression
        elif path.endswith("lib/apk/db/installed"):
            for fields in _paragraphs(entry.data, ":"):
                packages[fields.get("P", "")] = fields.get("V", "")
                licences[fields.get("P", "")] = fields.get("L", "")
    for line in _rpm_list(source, tree):
        package, version, licence = line.split("\t")
        packages[package], licences[package] = version, licence
    packages.pop("", None)
    licences.pop("", None)
    return packages, licences


def _paragraphs(data: bytes, separator: str) -> Iterable[dict[str, str]]:
    for text in data.decode(errors="replace").split("\n\n"):
        pairs = (line.partition(separator) for line in text.splitlines() if not line.startswith(" "))
        yield {key: value for key, _, value in pairs}


def _rpm_list(source: OpenedArtifact, tree: FileTree) -> list[str]:
    """What rpm says of the packages in an image; it gets a copy of the image's database."""
    lines: list[str] = []
    for number, database in enumerate(_DATABASES):
        files = {path: tree[path] for path in tree if posixpath.dirname(path) == database and tree[path].data}
        if files:
            copy = source.folder / f"rpm-{number}"
            copy.mkdir()
            for path, entry in files.items():
                (copy / posixpath.basename(path)).write_bytes(entry.data)
            form = "%{NAME}.%{ARCH}\t%{EVR}\t%{LICENSE}\n"
            lines += source.run.output("rpm", "--dbpath", copy, "-qa", "--qf", form).splitlines()
    return lines


def _unpacked(source: OpenedArtifact) -> FileTree:
    """The files of a package that bsdtar can read, as a plain tar file."""
    plain = source.folder / "plain.tar"
    source.run("bsdtar", "-cf", plain, "--format=pax", f"@{source.path}")
    return tars.read(plain)


def _set(names: Iterable[str]) -> dict[str, str]:
    return dict.fromkeys(names, "")
