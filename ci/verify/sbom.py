"""An SBOM: valid by its schema, and true to the artefact, which is opened again in another way than its builder does.

Hashes of files come from the ecosystem's own lists where there are some: the header of an RPM, the `.MTREE` of a
package for pacman, the RECORD of a wheel.
"""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import posixpath
import re
import tarfile
import threading
import tomllib
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.core import tars
from ci.core.errors import VerificationError
from ci.core.files import fresh_folder, sha256_of
from ci.core.tars import FileTree
from ci.images import archive_parts, lambda_layer
from ci.kinds import KINDS
from ci.pipeline.jobs import Verdict
from ci.sboms import reading
from ci.sboms.reading import DescribedArtifact
from ci.verify.check import Check

_FORMS = (".spdx.json", ".cdx.json")
_OWN = ("usr/lib/faas-runtime/", "licenses/faas-runtime/")
_LISTS = re.compile(
    r"var/lib/dpkg/status(\.d/[^/]+)?|(usr/)?lib/apk/db/installed|(usr/lib/sysimage|var/lib)/rpm/[^/]+"
    rf"|({'|'.join(_OWN)}).+"
)
_PYTHON = re.compile(r"python3(\.\d+)?(-minimal)?")


@dataclass(frozen=True, kw_only=True)
class FoundContents:
    """What is found in an artefact: the SHA-256 of each file, the packages with their versions, and what it needs."""

    name: str
    version: str
    sha256: str
    files: Mapping[str, str]
    packages: frozenset[tuple[str, str]] = frozenset()
    needs: frozenset[str] = frozenset()


def verify(check: Check) -> Verdict:
    """Validate a document, and compare what it says with the artefact that its name names."""
    data, name = check.path.read_bytes(), check.path.name
    check.require_equal(reading.faults(name, data), [], "faults of the document")
    try:
        listed = reading.read(name, data)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise VerificationError(f"{check.output.path}: not a document that this tooling makes: {error!r}") from error
    facts = _facts_of(check, _artefact(check))
    release = check.project.release
    check.require_equal(listed.file, _described(name), "artefact")
    check.require_equal((listed.name, listed.version), (facts.name, facts.version), "name and version")
    check.require_equal(listed.licence, release.license, "licence")
    check.require_equal(listed.created, f"{release.date}T00:00:00Z", "time")
    check.require_same_set(set(listed.files), set(facts.files), "files")
    check.require_equal(dict(listed.files), dict(facts.files), "sha256")
    _require_packages(check, listed, facts)
    check.require_same_set(set(listed.needs), set(facts.needs), "what it needs and does not contain")
    # Last, as it differs with everything else, and says least of all what it is.
    check.require_equal(listed.sha256, facts.sha256, "sha256 of the artefact")
    check.require(listed.sums_are_right, "the verification codes are those of the files")
    check.require(listed.identity_is_right, "the identity is the UUIDv5 of the contents")
    return Verdict()


def _require_packages(check: Check, listed: DescribedArtifact, facts: FoundContents) -> None:
    """The packages are the image's, and our own among them is of this version and has its licence."""
    release = check.project.release
    found = {(name, version): licence for name, version, licence in listed.packages.values()}
    if facts.packages:
        own = {one: licence for one, licence in found.items() if one[0] == release.name}
        check.require_equal(list(own.values()), [release.license], f"licence of {release.name}")
        versions = {str(release.version), f"{release.version.rpm}-{release.rpm.release}"}
        check.require({version for _, version in own} <= versions, f"{release.name} has the version of this release")
        expected = {*facts.packages, *own}
    else:
        expected = set()
    check.require_equal(len(listed.packages), len(found), "number of packages")
    check.require_same_set({" ".join(one) for one in found}, {" ".join(one) for one in expected}, "packages")


def _described(name: str) -> str:
    """The name of the artefact that an SBOM describes, by the SBOM's own."""
    (form,) = (form for form in _FORMS if name.endswith(form))
    return name.removesuffix(form)


