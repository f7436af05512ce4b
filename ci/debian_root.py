"""A Debian suite that mmdebstrap has unpacked, of any architecture: nothing of it runs."""

from __future__ import annotations

import dataclasses
import io
import lzma
import platform
import re
import tarfile
from pathlib import Path
from typing import IO

from ci import tars
from ci.errors import HostError, ReleaseError
from ci.run import Runner
from ci.tars import Tree

TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}

_ARCHIVES = "var/cache/apt/archives/"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Package:
    """A Debian package: its control file as it is, and the files that it owns."""

    name: str
    version: str
    control: str
    files: frozenset[str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DebianRoot:
    """An unpacked suite of one architecture: every file, and the packages they are of."""

    architecture: str
    tree: Tree
    packages: tuple[Package, ...]

    @property
    def libraries(self) -> str:
        """The folder of the shared libraries."""
        return f"usr/lib/{TRIPLETS[self.architecture]}"

    def python_version(self, minor: str) -> str:
        """The version of its Python's package."""
        return next(package.version for package in self.packages if package.name == f"python{minor}-minimal")

    def follow(self, path: str) -> Tree:
        """The entry at a path, which must be there, and every symbolic link on the way to it."""
        found = tars.follow(self.tree, path)
        if not found:
            raise ReleaseError(f"the Debian root for {self.architecture} has no {path}")
        return found


def host_architecture() -> str:
    """This machine's architecture as Debian and container images name it."""
    return MACHINES.get(platform.machine(), platform.machine())


def fetch(run: Runner, target: Path, suite: str, python: str, architecture: str) -> None:
    """Write a tar file of an unpacked suite with all that `micro` could carry, and its packages' archives."""
    wanted = (f"python{python}-minimal", f"libpython{python}-stdlib", "libgcc-s1", "base-files")
    run(
        "mmdebstrap",
        "--variant=extract",
        f"--include={','.join(wanted)}",
        f"--architectures={architecture}",
        "--format=tar",
        "--skip=essential/unlink,cleanup/apt/cache,output/dev",
        suite,
        target,
    )


def load(path: Path, architecture: str) -> DebianRoot:
    """Read what `fetch` made."""
    tree = tars.read(path)
    packages = [_package(entry.data) for name, entry in tree.items() if re.match(rf"{_ARCHIVES}[^/]+\.deb$", name)]
    if not packages:
        raise HostError(f"{path}: holds no Debian package", hint="remove it and run the same command again")
    return DebianRoot(architecture=architecture, tree=tree, packages=tuple(packages))


def _package(deb: bytes) -> Package:
    """Read the control data out of a package: an `ar` archive of three members with 60 bytes of header each."""
    position = 8
    while not deb[position:].startswith(b"control.tar"):
        position += 60 + (int(deb[position + 48 : position + 58]) + 1) // 2 * 2
    name = deb[position : position + 16].decode().rstrip(" /")
    member = deb[position + 60 : position + 60 + int(deb[position + 48 : position + 58])]
    if name != "control.tar.xz":
        raise ReleaseError(f"a Debian package has an unknown member {name}")
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(member))) as archive:
        files = {tars.clean(info.name): archive.extractfile(info) for info in archive if info.isfile()}
        control, sums = (_text(files.get(name)) for name in ("control", "md5sums"))
    fields = dict(re.findall(r"^([\w-]+): (.*)$", control, re.MULTILINE))
    owned = frozenset(line.split(maxsplit=1)[1] for line in sums.splitlines())
    return Package(name=fields["Package"], version=fields["Version"], control=control, files=owned)


def _text(content: IO[bytes] | None) -> str:
    return content.read().decode() if content else ""
