"""The distribution's packages in an image: those that a scanner finds, with the same package URLs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.core.run import Runner
from ci.sboms import contents
from ci.sboms.model import Contents, Licence, System
from tests.sboms.conftest import packages_found, write_image
from tests.support import program

DEBIAN = {
    "etc/os-release": b'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian"\n',
    "var/lib/dpkg/status.d/zlib1g": (
        b"Package: zlib1g\nSource: zlib (1:1.3-2)\nVersion: 1:1.3-2+b1\nArchitecture: amd64\n"
        b"Maintainer: nobody <nobody@tests.invalid>\nDescription: of another source version\n more\n"
    ),
    "var/lib/dpkg/status.d/python3.13-minimal": (
        b"Package: python3.13-minimal\nVersion: 3.13.5-2\nArchitecture: amd64\n"
        b"Maintainer: nobody <nobody@tests.invalid>\nDescription: a Python\n"
    ),
    "usr/share/doc/zlib1g/copyright": (
        b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
        b"Files: *\nCopyright: somebody\nLicense: Zlib\n"
    ),
    "usr/share/doc/python3.13-minimal/copyright": b"It is free.\n",
}
ALPINE = {
    "etc/os-release": b'ID=alpine\nVERSION_ID=3.24.1\nPRETTY_NAME="Alpine"\n',
    "lib/apk/db/installed": (
        b"C:Q1\nP:musl\nV:1.2.5-r20\nA:x86_64\nL:MIT\no:musl\nF:lib\nR:ld.so\n\n"
        b"C:Q1\nP:libcrypto3\nV:3.5.4-r0\nA:x86_64\nL:Apache-2.0\no:openssl\nF:lib\n\n"
    ),
}
SPEC = """\
Name: bash
Epoch: 2
Version: 5.2
Release: 1
Summary: A package for a database
License: GPLv3+ and Python
BuildArch: noarch
%description
It contains nothing.
%files
"""


@pytest.fixture
def red_hat(tmp_path: Path, run: Runner) -> dict[str, bytes]:
    """The files of an image with one package in rpm's own database."""
    top, database = tmp_path / "top", tmp_path / "database"
    top.mkdir()
    (top / "bash.spec").write_text(SPEC)
    run(program("rpmbuild"), "-bb", "-D", f"_topdir {top}", top / "bash.spec")
    (package,) = top.glob("RPMS/*/*.rpm")
    run("rpm", "--dbpath", database, "--install", "--justdb", "--nodeps", "--nosignature", package)
    files = {f"usr/lib/sysimage/rpm/{path.name}": path.read_bytes() for path in database.iterdir()}
    return {**files, "etc/os-release": b'ID="rhel"\nVERSION_ID="10.2"\nPRETTY_NAME="Red Hat"\n'}


def read(archive: Path, tmp_path: Path, run: Runner) -> Contents:
    folder = tmp_path / "work"
    folder.mkdir()
    return contents.read(contents.OpenedArtifact(path=archive, folder=folder, run=run))


@pytest.mark.parametrize("files", [DEBIAN, ALPINE], ids=["dpkg", "apk"])
def test_they_are_those_that_a_scanner_finds(tmp_path: Path, run: Runner, files: dict[str, bytes]) -> None:
    archive = write_image(tmp_path / "image.oci.tar", files)
    found = {package.purl for package in read(archive, tmp_path, run).packages}
    assert found == {one["purl"] for one in packages_found(archive, tmp_path)}
    assert len(found) == 2


def test_they_are_those_that_a_scanner_finds_by_rpm(tmp_path: Path, run: Runner, red_hat: dict[str, bytes]) -> None:
    archive = write_image(tmp_path / "image.oci.tar", red_hat)
    (package,) = read(archive, tmp_path, run).packages
    (found,) = packages_found(archive, tmp_path)
    assert (package.name, package.version, package.purl) == (found["name"], found["version"], found["purl"])
    assert package.version == "2:5.2-1"
    assert package.licence is not None
    assert package.licence.expression.startswith("GPL-3.0-or-later AND LicenseRef-Python-")


def test_what_a_layer_removes_is_not_there(tmp_path: Path, run: Runner) -> None:
    removed = {"var/lib/dpkg/status.d/.wh.zlib1g": b"", "var/lib/dpkg/status.d/added": b"Package: added\nVersion: 1\n"}
    found = read(write_image(tmp_path / "image.oci.tar", DEBIAN, removed), tmp_path, run)
    assert {package.name for package in found.packages} == {"python3.13-minimal", "added"}


def test_a_package_that_was_removed_from_the_list_does_not_count(tmp_path: Path, run: Runner) -> None:
    status = b"Package: a\nStatus: install ok installed\nVersion: 1\n\nPackage: b\nStatus: deinstall ok config-files\n"
    archive = write_image(tmp_path / "image.oci.tar", {"var/lib/dpkg/status": status})
    assert [package.name for package in read(archive, tmp_path, run).packages] == ["a"]


def test_our_package_runs_on_the_python_of_the_distribution(tmp_path: Path, run: Runner) -> None:
    found = read(write_image(tmp_path / "image.oci.tar", DEBIAN), tmp_path, run)
    assert found.system == System(name="debian", version="13")
    assert found.uses == ("pkg:deb/debian/python3.13-minimal@3.13.5-2?arch=amd64&distro=debian-13",)
    assert found.needs == ()
    assert found.own is not None
    assert (found.own.name, found.own.version, len(found.own.files)) == ("faas-runtime", "0.1.0", 2)


def test_without_a_python_in_the_image_it_needs_one(tmp_path: Path, run: Runner) -> None:
    found = read(write_image(tmp_path / "image.oci.tar", ALPINE), tmp_path, run)
    assert [one.name for one in found.needs] == ["Python"]


def test_licences_come_from_the_copyright_files(tmp_path: Path, run: Runner) -> None:
    found = read(write_image(tmp_path / "image.oci.tar", DEBIAN), tmp_path, run)
    licences = {package.name: package.licence for package in found.packages}
    assert licences["zlib1g"] == Licence(expression="Zlib")
    whole = licences["python3.13-minimal"]
    assert whole is not None
    assert whole.texts == {whole.expression: "It is free."}
