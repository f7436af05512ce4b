"""Small packages of the tests' own, which throw-away keys have signed, and trees made of them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci.core.openpgp import Gpg
from ci.core.run import Runner
from ci.manifest.release import Release
from ci.release.trees import Making
from tests.keys import SigningKeys
from tests.packages.support import with_version

_SPEC = """\
Name: faas-runtime
Version: {version}
Release: 1
Summary: Stand-in for the package
License: none
BuildArch: noarch
%description
It has one file.
%install
mkdir -p "%{{buildroot}}/srv"
echo {version} > "%{{buildroot}}/srv/version"
%files
/srv/version
"""


@dataclass(frozen=True, kw_only=True)
class Key:
    """One of the throw-away keys: its fingerprint, and the file with its public half."""

    keys: SigningKeys
    fingerprint: str
    public: Path

    def gpg(self, release: Release, run: Runner) -> Gpg:
        """What signs with it at the date of a release."""
        return Gpg(home=self.keys.home, passphrase=self.keys.passphrase, epoch=release.epoch, run=run)


def making(key: Key, release: Release, folder: Path, url: Path, run: Runner) -> Making:
    """What trees below `url` are made with."""
    folder.mkdir(parents=True, exist_ok=True)
    return Making(
        release=release,
        gpg=key.gpg(release, run),
        key=key.fingerprint,
        public_keys=key.public,
        url=f"file://{url}",
        run=run,
        scratch=folder,
    )


def rpm(folder: Path, release: Release, run: Runner, key: Key | None) -> Path:
    """An RPM of a release, signed if there is a key."""
    folder.mkdir(parents=True)
    spec = folder / "package.spec"
    spec.write_text(_SPEC.format(version=release.version.rpm))
    epoch = {"SOURCE_DATE_EPOCH": str(release.epoch)}
    times = ("-D", "use_source_date_epoch_as_buildtime 1", "-D", "clamp_mtime_to_source_date_epoch 1")
    run("rpmbuild", *times, "-D", "_buildhost reproducible", "-D", f"_topdir {folder}", "-bb", spec, env=epoch)
    (package,) = folder.glob("RPMS/noarch/*.rpm")
    if key:
        key.gpg(release, run).sign_rpm(package, key=key.fingerprint)
    return package


def msys2(folder: Path, release: Release, run: Runner, key: Key | None, prefix: str = "mingw-w64-ucrt-x86_64") -> Path:
    """A package for pacman with one file, and its signature if there is a key."""
    folder.mkdir(parents=True)
    name, version = f"{prefix}-faas-runtime", f"{release.version.pacman}-1"
    info = f"pkgname = {name}\npkgver = {version}\narch = any\nsize = 2\nbuilddate = {release.epoch}\n"
    plain = folder / "package.tar"
    with tarfile.open(plain, "w") as archive:
        for member, data in ((".PKGINFO", info.encode()), ("version", f"{version}\n".encode())):
            entry = tarfile.TarInfo(member)
            entry.size, entry.mtime = len(data), release.epoch
            archive.addfile(entry, io.BytesIO(data))
    path = folder / f"{name}-{version}-any.pkg.tar.zst"
    run("zstd", "--quiet", "--rm", plain, "-o", path)
    if key:
        signature = path.with_name(f"{path.name}.sig")
        key.gpg(release, run).detach_sign(path, signature, armour=False, key=key.fingerprint)
    return path


def released(release: Release, version: str, days: int = 0) -> Release:
    """The same release under another version, some days later."""
    return dataclasses.replace(with_version(release, version), date=release.date + dt.timedelta(days=days))


@pytest.fixture(scope="session")
def key(keys: SigningKeys) -> Key:
    """The first of the keys."""
    return Key(keys=keys, fingerprint=keys.fingerprint, public=keys.public)
