"""The inputs in `dist/inputs/`: brought there by hash, from caches, registries and indexes, and what takes them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.core.errors import ReleaseError
from ci.core.files import sha256_of
from ci.core.run import Runner
from ci.core.tools import Toolbox
from ci.images import bases, debian_packages, engine_choice
from ci.images.engines import Engine
from ci.make_environment import kept_wheels
from ci.manifest.release import Release
from ci.pipeline.inputs import BaseImage, Crate, DebianPackage, Inputs, PythonPackage
from ci.pipeline.jobs import Project
from ci.pipeline.stored_inputs import Store
from ci.release import fetch_inputs
from ci.verify import roots
from tests.images.registry import LocalRegistry, serving
from tests.support import ROOT, search_path

DEB = DebianPackage(name="libone", version="2", root="amd64", sha256=hashlib.sha256(b"deb").hexdigest(), size=3)
CRATE = Crate(name="one", version="1.0.0", sha256=hashlib.sha256(b"crate").hexdigest())
WHEEL = "one-1.0-py3-none-any.whl"


@pytest.fixture
def project(tmp_path: Path, release: Release, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with one requirement; its wheel, a crate, a Debian package and roots are where the tooling has them."""
    (tmp_path / "wheels").mkdir()
    with zipfile.ZipFile(tmp_path / "wheels" / WHEEL, "w") as wheel:
        wheel.writestr("one-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: one\nVersion: 1.0\n")
        wheel.writestr("one-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("one-1.0.dist-info/RECORD", "")
    for path, data in {
        "root/ci/requirements/release.txt": f"one==1.0 --hash=sha256:{sha256_of(tmp_path / 'wheels' / WHEEL)}\n",
        "cargo/registry/cache/index/one-1.0.0.crate": "crate",
        f"dist/.cache/debian/{DEB.sha256}.deb": "deb",
        **{f"dist/.cache/roots/{roots.name_of(suite)}.tar": f"root of {suite.name}" for suite in roots.SUITES},
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(data)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "no-index").as_uri())
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "cargo"))
    toolbox = Toolbox(tmp_path / "tools.json")
    return Project(root=tmp_path / "root", dist=tmp_path / "dist", release=release, toolbox=toolbox)


@pytest.fixture
def wanted(project: Project, tmp_path: Path) -> Inputs:
    wheel = PythonPackage(name="one", version="1.0", sha256=("0" * 64, sha256_of(tmp_path / "wheels" / WHEEL)))
    return Inputs(
        name="faas-runtime", version="0.1.0", commit="1" * 40, modified=False, python="3.11.2", zlib="1",
        python_packages=(wheel,), crates=(CRATE,), debian=(DEB,),
    )  # fmt: skip


def missing(found: list[fetch_inputs.Needed]) -> dict[str, str]:
    return {one.name: one.missing for one in found if one.missing}


def test_what_the_caches_have_is_kept_by_hash(project: Project, wanted: Inputs, tmp_path: Path, run: Runner) -> None:
    before = missing(fetch_inputs.state(project, wanted))
    suites = [suite.name for suite in roots.SUITES]
    assert before == dict.fromkeys(["libone 2 (amd64)", "one 1.0", "one 1.0.0", *suites], "not fetched")
    assert missing(fetch_inputs.fetch(project, wanted, tmp_path / "scratch", run)) == {}
    for path in (project.dist / "inputs" / "sha256").iterdir():
        assert sha256_of(path) == path.name
    store = Store(dist=project.dist)
    chosen = project.release.images.micro
    assert store.recorded() == wanted
    assert store.debian(chosen.suite, chosen.python, "amd64") == (DEB,)
    assert store.debian("another", chosen.python, "amd64") == ()
    (project.dist / ".cache" / "debian" / f"{DEB.sha256}.deb").unlink()
    assert debian_packages.is_kept(project.dist, DEB)