def _artefact(check: Check) -> Path:
    """The artefact that an SBOM describes; it is in the folder of its kind."""
    name = _described(check.path.name)
    folders = dict.fromkeys(kind.folder for kind in KINDS)
    found = [path for folder in folders if (path := check.project.dist / folder / name).is_file()]
    check.require(len(found) == 1, f"{name}, which it describes, is there")
    return found[0]


# An artefact has two SBOMs, which are often verified at the same time: it is read once for both.
_reading = threading.Lock()
_known: dict[tuple[str, int, int], FoundContents] = {}


def _facts_of(check: Check, path: Path) -> FoundContents:
    status = path.stat()
    key = (str(path), status.st_size, status.st_mtime_ns)
    with _reading:
        if key not in _known:
            reader = next((reader for ending, reader in _READERS.items() if path.name.endswith(ending)), None)
            if reader is None:
                raise VerificationError(f"{check.output.path}: nothing here reads an artefact such as {path.name}")
            _known[key] = reader(check, path)
        return _known[key]


def _sdist(check: Check, path: Path) -> FoundContents:
    files = {name: entry.data for name, entry in tars.read(path).items() if entry.kind == tarfile.REGTYPE}
    return _of_release(check, path, {name: hashlib.sha256(data).hexdigest() for name, data in files.items()})


def _wheel(check: Check, path: Path) -> FoundContents:
    with zipfile.ZipFile(path) as archive:
        (record,) = (name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        data = archive.read(record)
    rows = csv.reader(io.StringIO(data.decode()))
    files = {name: _hexadecimal(digest.removeprefix("sha256=")) for name, digest, _ in rows if digest}
    return _of_release(check, path, {**files, record: hashlib.sha256(data).hexdigest()})


def _hexadecimal(digest: str) -> str:
    return base64.urlsafe_b64decode(digest + "=" * (-len(digest) % 4)).hex()


def _of_release(check: Check, path: Path, files: Mapping[str, str]) -> FoundContents:
    release = check.project.release
    return FoundContents(
        name=release.name,
        version=str(release.version),
        sha256=sha256_of(path),
        files=files,
        needs=frozenset({"Python"}),
    )


def _rpm(check: Check, path: Path) -> FoundContents:
    form = "%{FILEDIGESTALGO}\n%{NAME}\n%{VERSION}-%{RELEASE}\n[%{FILENAMES}\t%{FILEDIGESTS}\n]"
    options = ("--dbpath", check.folder / "database", "--nosignature", "-qp")
    algorithm, name, version, *lines = check.run.output("rpm", *options, "--qf", form, path).splitlines()
    check.require_equal(algorithm, "8", "algorithm of the digests in the header")  # SHA-256
    pairs = (line.split("\t") for line in lines)
    required = check.run.output("rpm", *options, "--requires", path).splitlines()
    return FoundContents(
        name=name,
        version=version,
        sha256=sha256_of(path),
        files={file.lstrip("/"): digest for file, digest in pairs if digest},
        needs=frozenset(line.split()[0] for line in required if not line.startswith("rpmlib(")),
    )


def _msys2(check: Check, path: Path) -> FoundContents:
    check.run("bsdtar", "-xf", path, "-C", check.folder, ".MTREE")
    listed = gzip.decompress((check.folder / ".MTREE").read_bytes()).decode()
    files = re.findall(r"^\./(\S+) .*sha256digest=([0-9a-f]{64})", listed, re.MULTILINE)
    info = check.run.output("bsdtar", "-xOf", path, ".PKGINFO")
    fields = dict(re.findall(r"^(pkgname|pkgver) = (.+)$", info, re.MULTILINE))
    return FoundContents(
        name=fields["pkgname"],
        version=fields["pkgver"],
        sha256=sha256_of(path),
        files={_unescaped(name): digest for name, digest in files if not name.startswith(".")},
        needs=frozenset(re.findall(r"^depend = ([\w.+-]+)", info, re.MULTILINE)),
    )


def _unescaped(name: str) -> str:
    """A path of an mtree file, in which some bytes are written as octal numbers."""
    plain = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), name.encode())
    return plain.decode()


def _formula(check: Check, path: Path) -> FoundContents:
    release = check.project.release
    tarball = release.sdist_name
    needs = frozenset({tarball, f"python@{release.homebrew.python}"})
    return FoundContents(name=release.name, version=str(release.version), sha256=sha256_of(path), files={}, needs=needs)


