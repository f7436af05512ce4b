"""Reads the facts back out of a finished artefact: a function for each kind, with the ecosystem's own tool."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from ci.core import tars
from ci.core.errors import VerificationError
from ci.core.files import fresh_folder, sha256_of, unpack
from ci.images import lambda_layer as lambda_layer_file
from ci.images import oci
from ci.manifest.msys2 import ENVIRONMENTS
from ci.pipeline.jobs import Project, Variant
from ci.sboms import reading
from ci.sboms.contents import OpenedArtifact
from ci.verify import metadata
from ci.verify.consistency.expected import PAYLOAD, SOURCE, Facts, day

_BREW_STAND_IN = Path(__file__).parent.parent / "brew_stand_in.rb"
_PACKAGE = "faas_runtime/"
_PROGRAM = "bin/faas-runtime"
_OCI = "org.opencontainers.image."
_RPM_TAGS = ("NAME", "VERSION", "RELEASE", "LICENSE", "SUMMARY", "URL", "VENDOR", "PACKAGER", "CHANGELOGTIME")


@dataclass(frozen=True, kw_only=True)
class ArtifactOfProject(OpenedArtifact):
    """An artefact that facts are read out of, and what it was made from."""

    project: Project
    variant: Variant


def sdist(source: ArtifactOfProject) -> Facts:
    """The source tarball: its metadata, its payload, and its own hash."""
    folder = fresh_folder(source.folder / "sdist")
    unpack(source.path, folder)
    top = _only(list(folder.iterdir()), f"{source.path.name}: folders at the top")
    found = Distribution.at(top)  # which reads PKG-INFO
    return {**_metadata(found), **_payload(_files(top)), SOURCE: sha256_of(source.path)}


def wheel(source: ArtifactOfProject) -> Facts:
    """The wheel, through `importlib.metadata`, as pip sees it once it is installed."""
    with zipfile.ZipFile(source.path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        found = metadata.of_wheel(archive)
        commands = list(found.entry_points)
        return {
            **_metadata(found),
            "dependencies of the wheel": ", ".join(found.requires or ()),
            "command": ", ".join(command.name for command in commands),
            "entry point of the wheel": ", ".join(command.value for command in commands),
            **_payload({name: archive.read(name) for name in names}),
        }


def _metadata(found: Distribution) -> Facts:
    fields = found.metadata
    urls = dict(text.split(", ", 1) for text in fields.get_all("Project-URL") or ())
    return {
        "name": fields["Name"] or "",
        "version": fields["Version"] or "",
        "summary": fields["Summary"] or "",
        "licence": fields["License-Expression"] or "",
        "maintainer": fields["Maintainer"] or "",
        "home page": urls.get("Homepage", ""),
        "documentation": urls.get("Documentation", ""),
        "oldest Python": (fields["Requires-Python"] or "").removeprefix(">="),
    }


def rpm(source: ArtifactOfProject) -> Facts:
    """The main package, by `rpm -qp`; its files as they come out of it."""
    header = _rpm_header(source)
    requires, python = _rpm_requires(source)
    prefix = fresh_folder(source.folder / "root")
    source.run("bsdtar", "-xf", source.path, "-C", prefix)
    commands = sorted(path.name for path in (prefix / "usr" / "bin").iterdir())
    target = (prefix / "usr" / "bin" / "faas-runtime").readlink().as_posix()
    return {
        **header,
        "oldest Python": python,
        "dependencies of the RPM": requires,
        "command": ", ".join(commands),
        "launcher": posixpath.normpath(posixpath.join("bin", target)),
        **_payload(_files(prefix / "usr" / "lib" / "faas-runtime")),
    }


def rpm_devel(source: ArtifactOfProject) -> Facts:
    """The -devel package, whose name and summary are its own."""
    header = _rpm_header(source)
    name, _ = header.pop("name"), header.pop("summary")
    return {**header, "name": name.removesuffix("-devel"), "dependencies of the -devel RPM": _rpm_requires(source)[0]}


def srpm(source: ArtifactOfProject) -> Facts:
    """The source package, the tarball in it, and where its spec says that this comes from."""
    folder = fresh_folder(source.folder / "source")
    source.run("bsdtar", "-xf", source.path, "-C", folder)
    release = source.project.release
    spec = source.run.output("rpmspec", "-P", folder / f"{release.name}.spec")
    urls = re.findall(r"^Source0:\s*(\S+)$", spec, re.MULTILINE)
    return {
        **_rpm_header(source),
        SOURCE: sha256_of(folder / release.sdist_name),
        "URL of the source tarball": ", ".join(urls),
    }


def _rpm_header(source: ArtifactOfProject) -> Facts:
    form = "".join(f"%{{{tag}}}\n" for tag in _RPM_TAGS)
    lines = metadata.rpm_query(source.run, source.folder, source.path, form).splitlines()
    tags = dict(zip(_RPM_TAGS, lines, strict=False))
    return {
        "name": tags["NAME"],
        "version as RPM spells it": f"{tags['VERSION']}-{tags['RELEASE']}",
        "licence": tags["LICENSE"],
        "summary": tags["SUMMARY"],
        "home page": tags["URL"],
        "vendor": tags["VENDOR"],
        "maintainer": tags["PACKAGER"],
        "date": day(tags["CHANGELOGTIME"]),
    }


def _rpm_requires(source: ArtifactOfProject) -> tuple[str, str]:
    """What a package needs, and the oldest Python among it."""
    names = metadata.rpm_requires(source.run, source.folder, source.path)
    pythons = [name.removeprefix("python3 >= ") for name in names if name.startswith("python3 ")]
    return ", ".join(name for name in names if not name.startswith("python3 ")), ", ".join(pythons)


def msys2(source: ArtifactOfProject) -> Facts:
    """The package of one environment, by `pacman -Qip`; its files by bsdtar, which makepkg itself packs them with."""
    environment = source.variant.environment
    package_prefix = ENVIRONMENTS[environment].package_prefix
    config, database = source.folder / "pacman.conf", source.folder / "pacman"
    database.mkdir(exist_ok=True)
    config.write_text("[options]\nArchitecture = auto\nSigLevel = Never\n", encoding="utf-8")
    printed = source.run.output("pacman", "--config", config, "--dbpath", database, "-Qip", source.path)
    fields = {key.strip(): value for key, _, value in (line.partition(" : ") for line in printed.splitlines()) if value}
    depends = [name for name in fields["Depends On"].split() if name != "None"]
    pythons = [name for name in depends if name.startswith(f"{package_prefix}-python>=")]
    root = fresh_folder(source.folder / "root")
    source.run("bsdtar", "-xf", source.path, "-C", root)
    built = source.run.output("bsdtar", "-xOf", source.path, ".BUILDINFO")
    infos = dict(line.split(" = ", 1) for line in built.splitlines() if " = " in line)
    program = (root / environment / "bin" / "faas-runtime").read_text(encoding="utf-8")
    return {
        "name": fields["Name"].removeprefix(f"{package_prefix}-"),
        "version as pacman spells it": fields["Version"],
        "licence": fields["Licenses"].strip().removeprefix("spdx:"),
        "summary": fields["Description"].removesuffix(" (mingw-w64)"),
        "home page": fields["URL"],
        "maintainer": fields["Packager"],
        "date": day(infos["builddate"]),
        "sha256 of the PKGBUILD": infos["pkgbuild_sha256sum"],
        "oldest Python": ", ".join(name.rpartition(">=")[2] for name in pythons),
        "dependencies of the MSYS2 packages": ", ".join(sorted(set(depends) - set(pythons))),
        "command": ", ".join(sorted({path.stem for path in (root / environment / "bin").iterdir()})),
        "launcher": ", ".join(re.findall(r'-IS -X utf8 "\$\{0%/\*\}/\.\./(\S+)"', program)),
        **_payload(_files(root / environment / "lib" / "faas-runtime")),
    }


def formula(source: ArtifactOfProject) -> Facts:
    """What the formula declares; Ruby evaluates it, in a stand-in for brew."""
    declared = json.loads(source.run.output("ruby", _BREW_STAND_IN, source.path).splitlines()[-1])
    needed = declared.get("depends_on", [])
    pythons = [name.removeprefix("python@") for name in needed if name.startswith("python@")]
    return {
        "version as Homebrew spells it": declared["version"],
        "licence": declared.get("license", ""),
        "summary": declared.get("desc", ""),
        "home page": declared.get("homepage", ""),
        "URL of the source tarball": declared.get("url", ""),
        SOURCE: declared.get("sha256", ""),
        "Python of the formula": ", ".join(pythons),
        "dependencies of the formula": ", ".join(name for name in needed if not name.startswith("python@")),
    }


def image(source: ArtifactOfProject) -> Facts:
    """An image: its settings by skopeo, its payload out of its layer."""
    layout = fresh_folder(source.folder / "layout")
    unpack(source.path, layout)
    config: dict[str, Any] = json.loads(source.run.output("skopeo", "inspect", "--config", f"oci:{layout}"))
    try:
        tree = oci.added_by(oci.read_archive(source.path)[0])
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise VerificationError(f"not an archive that this tooling makes: {error!r}") from error
    labels = config.get("config", {}).get("Labels") or {}
    inside = "usr/lib/faas-runtime/"
    files = {name.removeprefix(inside): entry.data for name, entry in tree.items() if name.startswith(inside)}
    files = {name: data for name, data in files.items() if tree[inside + name].kind == tarfile.REGTYPE}
    bootstrap = tree.get("var/runtime/bootstrap", tars.link(""))
    pythons = sorted(found[1] for name in tree if (found := re.fullmatch(r"usr/bin/python(3\.\d+)", name)))
    of_micro = {"Python of micro": ", ".join(pythons)} if source.variant.flavour == "micro" else {}
    target = posixpath.normpath(posixpath.join("var/runtime", bootstrap.target))
    return {
        **_oci_keys(labels),
        "name": labels.get("name", ""),
        "date": config.get("created", "").removesuffix("T00:00:00Z"),
        "entry point of images": " ".join(config.get("config", {}).get("Entrypoint") or ()),
        "launcher": target.removeprefix("usr/"),
        **of_micro,
        **_payload(files),
    }


def lambda_layer(source: ArtifactOfProject) -> Facts:
    """A layer for Lambda: what its own description says, and its payload."""
    layer = lambda_layer_file.read(source.path)
    tree, said = layer.root, layer.said
    inside = "usr/lib/faas-runtime/"
    files = {name.removeprefix(inside): entry.data for name, entry in tree.items() if name.startswith(inside)}
    pythons = sorted(found[1] for name in tree if (found := re.fullmatch(r"usr/bin/python(3\.\d+)", name)))
    bootstrap = tree.get("var/runtime/bootstrap", tars.link(""))
    return {
        "name": said["name"],
        "version": said["version"],
        "date": said["date"],
        "summary": said["summary"],
        "licence": said["license"],
        "vendor": said["vendor"],
        "maintainer": said["maintainer"],
        "home page": said["home"],
        "documentation": said["documentation"],
        "Python of micro": ", ".join({said["python"], *pythons}),
        "launcher": posixpath.normpath(posixpath.join("var/runtime", bootstrap.target)).removeprefix("usr/"),
        **_payload(files),
    }


def sbom(source: ArtifactOfProject) -> Facts:
    """What an SBOM says of its artefact; its verification compares everything else with that artefact."""
    listed = reading.read(source.path.name, source.path.read_bytes())
    return {"licence": listed.licence, "date": listed.created.removesuffix("T00:00:00Z")}


def _oci_keys(said: Mapping[str, str]) -> Facts:
    """The facts in the labels of an image, or in the annotations of an index."""
    return {
        "version as images spell it": said.get(f"{_OCI}version", ""),
        "licence": said.get(f"{_OCI}licenses", ""),
        "summary": said.get(f"{_OCI}description", ""),
        "home page": said.get(f"{_OCI}url", ""),
        "documentation": said.get(f"{_OCI}documentation", ""),
        "vendor": said.get(f"{_OCI}vendor", ""),
        "maintainer": said.get(f"{_OCI}authors", ""),
    }


def index(source: ArtifactOfProject) -> Facts:
    """The index of a flavour's images: its annotations, by skopeo. Its images are those that have archives."""
    layout = fresh_folder(source.folder / "layout")
    unpack(source.path, layout)
    document = json.loads(source.run.output("skopeo", "inspect", "--raw", f"oci:{layout}"))
    said = document.get("annotations") or {}
    return {
        **_oci_keys(said),
        "name": said.get(f"{_OCI}title", ""),
        "date": said.get(f"{_OCI}created", "").removesuffix("T00:00:00Z"),
        "platforms": ", ".join(
            f"{one['platform']['os']}/{one['platform']['architecture']}" for one in document["manifests"]
        ),
    }


