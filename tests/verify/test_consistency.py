"""The gate `consistency`: what was built passes, and a fault in one artefact is named with both values."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ci import kinds
from ci.commands.running import jobs_of, probe
from ci.core.errors import VerificationError
from ci.core.run import Runner
from ci.manifest import dist_paths
from ci.pipeline.jobs import Project, Workspace
from ci.verify.consistency import gate, table
from tests.verify.facts import changed_wheel, faults_of

pytestmark = pytest.mark.mutant

RUST = (kinds.LOCAL_REGISTRY, kinds.CRATE)
BUILDERS = (kinds.SDIST, kinds.RENDERED_TREE, kinds.RPM, kinds.MSYS2, kinds.BREW, *RUST, kinds.SBOM)


def workspace(project: Project, folder: Path) -> Workspace:
    """Where a job of the gate works: all packages are there, and no image is."""
    builds = jobs_of(probe(project, BUILDERS), BUILDERS)
    for name in ("work", "out"):
        (folder / name).mkdir(parents=True)
    return Workspace(
        project=project,
        job="consistency",
        folder=folder / "work",
        out=folder / "out",
        run=Runner(log=folder / "log"),
        needs=frozenset(output.path for build in builds for output in build.outputs),
    )


def test_all_packages_and_the_manifest_say_the_same(built: Project, tmp_path: Path) -> None:
    work = workspace(built, tmp_path)
    reading, comparing = gate.jobs(built, jobs_of(probe(built, BUILDERS), BUILDERS))
    reading.build(work)
    rows = {row.name: row for row in table.read((work.out / gate.PATH).read_bytes())}
    assert [line for row in rows.values() for line in row.differences()] == []
    release = built.release
    msys2 = {dist_paths.msys2(release, environment) for environment in release.msys2.environments}
    payload = {dist_paths.sdist(release), dist_paths.wheel(release), dist_paths.rpm(release), *msys2}
    assert set(rows["payload file faas_runtime/__main__.py"].values) == payload
    assert set(rows["payload file bin/faas-runtime"].values) == payload - {dist_paths.wheel(release)}
    assert set(rows["sha256 of the source tarball"].values) == {
        *(dist_paths.sdist(release), dist_paths.srpm(release), dist_paths.formula(release)),
        "baked/msys2/PKGBUILD",
    }
    sboms = {dist_paths.sbom(path.rpartition("/")[2], form) for path in payload for form in ("spdx", "cdx")}
    assert sboms <= set(rows["licence"].values)
    assert sboms <= set(rows["date"].values)
    assert rows["version as cargo spells it"].values == {dist_paths.crate(release): "0.1.0"}
    committed = {"formulae/faas-runtime.rb", "msys2/PKGBUILD", "release.yaml"}
    assert rows["sha256 of the source tarball, as committed"].values == {
        f"{name}, as committed": "not published" for name in committed
    }
    assert comparing.after == (reading.id,)


def test_a_difference_names_the_fact_the_artefact_and_both_values(built: Project, tmp_path: Path) -> None:
    wheel = built.dist / dist_paths.wheel(built.release)
    changes = {
        "METADATA": (b"\nVersion: 0.1.0", b"\nVersion: 0.1.1"),
        "faas_runtime/log.py": (b"STDERR = 2", b"STDERR = 1"),
    }
    spoilt = changed_wheel(wheel, tmp_path / wheel.name, changes)
    version, payload = faults_of(built, "wheel", spoilt, tmp_path / "facts", without="the launcher")
    assert version == f"wheel/{wheel.name}: version: found '0.1.1', expected '0.1.0'"
    assert payload.startswith(f"wheel/{wheel.name}: payload file faas_runtime/log.py: found '")


def test_a_red_table_fails_the_gate(built: Project, tmp_path: Path) -> None:
    row = table.Fact(name="licence", expected="Apache-2.0", values={"one": "Apache-2.0", "two": "MIT"})
    many = [table.Fact(name=f"fact {number}", expected="a", values={"one": "b"}) for number in range(30)]
    work = workspace(built, tmp_path / "work")
    dist = tmp_path / "dist"
    dist.mkdir()
    (dist / gate.PATH).write_bytes(table.document([row, *many]))
    with pytest.raises(VerificationError) as raised:
        gate._compare(in_dist(work, dist))
    first, *_, last = str(raised.value).splitlines()
    assert first == "two: licence: found 'MIT', expected 'Apache-2.0'"
    assert last == "and 11 more"


def in_dist(work: Workspace, dist: Path) -> Workspace:
    return dataclasses.replace(work, project=dataclasses.replace(work.project, dist=dist))
