"""The recorded inputs: what a list says, and that the first input that is missing is named."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest

from ci.commands.running import open_project
from ci.core.errors import UnavailableError, UsageError
from ci.core.files import sha256_of
from ci.core.run import Runner
from ci.images import debian_packages
from ci.images.debian_root import Wanted
from ci.pipeline import inputs
from ci.pipeline.inputs import BaseImage, DebianPackage, Inputs, InstalledPackage, UsedProgram
from ci.pipeline.jobs import Job, Options, Project, Variant
from ci.prove import recorded
from tests.prove.support import committed_checkout
from tests.support import ROOT, run_ci


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return open_project(committed_checkout(tmp_path_factory.mktemp("recorded") / "checkout"), Options())


@pytest.fixture(scope="module")
def locked(project: Project) -> Inputs:
    return recorded.collect(project, ())


def test_a_list_has_everything_and_can_be_read(project: Project, locked: Inputs, tmp_path: Path) -> None:
    full = dataclasses.replace(
        locked,
        tools=(UsedProgram(name="zstd", version="1", sha256="0" * 64),),
        bases=(BaseImage(flavour="ubi", architecture="amd64", reference="a:1", digest="sha256:1"),),
        debian=(DebianPackage(name="libc6", version="1", root="amd64", sha256="0" * 64, size=1),),
        debian_archive={"amd64": "2026-11-29"},
        installed=(InstalledPackage(flavour="ubi", architecture="amd64", name="python3", version="3.12.9-1"),),
    )
    path = tmp_path / "inputs.json"
    schema = json.loads((ROOT / "ci" / "pipeline" / "inputs.schema.json").read_bytes())
    older = dataclasses.replace(full, debian_archive={})  # as it was before the day was recorded
    for one in (older, full):
        path.write_bytes(one.document())
        jsonschema.validate(json.loads(path.read_bytes()), schema)
        assert inputs.read(path) == one
    assert b"debian_archive" not in older.document()
    assert {"build", "flit-core", "cookiecutter"} <= {one.name for one in full.python_packages}
    assert all(one.sha256 for one in full.python_packages)
    assert "serde_json" in {one.name for one in full.crates}
    recorded.require_available(project, locked)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"commit": "1" * 40}, "the source " + "1" * 40 + " is missing"),
        ({"python": "2.7.18"}, "Python 2.7.18"),
    ],
)
def test_another_source_or_python_is_missing(
    project: Project, locked: Inputs, change: dict[str, str], said: str
) -> None:
    with pytest.raises(UnavailableError, match=said):
        recorded.require_available(project, dataclasses.replace(locked, **change))  # type: ignore[arg-type]


def test_other_packages_and_crates_are_missing(project: Project, locked: Inputs) -> None:
    first, *others = locked.python_packages
    older = dataclasses.replace(first, version="0.0.1")
    with pytest.raises(UnavailableError, match=rf"Python package {first.name} 0.0.1 is missing"):
        recorded.require_available(project, dataclasses.replace(locked, python_packages=(older, *others)))
    crate = dataclasses.replace(locked.crates[0], sha256="0" * 64)
    with pytest.raises(UnavailableError, match=f"crate {crate.name} {crate.version} is missing"):
        recorded.require_available(project, dataclasses.replace(locked, crates=(crate,)))


def test_a_base_image_that_cannot_be_had_is_missing(locked: Inputs) -> None:
    base = BaseImage(flavour="ubi", architecture="amd64", reference="a:1", digest="sha256:1")
    job = Job(
        id="image", builder="images", outputs=(), build=lambda work: None, unavailable="no registry",
        variant=Variant(flavour="ubi", architecture="amd64"),
    )  # fmt: skip
    with pytest.raises(UnavailableError, match=r"base image a:1 .amd64. sha256:1 is missing: no registry"):
        recorded.require_bases([job], dataclasses.replace(locked, bases=(base,)))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "tools": 7}'], ids=["empty", "list", "none", "new", "odd"]
)
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "inputs.json").write_text(text)
    with pytest.raises(UsageError, match=r"it is not a list of inputs"):
        inputs.read(tmp_path / "inputs.json")


def test_a_list_of_an_older_version_is_refused_with_what_it_lacks(locked: Inputs, tmp_path: Path) -> None:
    older = json.loads(locked.document())
    del older["installed"]
    (tmp_path / "inputs.json").write_text(json.dumps(older))
    with pytest.raises(UsageError, match=r"that of an older version: 'installed' is missing"):
        inputs.read(tmp_path / "inputs.json")


def test_a_file_that_is_not_there_is_told() -> None:
    done = run_ci(ROOT, "snapshot", "--locked", "/nonexistent.json")
    assert done.returncode == 2
    assert "/nonexistent.json" in done.stderr


@pytest.fixture
def apt_that_fetches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for mmdebstrap that fails as the real one does for a version that the mirror has not."""
    program = tmp_path / "bin" / "mmdebstrap"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho \"E: Version '2' for 'libtwo' was not found\"\nexit 25\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


@pytest.mark.usefixtures("apt_that_fetches_nothing")
def test_the_debian_package_that_is_missing_is_named(locked: Inputs, tmp_path: Path) -> None:
    packages = tuple(
        DebianPackage(name=name, version="2", root="amd64", sha256="0" * 64, size=1) for name in ("libone", "libtwo")
    )
    given = dataclasses.replace(locked, debian=packages)
    wanted = Wanted(suite="trixie", python="3.13", architecture="amd64")
    with pytest.raises(UnavailableError, match=r"Debian package libtwo 2 .amd64, sha256 0+. is missing") as caught:
        debian_packages.fetch_locked(
            tmp_path, Runner(log=tmp_path / "log"), tmp_path / "root.tar", wanted, given, tmp_path
        )
    assert "snapshot.debian.org" in caught.value.hint


def test_a_kept_archive_that_was_changed_is_not_taken(tmp_path: Path) -> None:
    kept = tmp_path / ".cache" / "debian" / f"{'0' * 64}.deb"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"changed")
    package = DebianPackage(name="libone", version="2", root="amd64", sha256="0" * 64, size=7)
    assert sha256_of(kept) != package.sha256
    assert not debian_packages.is_kept(tmp_path, package)