def _crate(check: Check, path: Path) -> FoundContents:
    files = {name: entry.data for name, entry in tars.read(path).items() if entry.kind == tarfile.REGTYPE}
    (manifest,) = (data for name, data in files.items() if re.fullmatch(r"[^/]+/Cargo\.toml", name))
    stated = tomllib.loads(manifest.decode())
    needed = {name for name, one in stated["dependencies"].items() if isinstance(one, str) or not one.get("optional")}
    return FoundContents(
        name=stated["package"]["name"],
        version=stated["package"]["version"],
        sha256=sha256_of(path),
        files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
        needs=frozenset(needed),
    )


def _image(check: Check, path: Path) -> FoundContents:
    release = check.project.release
    parts = archive_parts.read(path, _LISTS)
    files = {name: entry for name, entry in parts.tree.items() if entry.kind == tarfile.REGTYPE}
    packages = frozenset({*_dpkg(files), *_apk(files), *_rpms(check, files)})
    has_python = any(_PYTHON.fullmatch(name) for name, _ in packages)
    return FoundContents(
        name=release.name,
        version=release.version.oci,
        sha256=sha256_of(path),
        files={name: hashlib.sha256(one.data).hexdigest() for name, one in files.items() if name.startswith(_OWN)},
        packages=packages,
        needs=frozenset() if has_python else frozenset({"Python"}),
    )


def _lambda_layer(check: Check, path: Path) -> FoundContents:
    release = check.project.release
    tree = lambda_layer.read(path).root
    files = {name: entry for name, entry in tree.items() if entry.kind == tarfile.REGTYPE}
    return FoundContents(
        name=release.name,
        version=str(release.version),
        sha256=sha256_of(path),
        files={name: hashlib.sha256(one.data).hexdigest() for name, one in files.items() if name.startswith(_OWN)},
        packages=frozenset(_dpkg(files)),
    )


def _dpkg(files: FileTree) -> set[tuple[str, str]]:
    lists = (one.data for name, one in files.items() if "lib/dpkg/" in name and not name.endswith(".md5sums"))
    entries = (text for data in lists for text in data.decode().split("\n\n"))
    states = re.compile(r"^Status: (.+)$", re.MULTILINE)
    present = (text for text in entries if not (state := states.search(text)) or state[1].endswith(" installed"))
    return _pairs(present, r"^Package: (.+)$", r"^Version: (.+)$")


def _apk(files: FileTree) -> set[tuple[str, str]]:
    lists = (one.data for name, one in files.items() if name.endswith("lib/apk/db/installed"))
    return _pairs((text for data in lists for text in data.decode().split("\n\n")), r"^P:(.+)$", r"^V:(.+)$")


def _pairs(entries: Iterable[str], name: str, version: str) -> set[tuple[str, str]]:
    found = ((re.search(name, text, re.MULTILINE), re.search(version, text, re.MULTILINE)) for text in entries)
    return {(first[1], second[1]) for first, second in found if first and second}


def _rpms(check: Check, files: FileTree) -> set[tuple[str, str]]:
    folders = {posixpath.dirname(name) for name in files if posixpath.dirname(name).endswith("/rpm")}
    lines: list[str] = []
    for number, folder in enumerate(sorted(folders)):
        copy = fresh_folder(check.folder / f"rpm-{number}")
        for name, entry in files.items():
            if posixpath.dirname(name) == folder:
                (copy / posixpath.basename(name)).write_bytes(entry.data)
        lines += check.run.output("rpm", "--dbpath", copy, "-qa", "--qf", "%{NAME} %{EVR}\n").splitlines()
    return {(name, version) for name, version in (line.split() for line in lines)}


# By the ends of their names.
_READERS: Mapping[str, Callable[[Check, Path], FoundContents]] = {
    ".oci.tar": _image,
    ".pkg.tar.zst": _msys2,
    ".tar.gz": _sdist,
    ".whl": _wheel,
    ".rpm": _rpm,
    ".rb": _formula,
    ".crate": _crate,
    ".zip": _lambda_layer,
}
