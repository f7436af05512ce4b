"""The distribution's packages in an image, as dpkg, apk and rpm list them there.

The package URLs have the qualifiers that scanners look vulnerabilities up by: the distribution, the architecture, and
the source package where it has another name.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from ci.core import tars
from ci.core.files import fresh_folder
from ci.core.run import Runner
from ci.core.tars import FileTree
from ci.sboms import licences
from ci.sboms.model import Licence, Package, System

_RPM_FOLDERS = ("usr/lib/sysimage/rpm", "var/lib/rpm")
# What is read of an image: the lists of packages, their licences, the name of the distribution.
LISTS = rf"var/lib/dpkg/status(?:\.d/.+)?|(?:usr/)?lib/apk/db/installed|(?:{'|'.join(_RPM_FOLDERS)})/[^/]+"
WANTED = rf"{LISTS}|usr/share/doc/[^/]+(?:/copyright)?|(?:etc|usr/lib)/os-release"
_RPM_TAGS = ("NAME", "EPOCH", "VERSION", "RELEASE", "ARCH", "LICENSE", "SOURCERPM")
_NONE = "(none)"  # what rpm prints for a tag that is not there


def system_of(tree: FileTree) -> System | None:
    """The distribution of an image; None if it does not say so."""
    for path in ("etc/os-release", "usr/lib/os-release"):
        found = list(tars.follow(tree, path).values())
        if found:
            lines = (line.partition("=") for line in found[-1].data.decode(errors="replace").splitlines())
            fields = {key: value.strip("\"'") for key, _, value in lines}
            return System(name=fields.get("ID", "linux"), version=fields.get("VERSION_ID", ""))
    return None


def installed(tree: FileTree, folder: Path, run: Runner) -> tuple[Package, ...]:
    """All packages, sorted by their URLs; rpm reads a copy of its database in `folder`."""
    system = system_of(tree) or System(name="linux", version="")
    found = [*_dpkg(tree, system), *_apk(tree, system), *_rpm(tree, system, folder, run)]
    return tuple(sorted({package.purl: package for package in found}.values(), key=lambda package: package.purl))


def purl(kind: str, namespace: str, name: str, version: str, **qualifiers: str) -> str:
    """A package URL; empty qualifiers are left out."""
    from packageurl import PackageURL

    given = {key: value for key, value in qualifiers.items() if value}
    return PackageURL(kind, namespace or None, name, version or None, given or None).to_string()


def _distro(system: System) -> str:
    return f"{system.name}-{system.version}" if system.version else system.name


def _dpkg(tree: FileTree, system: System) -> Iterable[Package]:
    lists = (path for path in tree if re.fullmatch(r"var/lib/dpkg/status(\.d/.+)?", path))
    for path in sorted(lists):
        for fields in () if path.endswith(".md5sums") else paragraphs(tree[path].data, ": "):
            if not fields.get("Package") or fields.get("Status", "installed").split()[-1] != "installed":
                continue
            name, version = fields["Package"], fields.get("Version", "")
            source, _, source_version = fields.get("Source", "").partition(" ")
            upstream = f"{source}@{source_version.strip('()')}" if source_version else source
            yield Package(
                name=name,
                version=version,
                purl=purl(
                    *("deb", system.name, name, version),
                    arch=fields.get("Architecture", ""), distro=_distro(system), upstream=upstream,
                ),
                licence=debian_licence(tree, name),
            )  # fmt: skip


def debian_licence(tree: FileTree, name: str) -> Licence | None:
    """The licence of a package of Debian, as its file in the image states it; None if that is not there."""
    found = list(tars.follow(tree, f"usr/share/doc/{name}/copyright").values())
    return licences.of_copyright_file(found[-1].data) if found else None


def _apk(tree: FileTree, system: System) -> Iterable[Package]:
    for path in sorted(path for path in tree if path.endswith("lib/apk/db/installed")):
        for fields in paragraphs(tree[path].data, ":"):
            if not fields.get("P"):
                continue
            name, version = fields["P"], fields.get("V", "")
            origin = fields.get("o", name)
            yield Package(
                name=name,
                version=version,
                purl=purl(
                    *("apk", system.name, name, version),
                    arch=fields.get("A", ""), distro=_distro(system), upstream="" if origin == name else origin,
                ),
                licence=licences.of_text(fields.get("L", "")),
            )  # fmt: skip


def paragraphs(data: bytes, separator: str) -> Iterable[Mapping[str, str]]:
    """The fields of each paragraph of a list of packages; the first line of each field."""
    for text in data.decode(errors="replace").split("\n\n"):
        pairs = [line.partition(separator) for line in text.splitlines() if not line[:1].isspace()]
        fields: dict[str, str] = {}
        for key, _, value in pairs:
            fields.setdefault(key, value)
        yield fields


def _rpm(tree: FileTree, system: System, folder: Path, run: Runner) -> Iterable[Package]:
    form = "\t".join(f"%{{{tag}}}" for tag in _RPM_TAGS) + "\n"
    for line in rpm_query(tree, folder, run, form):
        values = ("" if value == _NONE else value for value in line.split("\t"))
        tags = dict(zip(_RPM_TAGS, values, strict=True))
        version = f"{tags['VERSION']}-{tags['RELEASE']}"
        yield Package(
            name=tags["NAME"],
            version=f"{tags['EPOCH']}:{version}" if tags["EPOCH"] else version,
            purl=purl(
                *("rpm", "redhat" if system.name == "rhel" else system.name, tags["NAME"], version),
                arch=tags["ARCH"], distro=_distro(system), epoch=tags["EPOCH"], upstream=tags["SOURCERPM"],
            ),
            licence=licences.of_text(tags["LICENSE"]),
        )  # fmt: skip


def rpm_query(tree: FileTree, folder: Path, run: Runner, form: str) -> list[str]:
    """What rpm prints of each package in an image, sorted; it gets a copy of the image's database."""
    lines: list[str] = []
    for database in _RPM_FOLDERS:
        files = {path: tree[path] for path in tree if posixpath.dirname(path) == database and tree[path].data}
        if files:
            copy = fresh_folder(folder / "rpm-database")
            for path, entry in files.items():
                (copy / posixpath.basename(path)).write_bytes(entry.data)
            lines += run.output("rpm", "--dbpath", copy, "-qa", "--qf", form).splitlines()
    return sorted(lines)