def test_all_that_cannot_be_had_is_said(
    project: Project, wanted: Inputs, tmp_path: Path, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")  # neither mmdebstrap nor skopeo nor cargo
    base = BaseImage(flavour="ubi", architecture="amd64", reference="a.invalid/b:1", digest=f"sha256:{'2' * 64}")
    other = dataclasses.replace(DEB, name="libtwo", sha256="3" * 64)
    crate = dataclasses.replace(CRATE, name="two", sha256="4" * 64)
    all_of_it = dataclasses.replace(wanted, bases=(base,), debian=(DEB, other), crates=(CRATE, crate))
    found = missing(fetch_inputs.fetch(project, all_of_it, tmp_path / "scratch", run))
    suites = {suite.name for suite in roots.SUITES}
    assert found.keys() == {"a.invalid/b:1 (amd64)", "libtwo 2 (amd64)", "two 1.0.0"} | suites
    assert "zstd: not found" in found["sid"]
    assert "mmdebstrap: not found" in found["libtwo 2 (amd64)"]
    assert "skopeo: not found" in found["a.invalid/b:1 (amd64)"]
    assert Store(dist=project.dist).has(DEB.sha256), "the others are kept"


def test_a_kept_file_that_was_changed_is_missing(project: Project, wanted: Inputs, tmp_path: Path, run: Runner) -> None:
    fetch_inputs.fetch(project, wanted, tmp_path / "scratch", run)
    Store(dist=project.dist).path(CRATE.sha256).write_text("other")
    assert missing(fetch_inputs.state(project, wanted)) == {"one 1.0.0": "not fetched"}
    assert missing(fetch_inputs.fetch(project, wanted, tmp_path / "scratch", run)) == {}


def test_the_gates_take_their_roots_from_there(
    project: Project, wanted: Inputs, tmp_path: Path, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_inputs.fetch(project, wanted, tmp_path / "scratch", run)
    shutil.rmtree(project.dist / ".cache" / "roots")
    programs = search_path(tmp_path / "programs", without=["mmdebstrap"])
    monkeypatch.setenv("PATH", str(programs))
    first, second, *_ = roots.SUITES
    assert roots.made(project.dist, first, run).read_text() == f"root of {first.name}"
    store = Store(dist=project.dist)
    store.path(store.roots()[roots.name_of(second)]).write_text("other")
    with pytest.raises(ReleaseError, match="mmdebstrap"):
        roots.made(project.dist, second, run)
    assert missing(fetch_inputs.state(project, wanted)) == {second.name: "not fetched"}


def test_it_says_of_each_flavour_what_still_needs_a_network(wanted: Inputs) -> None:
    base = BaseImage(flavour="ubi", architecture="amd64", reference="a:1", digest="sha256:1")
    with_ubi, without = fetch_inputs.what_needs_a_network(dataclasses.replace(wanted, bases=(base,)))
    assert with_ubi == "ubi needs a network: microdnf fetches packages while the image is built"
    assert without == "alpine is left out without a network: its base was not there in that build"
    for flavour, installs in (("ubi", "microdnf install"), ("alpine", "apk add"), ("micro", "")):
        text = (ROOT / "containers" / flavour / "Containerfile").read_text()
        assert installs in text
        assert installs or "\nRUN " not in text  # of micro it says that no network is needed


def test_what_no_input_is_any_more_is_removed(project: Project, wanted: Inputs, tmp_path: Path, run: Runner) -> None:
    fetch_inputs.fetch(project, wanted, tmp_path / "scratch", run)
    fetch_inputs.fetch(project, dataclasses.replace(wanted, debian=()), tmp_path / "scratch", run)
    assert not Store(dist=project.dist).path(DEB.sha256).exists()


def test_an_environment_is_made_of_the_kept_wheels(
    project: Project, wanted: Inputs, tmp_path: Path, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_inputs.fetch(project, wanted, tmp_path / "scratch", run)
    monkeypatch.setenv("PIP_FIND_LINKS", "/nonexistent")
    requirements, links = project.root / "ci" / "requirements" / "release.txt", tmp_path / "links"
    links.mkdir()
    options = kept_wheels(requirements, project.dist / "inputs", links)
    assert options == ["--no-index", "--find-links", str(links)]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", f"--target={tmp_path / 'site'}"]
    subprocess.run([*command, *options, "-r", str(requirements)], check=True, capture_output=True)
    assert (tmp_path / "site" / "one-1.0.dist-info").is_dir()


@pytest.mark.parametrize("fault", ["requirements", "interpreter", "name", "file"])
def test_wheels_for_something_else_are_not_taken(
    project: Project, wanted: Inputs, tmp_path: Path, run: Runner, fault: str
) -> None:
    fetch_inputs.fetch(project, wanted, tmp_path / "scratch", run)
    record = project.dist / "inputs" / "store.json"
    document = json.loads(record.read_bytes())
    (name,) = document["wheels"]
    if fault == "name":
        document["wheels"] = {"../escape.whl": document["wheels"][name]}
    elif fault == "file":
        (project.dist / "inputs" / "sha256" / document["wheels"][name]).unlink()
    else:
        document[fault] = "another"
    record.write_text(json.dumps(document))
    (tmp_path / "links").mkdir()
    requirements = project.root / "ci" / "requirements" / "release.txt"
    assert kept_wheels(requirements, project.dist / "inputs", tmp_path / "links") == []


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[tuple[LocalRegistry, Runner]]:
    with serving(tmp_path / "registry") as (registry, environment):
        yield registry, Runner(log=tmp_path / "log", env=environment)


@pytest.mark.parametrize("name", ["buildah", "podman"])
def test_a_base_image_is_kept_and_gets_into_a_storage_without_its_registry(
    project: Project, wanted: Inputs, tmp_path: Path, registry: tuple[LocalRegistry, Runner], name: str
) -> None:
    served, run = registry
    if engine_choice.why_not(run, name):
        pytest.skip(engine_choice.why_not(run, name))
    engine, digest = Engine(name=name), served.digests["arm64"]
    reference = f"{served.name}:1@{served.index}"
    base = BaseImage(flavour="ubi", architecture="arm64", reference=reference, digest=digest)
    with_base = dataclasses.replace(wanted, bases=(base,))
    assert missing(fetch_inputs.fetch(project, with_base, tmp_path / "scratch", run)) == {}
    store, asked = Store(dist=project.dist), len(served.requests)
    assert store.base("ubi", "arm64", reference) == base
    assert store.base("ubi", "arm64", f"{served.name}:2") is None
    try:
        loaded = bases.load(run, engine, store, reference, digest, "arm64")
        assert loaded.digest == digest
        assert bases.stored(run, engine, reference, "arm64", digest) == loaded
        assert len(served.requests) == asked
    finally:
        engine.remove(run, bases.pulled_by(reference, digest))


def test_the_hidden_files_of_a_killed_run_are_no_inputs(project: Project, wanted: Inputs, run: Runner) -> None:
    part = project.dist / "inputs" / "sha256" / f".{'5' * 64}.{os.getpid()}.part"
    part.parent.mkdir(parents=True)
    part.write_text("half")
    fetch_inputs.fetch(project, wanted, part.parents[3] / "scratch", run)
    assert not part.exists()
