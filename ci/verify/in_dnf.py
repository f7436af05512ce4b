"""RPMs in a Debian root, installed from a repository with dnf, which resolves what they require.

The repository is made of the packages, or it is a signed tree: then dnf demands both signatures.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ci.core.run import Runner
from ci.verify.in_root import Root

_REPOSITORY = "srv/repository"
TREES = "srv/trees"
_STUB = """\
Name: {name}
Version: {version}
Release: 1
Summary: Stand-in for a part of a distribution
License: none
BuildArch: noarch
AutoReqProv: no
{provides}
%description
The programs are the root's own.
%install
mkdir -p "%{{buildroot}}/usr/bin"
{install}
%files
{files}
"""
_REPOSITORY_AT = """\
[{name}]
name={name}
baseurl={url}/
enabled=1
gpgcheck=1
repo_gpgcheck=1
gpgkey={key}
"""
BASE = "distribution"
# What rpm says of a package that has gone wrong while the installation goes on.
FAULTS = ("scriptlet failed", "does not exist - using root")


def python_stub(run: Runner, folder: Path, version: str, target: str) -> Path:
    """Build a package that stands in for a distribution's python3: a link to the interpreter `target`."""
    link = f'ln -s {target} "%{{buildroot}}/usr/bin/python3"'
    return _stub(run, folder, name="python3", version=version, provides="", install=link, files="/usr/bin/python3")


def base_stub(run: Runner, folder: Path) -> Path:
    """Build a package that stands in for those with the shell and the tools that scriptlets need."""
    provides = "Provides: coreutils\nProvides: /bin/sh"
    return _stub(run, folder, name=BASE, version="1", provides=provides, install="", files="")


def _stub(run: Runner, folder: Path, **values: str) -> Path:
    folder.mkdir()
    spec = folder / "stub.spec"
    spec.write_text(_STUB.format(**values), encoding="utf-8")
    run("rpmbuild", "-D", f"_topdir {folder}", "-bb", spec)
    (package,) = folder.glob("RPMS/noarch/*.rpm")
    return package


@dataclass(frozen=True, kw_only=True)
class Dnf:
    """The dnf of a root, with one repository that is in the root as well.

    With `signed` it is a tree made for `file:///srv/trees`, whose own file of settings says what dnf checks.
    """

    root: Root
    signed: bool = False

    def offer(self, packages: Iterable[Path]) -> None:
        """Make the repository of exactly these packages."""
        repository = self.root.folder / _REPOSITORY
        shutil.rmtree(repository, ignore_errors=True)
        repository.mkdir()
        for package in packages:
            shutil.copyfile(package, repository / package.name)
        self.root("createrepo_c", "--quiet", f"/{_REPOSITORY}")

    def offer_tree(self, tree: Path) -> None:
        """Take a signed tree as the repository."""
        place = self.root.folder / TREES / "yum"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(tree, place)

    def offer_url(self, name: str, url: str, key: Path) -> None:
        """Take a signed tree at an address as the repository `name`, with a public key that we have already."""
        place = self.root.folder / TREES / "yum"
        place.mkdir(parents=True)
        shutil.copyfile(key, place / "key.asc")
        key_url = f"file:///{TREES}/yum/key.asc"
        settings = _REPOSITORY_AT.format(name=name, url=url, key=key_url)
        (place / f"{name}.repo").write_text(settings, encoding="utf-8")

    def __call__(self, *words: str) -> None:
        """Run dnf. It knows no other repository, and every package of this one."""
        settings = ["cachedir=/srv/cache", "logdir=/srv", "metadata_expire=0"]
        repository = []
        if self.signed:
            settings.append(f"reposdir=/{TREES}/yum")
        else:
            settings += ["gpgcheck=0", "reposdir=/nonexistent"]
            repository.append(f"--repofrompath=local,file:///{_REPOSITORY}")
        self.root(
            *(self.root.python, "/usr/bin/dnf", "-y", "--releasever=1", *repository),
            *(f"--setopt={setting}" for setting in settings),
            *words,
        )

    def installed(self) -> set[str]:
        """The names of the packages that are installed."""
        return set(self.root.output("rpm", "-qa", "--qf", "%{NAME}\n").split())

    def owned(self) -> set[str]:
        """The paths, without the first slash, that installed packages own."""
        listed = self.root.output("rpm", "-qa", "--qf", "[%{FILENAMES}\n]")
        return {line.removeprefix("/") for line in listed.splitlines() if line}

    def compare(self, pairs: Sequence[tuple[str, str]]) -> list[int]:
        """What rpm says of pairs of versions: -1 if the first is older than the second."""
        script = " ".join(f'print(rpm.vercmp("{one}", "{other}") .. " ")' for one, other in pairs)
        return [int(word) for word in self.root.output("rpm", "--eval", f"%{{lua: {script}}}").split()]
