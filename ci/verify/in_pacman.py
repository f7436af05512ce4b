"""MSYS2 packages in a Debian root, installed from a repository with pacman, which resolves what they depend on.

The repository is made of the packages, or it is a signed tree: then pacman demands signatures of both. pacman always
gets a cache of its own: it installs a package that lies in its cache, whatever the repository has.
"""

from __future__ import annotations

import io
import re
import shutil
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ci.manifest.msys2 import ENVIRONMENTS
from ci.verify.in_root import Root

_REPOSITORY = "srv/repository"
# What pacman says of a hook that fails, while the transaction goes on.
FAULTS = ("failed to execute", "command failed to")
_CONFIG = "srv/pacman.conf"
_SETTINGS = f"[options]\nArchitecture = auto\nSigLevel = Never\n\n[offered]\nServer = file:///{_REPOSITORY}\n"
_TREES = "srv/trees"
_KEYRING = "srv/keyring"
_SIGNED = """\
[options]
Architecture = auto
SigLevel = Required DatabaseRequired
LocalFileSigLevel = Never
GPGDir = /{keyring}

[{name}]
Server = {server}
"""
# Debian has the program `vercmp` in another package.
_COMPARE = """\
import ctypes, glob, sys
(path,) = glob.glob("/usr/lib/*/libalpm.so.*[0-9].[0-9]*")[:1]
versions = iter(sys.argv[1:])
print(*(ctypes.CDLL(path).alpm_pkg_vercmp(one.encode(), next(versions).encode()) for one in versions))
"""


def listed_version(printed: str) -> str:
    """The version in what `pacman -Si` prints of one package; empty if there is none."""
    found = re.search(r"^Version\s*: (\S+)$", printed, re.MULTILINE)
    return found[1] if found else ""


def python_stub(folder: Path, environment: str, version: str, target: str) -> Path:
    """Write a package that stands in for an environment's Python: links to the interpreter `target`."""
    folder.mkdir(exist_ok=True)
    name = f"{ENVIRONMENTS[environment].package_prefix}-python"
    path = folder / f"{name}-{version}-1-any.pkg.tar"
    info = f"pkgname = {name}\npkgver = {version}-1\narch = any\nsize = 0\nbuilddate = 1\n".encode()
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo(".PKGINFO")
        member.size = len(info)
        archive.addfile(member, io.BytesIO(info))
        for inside in (environment, f"{environment}/bin"):
            folder_entry = tarfile.TarInfo(inside)
            folder_entry.type, folder_entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder_entry)
        for command in ("python", "python.exe"):
            link = tarfile.TarInfo(f"{environment}/bin/{command}")
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
    return path


@dataclass(frozen=True, kw_only=True)
class Pacman:
    """The pacman of a root, with one repository, database and cache that are in the root as well."""

    root: Root

    def offer(self, packages: Sequence[Path]) -> None:
        """Make the repository of exactly these packages."""
        top = self.root.folder
        # pacman compares the times of databases in whole seconds, and fetches none that is not newer.
        for outdated in (_REPOSITORY, "srv/database/sync"):
            shutil.rmtree(top / outdated, ignore_errors=True)
        for folder in (_REPOSITORY, "srv/database", "srv/cache"):
            (top / folder).mkdir(exist_ok=True)
        paths = [top / _REPOSITORY / package.name for package in packages]
        for package, path in zip(packages, paths, strict=True):
            shutil.copyfile(package, path)
        self.root.run("repo-add", "--quiet", top / _REPOSITORY / "offered.db.tar.gz", *paths)
        (top / _CONFIG).write_text(_SETTINGS, encoding="utf-8")

    def offer_tree(self, tree: Path, environment: str, name: str, keyring: Path) -> None:
        """Take the repository `name` of a signed tree, and demand signatures by the keys that a keyring trusts.

        The keyring is a home folder of GnuPG that pacman-key has made.
        """
        place = self.root.folder / _TREES / "pacman"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(tree, place)
        self.offer_url(f"file:///{_TREES}/pacman/{environment}", name, keyring)

    def offer_url(self, server: str, name: str, keyring: Path) -> None:
        """Take the repository `name` at an address, and demand signatures by the keys that a keyring trusts."""
        top = self.root.folder
        shutil.rmtree(top / _KEYRING, ignore_errors=True)
        shutil.copytree(keyring, top / _KEYRING, ignore=shutil.ignore_patterns("S.*"))
        for folder in ("srv/database", "srv/cache"):
            (top / folder).mkdir(exist_ok=True)
        text = _SIGNED.format(keyring=_KEYRING, name=name, server=server)
        (top / _CONFIG).write_text(text, encoding="utf-8")

    def __call__(self, *words: str) -> None:
        """Run pacman. It knows no other repository, and every package of this one."""
        self.root(*self._command(), *words)

    def output(self, *words: str) -> str:
        """Run pacman, and return what it printed."""
        return self.root.output(*self._command(), *words)

    def offered(self, package: str) -> str:
        """The version that the repository's database lists of a package; a package that it lacks ends with a fault."""
        return listed_version(self.output("-Si", package))

    def compare(self, pairs: Sequence[tuple[str, str]]) -> list[int]:
        """What the library of pacman says of pairs of versions: -1 if the first is older than the second."""
        words = [word for pair in pairs for word in pair]
        return [int(word) for word in self.root.output(self.root.python, "-c", _COMPARE, *words).split()]

    def _command(self) -> tuple[str, ...]:
        places = ("--config", f"/{_CONFIG}", "--dbpath", "/srv/database", "--cachedir", "/srv/cache")
        return ("pacman", *places, "--noconfirm")

    def installed(self) -> set[str]:
        """The names of the packages that are installed."""
        return set(self.output("-Qq").split())

    def owned(self) -> set[str]:
        """The paths, without the first slash, that installed packages own."""
        return {line.strip("/") for line in self.output("-Qlq").splitlines() if line}
