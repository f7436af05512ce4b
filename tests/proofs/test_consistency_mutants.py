"""One fault in one artefact at a time: the gate `consistency` names the fact, the artefact and both values."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shutil
from pathlib import Path

import pytest

from ci.core import tars
from ci.images import oci
from ci.images.oci import Image
from ci.manifest import dist_paths
from ci.pipeline.jobs import Project, Variant
from ci.verify.consistency import gate
from ci.verify.payload import RECIPES, payload_of, shipped
from tests.packages.support import build, check_of, open_project
from tests.verify.facts import changed_wheel, facts_of, faults_of
from tests.verify.test_consistency import workspace

pytestmark = pytest.mark.long

LICENCE = b"License-Expression: Apache-2.0"
WHEEL = {
    "version": ("METADATA", b"\nVersion: 0.1.0", b"\nVersion: 0.1.0.post1"),
    "licence": ("METADATA", LICENCE, b"License-Expression: MIT"),
    "summary": ("METADATA", b"\nSummary: Native", b"\nSummary: Naive"),
    "maintainer": ("METADATA", b"\nMaintainer: faas-runtime", b"\nMaintainer: another"),
    "home page": ("METADATA", b"Homepage, https://github.com/faas", b"Homepage, https://github.com/fass"),
    "documentation": ("METADATA", b"#readme\n", b"#read\n"),
    "oldest Python": ("METADATA", b"Requires-Python: >=3.9", b"Requires-Python: >=3.8"),
    "dependencies of the wheel": ("METADATA", LICENCE, LICENCE + b"\nRequires-Dist: requests"),
    "command": ("entry_points.txt", b"faas-runtime=", b"faasruntime="),
    "entry point of the wheel": ("entry_points.txt", b"__main__:main", b"__main__:_run"),
    "payload file faas_runtime/__main__.py": ("faas_runtime/__main__.py", b"INTERRUPTED = 130", b"INTERRUPTED = 131"),
}


@pytest.mark.parametrize("fact", WHEEL)
def test_a_fault_in_the_wheel(built: Project, tmp_path: Path, fact: str) -> None:
    wheel = built.dist / dist_paths.wheel(built.release)
    member, old, new = WHEEL[fact]
    spoilt = changed_wheel(wheel, tmp_path / wheel.name, {member: (old, new)})
    (line,) = faults_of(built, "wheel", spoilt, tmp_path / "facts", without="the launcher")
    assert line.startswith(f"wheel/{wheel.name}: {fact}: found ")
    assert ", expected " in line


RPM = {
    "licence": ("License:        Apache-2.0", "License:        MIT"),
    "summary": ("Summary:        Native", "Summary:        Naive"),
    "home page": ("URL:            https", "URL:            http"),
    "date": ("* Mon Nov 23 2026", "* Tue Nov 24 2026"),
    "oldest Python": ("Requires:       python3 >= 3.9", "Requires:       python3 >= 3.8"),
    "dependencies of the RPM": ("Requires(preun): coreutils", "Requires(preun): coreutils\nRequires: gcc"),
    "launcher": ("ln -s ../lib/faas-runtime/bin/faas-runtime", "ln -s ../lib/faas-runtime/bin/faas"),
    "command": ("gzip -9n <", "cp LICENSE %{buildroot}%{_bindir}/faas\ngzip -9n <"),
}


@pytest.mark.parametrize("fact", RPM)
def test_a_fault_in_the_rpm(built: Project, tmp_path: Path, fact: str) -> None:
    old, new = RPM[fact]
    changes = [("specs/faas-runtime.spec", old, new)]
    if fact == "command":
        changes.append(("specs/faas-runtime.spec", "\n%{_bindir}/faas-runtime\n", "\n%{_bindir}/faas*\n"))
    spoilt = spoil(built, tmp_path / "dist", "rpm", *changes)
    (path,) = (path for path in (spoilt.dist / "rpm").glob("faas-runtime-0*.noarch.rpm"))
    (line,) = faults_of(spoilt, "rpm", path, tmp_path / "facts")
    assert line.startswith(f"rpm/{path.name}: {fact}: found ")


MSYS2 = {
    "licence": ("license=('spdx:Apache-2.0')", "license=('spdx:MIT')"),
    "oldest Python": ('-python>=3.9")', '-python>=3.8")'),
    "dependencies of the MSYS2 packages": ('-python>=3.9")', '-python>=3.9" "gcc")'),
    "summary": ("pkgdesc='Native", "pkgdesc='Naive"),
    "launcher": ('" -IS -X utf8 "${0%/*}/../lib/faas-runtime/bin', '" -IS -X utf8 "${0%/*}/../lib/faas/bin'),
    "payload file faas_runtime/abi.py": (
        "  _install_commands\n",
        '  echo >> "${prefix}/lib/faas-runtime/faas_runtime/abi.py"\n  _install_commands\n',
    ),
}


@pytest.mark.parametrize("fact", MSYS2)
def test_a_fault_in_an_msys2_package(built: Project, tmp_path: Path, fact: str) -> None:
    spoilt = spoil(built, tmp_path / "dist", "msys2", ("msys2/PKGBUILD", *MSYS2[fact]))
    (path,) = (spoilt.dist / "msys2").glob("*.zst")
    shutil.copyfile(built.rendered / "msys2" / "PKGBUILD", spoilt.rendered / "msys2" / "PKGBUILD")
    lines = faults_of(spoilt, "msys2", path, tmp_path / "facts")
    # The package says that it was made from another PKGBUILD, whatever the fault is.
    assert {line.split(": ")[1] for line in lines} == {fact, "sha256 of the PKGBUILD"}


@pytest.mark.parametrize("kind", ["rpm", "rpm-devel", "srpm", "msys2"])
def test_a_package_of_another_release(built: Project, tmp_path: Path, kind: str) -> None:
    release = built.release
    paths = {
        "rpm": dist_paths.rpm(release),
        "rpm-devel": dist_paths.rpm_devel(release),
        "srpm": dist_paths.srpm(release),
        "msys2": dist_paths.msys2(release, "ucrt64"),
    }
    rpm, msys2 = dataclasses.replace(release.rpm, release=2), dataclasses.replace(release.msys2, release=2)
    newer = dataclasses.replace(built, release=dataclasses.replace(release, rpm=rpm, msys2=msys2))
    (line,) = faults_of(newer, kind, built.dist / paths[kind], tmp_path / "facts")
    assert re.search(r": version as \w+ spells it: found '0\.1\.0-1', expected '0\.1\.0-2'$", line)


FORMULA = {
    "licence": ('license "Apache-2.0"', 'license "MIT"'),
    "summary": ('desc "Native', 'desc "Naive'),
    "home page": ('homepage "https', 'homepage "http'),
    "Python of the formula": ('depends_on "python@3.14"', 'depends_on "python@3.13"'),
    "dependencies of the formula": ('depends_on "python@3.14"', 'depends_on "python@3.14"\n  depends_on "openssl"'),
    "sha256 of the source tarball": ('  sha256 "', '  sha256 "f'),
    "URL of the source tarball": ("/v0.1.0/", "/v0.1/"),
    "version as Homebrew spells it": ('  license "', '  version "0.1"\n  license "'),
}


@pytest.mark.parametrize("fact", FORMULA)
def test_a_fault_in_the_formula(built: Project, tmp_path: Path, fact: str) -> None:
    old, new = FORMULA[fact]
    text = (built.dist / dist_paths.formula(built.release)).read_text()
    assert old in text
    spoilt = tmp_path / "faas-runtime.rb"
    spoilt.write_text(text.replace(old, new, 1))
    (line,) = faults_of(built, "formula", spoilt, tmp_path / "facts")
    assert line.startswith(f"formula/faas-runtime.rb: {fact}: found ")


@pytest.mark.parametrize("file", ["formulae/faas-runtime.rb", "msys2/PKGBUILD"])
def test_a_committed_hash_of_another_tarball(built: Project, tmp_path: Path, file: str) -> None:
    root = tmp_path / "checkout"
    shutil.copytree(built.root, root, ignore=shutil.ignore_patterns("dist"))
    text = (root / file).read_text()
    assert "0" * 64 in text
    (root / file).write_text(text.replace("0" * 64, "f" * 64))
    work = workspace(dataclasses.replace(built, root=root), tmp_path / "work")
    found = gate._rendered(work)
    sdist = dist_paths.sdist(built.release)
    found[sdist] = facts_of(built, "sdist", built.sdist, tmp_path / "facts")
    lines = [line for row in gate.rows_of(built, found, {}) for line in row.differences()]
    (line,) = lines
    assert line.startswith(f"{file}, as committed: sha256 of the source tarball, as committed: found 'ffff")
    assert line.endswith("ffff', expected 'not published'")


IMAGE = {
    "licence": "org.opencontainers.image.licenses",
    "summary": "org.opencontainers.image.description",
    "version as images spell it": "org.opencontainers.image.version",
    "vendor": "org.opencontainers.image.vendor",
    "maintainer": "org.opencontainers.image.authors",
    "documentation": "org.opencontainers.image.documentation",
    "home page": "org.opencontainers.image.url",
    "name": "name",
}


def image(project: Project, path: Path, labels: dict[str, str], changes: dict[str, tars.Entry]) -> Path:
    """An archive with the labels and the payload of `micro`, and nothing else of it."""
    release = project.release
    check = check_of(project, "image", path, path.with_name("payload"))
    files = shipped(check)
    payload = "usr/lib/faas-runtime"
    tree = {f"{payload}/{one}": tars.file(files[one]) for one in payload_of(check) if not one.startswith(RECIPES)}
    tree["var/runtime/bootstrap"] = tars.link("../../usr/lib/faas-runtime/bin/faas-runtime")
    tree[f"usr/bin/python{release.images.micro.python}"] = tars.file(b"")
    layer = tars.pack(tars.with_parents({**tree, **changes}), release.epoch)
    values = (release.license, release.summary, release.version.oci, release.vendor, release.maintainer)
    own = dict(zip(IMAGE.values(), (*values, release.documentation, release.home, release.name), strict=True))
    settings = {"Entrypoint": ["/var/runtime/bootstrap"], "Labels": {**own, **labels}}
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": f"{release.date}T00:00:00Z",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created_by": "micro"}],
    }
    oci.write_archive(Image(config=config, layers=(layer,)), path, tag="tests.invalid/faas-runtime:micro")
    return path


def faults_of_image(project: Project, path: Path, folder: Path) -> list[str]:
    variant = Variant(flavour="micro", architecture="amd64")
    return faults_of(project, "image", path, folder, without="the recipes", variant=variant)


def test_an_image_without_a_fault(built: Project, tmp_path: Path) -> None:
    assert faults_of_image(built, image(built, tmp_path / "micro.oci.tar", {}, {}), tmp_path / "facts") == []


@pytest.mark.parametrize("fact", IMAGE)
def test_a_fault_in_a_label(built: Project, tmp_path: Path, fact: str) -> None:
    spoilt = image(built, tmp_path / "micro.oci.tar", {IMAGE[fact]: "another"}, {})
    (line,) = faults_of_image(built, spoilt, tmp_path / "facts")
    assert line.startswith(f"image/micro.oci.tar: {fact}: found 'another', expected ")


PLANTED = {
    "payload file faas_runtime/abi.py": ("usr/lib/faas-runtime/faas_runtime/abi.py", tars.file(b"pass\n")),
    "payload file faas_runtime/more.py": ("usr/lib/faas-runtime/faas_runtime/more.py", tars.file(b"pass\n")),
    "launcher": ("var/runtime/bootstrap", tars.link("../../usr/bin/python3")),
    "Python of micro": ("usr/bin/python3.12", tars.file(b"")),
}


@pytest.mark.parametrize("fact", PLANTED)
def test_a_fault_in_a_layer(built: Project, tmp_path: Path, fact: str) -> None:
    name, entry = PLANTED[fact]
    (line,) = faults_of_image(built, image(built, tmp_path / "micro.oci.tar", {}, {name: entry}), tmp_path / "facts")
    assert line.startswith(f"image/micro.oci.tar: {fact}: found ")


def spoil(built: Project, dist: Path, builder: str, *changes: tuple[str, str, str]) -> Project:
    """Build with one builder after changes in rendered files."""
    for name in ("sdist", "baked"):
        shutil.copytree(built.dist / name, dist / name)
    for file, old, new in changes:
        text = (dist / "baked" / file).read_text()
        assert old in text
        (dist / "baked" / file).write_text(text.replace(old, new, 1))
    msys2 = dataclasses.replace(built.release.msys2, environments=("ucrt64",))
    project = open_project(built.root, dist, dataclasses.replace(built.release, msys2=msys2))
    return build(project, builder)
