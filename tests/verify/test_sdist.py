"""Faults planted in the source tarball and the wheel, by writing them anew."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from ci.builders.sdist import jobs
from ci.errors import VerificationError
from ci.jobs import Project
from ci.verify import formula, sdist
from tests.verify.conftest import Checking

INFO = "faas_runtime-0.1.0.dist-info"
EPOCH = (1980, 1, 1, 0, 0, 0)


def package(project: Project, kind: str) -> Path:
    (path,) = (output.path for output in jobs(project)[0].outputs if output.kind == kind)
    return project.dist / path


def wheel_with(project: Project, target: Path, path: str, data: bytes | None, mode: int, time: bool) -> Path:
    """The wheel with one file of other bytes, another mode, or another time."""
    good = package(project, "wheel")
    spoilt = target / good.name
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(spoilt, "w") as written:
        for member in source.infolist():
            content = source.read(member)
            if member.filename == path:
                content = content if data is None else data
                member.external_attr = (0o100000 | mode) << 16
                member.date_time = member.date_time if time else EPOCH
            written.writestr(member, content)
    return spoilt


def test_what_was_built_passes(built: Project, checking: Checking) -> None:
    sdist.verify_sdist(checking("sdist", package(built, "sdist")))


def test_the_wheel_that_was_built_passes(built: Project, checking: Checking) -> None:
    sdist.verify_wheel(checking("wheel", package(built, "wheel")))


def test_the_formula_that_was_built_passes(built: Project, checking: Checking) -> None:
    formula.verify(checking("formula", built.dist / "formulae" / f"{built.release.name}.rb"))


CHANGED = [
    *("runtime/faas_runtime/loop.py", "runtime/faas_runtime/emulator/messages.py"),
    *("runtime/include/faas.h", "runtime/LICENSE", "runtime/man/faas-runtime.1"),
    *("recipes/c-function/cookiecutter.json", "recipes/rust-function/{{cookiecutter.name}}/Cargo.lock"),
]


@pytest.mark.parametrize("path", CHANGED)
def test_a_tarball_of_another_checkout_is_refused(built: Project, checking: Checking, path: str) -> None:
    file = built.root / path
    data = file.read_bytes()
    file.write_bytes(data + b"\n")
    try:
        with pytest.raises(VerificationError, match=f"unlike the checkout's: .*{file.name}"):
            sdist.verify_sdist(checking("sdist", package(built, "sdist")))
    finally:
        file.write_bytes(data)


def test_a_link_in_place_of_a_file_is_refused(built: Project, checking: Checking, tmp_path: Path) -> None:
    good = package(built, "sdist")
    spoilt = tmp_path / good.name
    with tarfile.open(good) as source, tarfile.open(spoilt, "w:gz") as written:
        for member in source:
            content = source.extractfile(member)
            if member.name == f"{good.name.removesuffix('.tar.gz')}/README.md":
                member.type, member.linkname, member.size = tarfile.SYMTYPE, "LICENSE", 0
            written.addfile(member, content)
    with pytest.raises(VerificationError, match=r"README\.md is a file"):
        sdist.verify_sdist(checking("sdist", spoilt))


@pytest.mark.parametrize(
    ("path", "data", "mode", "time", "said"),
    [
        ("faas_runtime/loop.py", b"", 0o644, True, "RECORD"),
        (f"{INFO}/RECORD", b"faas_runtime/loop.py,,\n", 0o644, True, "RECORD"),
        (f"{INFO}/licenses/LICENSE", b"none\n", 0o644, True, "RECORD"),
        (f"{INFO}/METADATA", None, 0o666, True, "mode of"),
        ("faas_runtime/loop.py", None, 0o755, True, "mode of"),
        (f"{INFO}/RECORD", None, 0o644, False, "time of"),
    ],
)
def test_a_fault_in_the_wheel_is_refused(
    built: Project, checking: Checking, tmp_path: Path, path: str, data: bytes | None, mode: int, time: bool, said: str
) -> None:
    spoilt = wheel_with(built, tmp_path, path, data, mode, time)
    with pytest.raises(VerificationError, match=said):
        sdist.verify_wheel(checking("wheel", spoilt))
