"""A Debian suite that mmdebstrap has unpacked, for any architecture: no program in it is run."""

from __future__ import annotations

import dataclasses
import io
import lzma
import re
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from ci.core import architectures, tars
from ci.core.errors import HostError, ReleaseError
from ci.core.run import Runner
from ci.core.tars import FileTree

_ARCHIVE = re.compile(r"var/cache/apt/archives/[^/]+\.deb$")
# Certificates of the authorities, names of services, time zones.
_FOR_FUNCTIONS = ("ca-certificates", "netbase", "tzdata")

# The format of `ar`: a magic text, then members with a header each (struct ar_hdr in <ar.h>).
_AR_MAGIC = b"!<arch>\n"
_AR_HEADER_BYTES = 60
_AR_NAME_BYTES = 16
_AR_SIZE_START, _AR_SIZE_END = 48, 58


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnpackedPackage:
    """A Debian package: its control file, and the paths of its files."""

    name: str
    version: str
    control: str
    files: frozenset[str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DebianRoot:
    """An unpacked suite of one architecture: every file, and the packages."""

    architecture: str
    tree: FileTree
    packages: tuple[UnpackedPackage, ...]

    @property
    def libraries(self) -> str:
        """The folder of the shared libraries."""
        return f"usr/lib/{architectures.named(self.architecture).triplet}"

    def package(self, name: str) -> UnpackedPackage:
        """The package of that name; `ReleaseError` if there is none."""
        for package in self.packages:
            if package.name == name:
                return package
        raise ReleaseError(f"the Debian root for {self.architecture} has no package {name}")

    def python_version(self, minor: str) -> str:
        """The version of its Python's package."""
        return self.package(f"python{minor}-minimal").version

    def follow(self, path: str) -> FileTree:
        """The entry at a path, and every symbolic link on the way to it; `ReleaseError` if there is none."""
        found = tars.follow(self.tree, path)
        if not found:
            raise ReleaseError(f"the Debian root for {self.architecture} has no {path}")
        return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which root to fetch: a suite, a version of Python such as "3.13", and an architecture."""

    suite: str
    python: str
    architecture: str


def fetch(run: Runner, target: Path, wanted: Wanted, mirror: str = "", packages: Sequence[str] = ()) -> None:
    """Write a tar file of an unpacked suite with everything that `micro` may need, and the archives of its packages.

    The same packages give the same bytes, from whichever mirror: no trace of it stays, nor of apt's own caches.
    """
    python = wanted.python
    needed = (f"python{python}-minimal", f"libpython{python}-stdlib", "libgcc-s1", "base-files", *_FOR_FUNCTIONS)
    run(
        "mmdebstrap",
        "--variant=extract",
        f"--include={','.join(packages or needed)}",
        f"--architectures={wanted.architecture}",
        "--format=tar",
        "--skip=essential/unlink,cleanup/apt/cache,output/dev",
        '--aptopt=Dir::Cache::pkgcache ""',
        '--aptopt=Dir::Cache::srcpkgcache ""',
        '--extract-hook=rm "$1/etc/apt/sources.list"',
        wanted.suite,
        target,
        *((mirror,) if mirror else ()),
    )


def archives(path: Path) -> Iterator[bytes]:
    """The archives of the packages in a file that `fetch` wrote."""
    with tarfile.open(path) as archive:
        for info in archive:
            if info.isfile() and _ARCHIVE.match(tars.clean(info.name)) and (content := archive.extractfile(info)):
                yield content.read()


def load(path: Path, architecture: str) -> DebianRoot:
    """Read a file that `fetch` wrote."""
    tree = tars.read(path)
    packages = [package_of(entry.data) for name, entry in tree.items() if _ARCHIVE.match(name)]
    if not packages:
        raise HostError(f"{path}: contains no Debian package", hint="remove it and run the same command again")
    return DebianRoot(architecture=architecture, tree=tree, packages=tuple(packages))


def package_of(deb: bytes) -> UnpackedPackage:
    """Read the control data of a package, which is an `ar` archive of three members; see deb(5) and ar(5)."""
    position = len(_AR_MAGIC)
    while not deb[position:].startswith(b"control.tar"):
        position += _AR_HEADER_BYTES + (_ar_size(deb, position) + 1) // 2 * 2  # members begin at even offsets
    name = deb[position : position + _AR_NAME_BYTES].decode().rstrip(" /")
    start = position + _AR_HEADER_BYTES
    member = deb[start : start + _ar_size(deb, position)]
    if name != "control.tar.xz":
        raise ReleaseError(f"a Debian package has an unknown member {name}")
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(member))) as archive:
        files = {tars.clean(info.name): archive.extractfile(info) for info in archive if info.isfile()}
        control, sums, settings = (_text(files.get(name)) for name in ("control", "md5sums", "conffiles"))
    fields = dict(re.findall(r"^([\w-]+): (.*)$", control, re.MULTILINE))
    owned = {line.split(maxsplit=1)[1] for line in sums.splitlines()}
    owned |= {line.split()[-1].lstrip("/") for line in settings.splitlines() if line}  # not among the sums
    return UnpackedPackage(name=fields["Package"], version=fields["Version"], control=control, files=frozenset(owned))


def _ar_size(deb: bytes, position: int) -> int:
    """The size of the member whose header is at a position."""
    return int(deb[position + _AR_SIZE_START : position + _AR_SIZE_END])


def _text(content: IO[bytes] | None) -> str:
    return content.read().decode() if content else ""
