"""Faults planted in the source tarball and the wheel, by writing them anew."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.core.errors import VerificationError
from ci.manifest import dist_paths
from ci.pipeline.jobs import Project
from ci.verify import formula, sdist
from tests.packages.support import check_of, checkout_of, open_project
from tests.verify.conftest import Checking

pytestmark = pytest.mark.mutant

INFO = "faas_runtime-0.1.0.dist-info"
SBOM = f"{INFO}/sboms/faas-runtime.cdx.json"
EPOCH = (1980, 1, 1, 0, 0, 0)


def package(project: Project, kind: str) -> Path:
    path = {"sdist": dist_paths.sdist, "wheel": dist_paths.wheel}[kind]
    return project.dist / path(project.release)


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
    *("runtime/faas_runtime/serving.py", "runtime/faas_runtime/http_server/messages.py"),
    *("runtime/include/faas.h", "runtime/LICENSE", "runtime/man/faas-runtime.1"),
    *("recipes/c-function/cookiecutter.json", "recipes/rust-function/{{cookiecutter.name}}/Cargo.lock"),
    "runtime/crate/src/export.rs",
]


@pytest.mark.parametrize("path", CHANGED)
def test_a_tarball_of_another_checkout_is_refused(built: Project, tmp_path: Path, path: str) -> None:
    checkout = checkout_of(tmp_path / "checkout", built.root)
    with (checkout / path).open("ab") as file:
        file.write(b"\n")
    check = check_of(open_project(checkout, built.dist), "sdist", package(built, "sdist"), tmp_path / "check")
    with pytest.raises(VerificationError, match=f"unlike the checkout's: .*{Path(path).name}"):
        sdist.verify_sdist(check)


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


def tarball_with(
    project: Project, target: Path, change: Callable[[list[tarfile.TarInfo]], list[tarfile.TarInfo]]
) -> Path:
    """The source tarball with its members changed; each keeps its bytes."""
    good = package(project, "sdist")
    spoilt = target / good.name
    with tarfile.open(good) as source, tarfile.open(spoilt, "w:gz") as written:
        contents = {member.name: source.extractfile(member) for member in source}
        data = {name: content.read() for name, content in contents.items() if content is not None}
        for member in change(source.getmembers()):
            written.addfile(member, io.BytesIO(data.get(member.name, b"")))
    return spoilt


def without_metadata(members: list[tarfile.TarInfo]) -> list[tarfile.TarInfo]:
    return [member for member in members if not member.name.endswith("/PKG-INFO")]


def twice(members: list[tarfile.TarInfo]) -> list[tarfile.TarInfo]:
    return [*members, members[0]]


def beside_its_folder(members: list[tarfile.TarInfo]) -> list[tarfile.TarInfo]:
    return [*members, tarfile.TarInfo("README.md")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_metadata, "PKG-INFO is a file"),
        (twice, "number of files"),
        (beside_its_folder, r"files that are not in faas_runtime-0\.1\.0: found \['README\.md'\]"),
    ],
)
def test_a_member_that_is_missing_or_too_many_is_refused(
    built: Project,
    checking: Checking,
    tmp_path: Path,
    change: Callable[[list[tarfile.TarInfo]], list[tarfile.TarInfo]],
    said: str,
) -> None:
    with pytest.raises(VerificationError, match=said):
        sdist.verify_sdist(checking("sdist", tarball_with(built, tmp_path, change)))


@pytest.mark.parametrize(
    ("path", "data", "mode", "time", "said"),
    [
        ("faas_runtime/serving.py", b"", 0o644, True, "RECORD"),
        (f"{INFO}/RECORD", b"faas_runtime/serving.py,,\n", 0o644, True, "RECORD"),
        (f"{INFO}/licenses/LICENSE", b"none\n", 0o644, True, "RECORD"),
        (SBOM, b"{}", 0o644, True, "RECORD"),
        (f"{INFO}/METADATA", None, 0o666, True, "mode of"),
        ("faas_runtime/serving.py", None, 0o755, True, "mode of"),
        (f"{INFO}/RECORD", None, 0o644, False, "time of"),
    ],
)
def test_a_fault_in_the_wheel_is_refused(
    built: Project, checking: Checking, tmp_path: Path, path: str, data: bytes | None, mode: int, time: bool, said: str
) -> None:
    spoilt = wheel_with(built, tmp_path, path, data, mode, time)
    with pytest.raises(VerificationError, match=said):
        sdist.verify_wheel(checking("wheel", spoilt))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"faas_runtime/serving.py"', b'"faas_runtime/another.py"', f"files in {SBOM}: faas_runtime/another.py"),
        (b'"version": "0.1.0"', b'"version": "0.0.9"', f"what {SBOM} describes"),
        (b'"specVersion": "1.6"', b'"specVersion": "1.5"', f"faults of {SBOM}"),
        (b"release-tooling", b"another-tooling", "identity"),
    ],
)
def test_an_sbom_of_another_wheel_is_refused(
    built: Project,
    checking: Checking,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    old: bytes,
    new: bytes,
    said: str,
) -> None:
    """Even if RECORD agrees with it."""
    monkeypatch.setattr(sdist, "_require_record", lambda *_: None)
    with zipfile.ZipFile(package(built, "wheel")) as wheel:
        data = wheel.read(SBOM)
    assert old in data
    with pytest.raises(VerificationError, match=said):
        sdist.verify_wheel(checking("wheel", wheel_with(built, tmp_path, SBOM, data.replace(old, new), 0o644, True)))
