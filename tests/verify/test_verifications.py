"""An artefact that cannot be read is refused like any other fault, and not taken for an error of the tooling."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ci.core.errors import VerificationError
from ci.core.run import Runner
from ci.manifest import dist_paths
from ci.pipeline.jobs import Job, Output, Project, Workspace
from ci.verify import verifications
from tests.packages.support import open_project


def truncated(good: Path) -> bytes:
    return good.read_bytes()[: good.stat().st_size // 2]


def rubbish(good: Path) -> bytes:
    return b"no archive\n" * 100


def empty(good: Path) -> bytes:
    return b""


@pytest.mark.mutant
@pytest.mark.parametrize("kind", ["sdist", "wheel", "image"])
@pytest.mark.parametrize("damage", [truncated, rubbish, empty])
def test_a_damaged_archive_is_refused(built: Project, tmp_path: Path, kind: str, damage: object) -> None:
    assert callable(damage)
    project = open_project(built.root, tmp_path / "dist", built.release)
    shutil.copytree(built.dist / "sdist", project.dist / "sdist")
    paths = {"sdist": dist_paths.sdist(built.release), "wheel": dist_paths.wheel(built.release)}
    path = paths.get(kind, "images/faas-runtime-0.1.0-micro-amd64.oci.tar")
    (project.dist / path).parent.mkdir(exist_ok=True)
    (project.dist / path).write_bytes(damage(built.dist / paths.get(kind, paths["sdist"])))
    build = Job(id="made", builder="made", outputs=(Output(kind=kind, path=path),), build=lambda _: None)
    (job,) = verifications.jobs(project.with_facts(verifications.probe(project)), [build])
    folder = tmp_path / "work"
    folder.mkdir()
    run = Runner(log=tmp_path / "log")
    with pytest.raises(VerificationError, match=f"^{path}: "):
        job.build(Workspace(project=project, job=job.id, folder=folder, out=folder, run=run))