def pkgbuild(path: Path, run: Callable[[Path], str]) -> Facts:
    """What a PKGBUILD declares for one environment; `run` has makepkg print it, in the form of a `.SRCINFO`."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in run(path).splitlines():
        key, separator, value = line.strip().partition(" = ")
        if separator:
            found[key].append(value)
    return {
        "version as pacman spells it": f"{', '.join(found['pkgver'])}-{', '.join(found['pkgrel'])}",
        "licence": ", ".join(found["license"]).removeprefix("spdx:"),
        "home page": ", ".join(found["url"]),
        "URL of the source tarball": ", ".join(found["source"]),
        SOURCE: ", ".join(found["sha256sums"]),
        "sha256 of the PKGBUILD": sha256_of(path),
    }


def _files(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _payload(files: Mapping[str, bytes]) -> Facts:
    """The hash of each file of the payload; what a package or an image compiles of it is not part of it."""
    return {
        f"{PAYLOAD}{name}": hashlib.sha256(data).hexdigest()
        for name, data in sorted(files.items())
        if name == _PROGRAM or (name.startswith(_PACKAGE) and "/__pycache__/" not in name)
    }


def _only(values: Iterable[Any], what: str) -> Any:
    found = sorted(values)
    if len(found) != 1:
        raise VerificationError(f"{what}: found {len(found)}, expected one")
    return found[0]
