"""What `--previous` may name, and what upgrades then begin with."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from ci.core.errors import ReleaseError, UnavailableError, UsageError
from ci.core.run import Runner
from ci.manifest import dist_paths
from ci.pipeline.finished import Dist
from ci.pipeline.jobs import Options, Project, Workspace
from ci.verify import previous
from ci.verify.previous import Previous
from tests.gates import listed
from tests.packages.fixtures import older
from tests.prove.support import commit

__all__ = ["older"]


def named(project: Project, text: str) -> Project:
    return dataclasses.replace(project, options=Options(previous=text))


def written(dist: Dist, folder: Path, **changes: object) -> Path:
    """A folder with the same artefacts, and a list of them in which something is different."""
    shutil.copytree(dist.folder, folder, ignore=shutil.ignore_patterns(".state", "logs"))
    (folder / "artifacts.json").write_text(json.dumps({**dist.document, **changes}))
    return folder


def made(project: Project, folder: Path) -> Project:
    """Run the job, and return the previous version's project."""
    project = project.with_facts(previous.probe(project))
    (job,) = previous.jobs(project)
    (folder / "work").mkdir(parents=True)
    (folder / "out").mkdir()
    run = Runner(log=folder / "log")
    job.build(Workspace(project=project, job=job.id, folder=folder / "work", out=folder / "out", run=run))
    return previous.release_of(dataclasses.replace(project, dist=folder / "out"))


def test_the_packages_of_a_folder_are_taken_as_they_are(built: Project, older: Project, tmp_path: Path) -> None:
    # As after a release that only the packages had.
    rpm = dataclasses.replace(older.release, rpm=dataclasses.replace(older.release.rpm, release=3))
    folder = written(listed(older), tmp_path / "its-dist")
    for place in (dist_paths.rpm, dist_paths.rpm_devel):
        (folder / place(older.release)).rename(folder / place(rpm))
    document = json.loads((folder / "artifacts.json").read_text().replace("0.0.9-1.noarch", "0.0.9-3.noarch"))
    (folder / "artifacts.json").write_text(json.dumps(document))
    project = named(built, str(folder))
    found = made(project, tmp_path / "job")
    assert (str(found.release.version), found.release.rpm.release, found.release.msys2.release) == ("0.0.9", 3, 1)
    for path in (dist_paths.sdist(found.release), dist_paths.rpm(found.release), dist_paths.rpm_devel(found.release)):
        assert (found.dist / path).read_bytes() == (folder / path).read_bytes()
    assert (found.dist / dist_paths.msys2(found.release, "ucrt64")).exists()
    assert previous.probe(project).note == f"the previous version is 0.0.9 in {folder}"


def test_a_revision_is_found_and_a_newer_one_is_refused(built: Project, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("release.yaml", "CHANGELOG.md", "runtime", "recipes"):
        copy = shutil.copytree if (built.root / name).is_dir() else shutil.copyfile
        copy(built.root / name, checkout / name)
    commit(checkout)
    project = named(dataclasses.replace(built, root=checkout), "HEAD")
    found = previous.probe(project)
    assert found.dist is None
    assert len(found.revision) == 40
    assert found.note == f"the previous version is HEAD, commit {found.revision[:12]}"
    with pytest.raises(UsageError, match=r"--previous HEAD.*: it has the version 0\.1\.0, which is not older"):
        made(project, tmp_path / "job")


FAULTS: dict[str, tuple[dict[str, object], type[ReleaseError], str]] = {
    "another product": ({"name": "another"}, UsageError, "it has another, and this is faas-runtime"),
    "a newer version": ({"version": "9.0.0"}, UsageError, r"the version 9\.0\.0, which is not older than 0\.1\.0"),
    "no packages": ({"artifacts": []}, UnavailableError, "it has no source tarball"),
    "another format": ({"format": 2}, UnavailableError, "its format is 2"),
}


@pytest.mark.mutant
@pytest.mark.parametrize("fault", FAULTS)
def test_what_no_upgrade_can_begin_with(built: Project, older: Project, tmp_path: Path, fault: str) -> None:
    changes, kind, said = FAULTS[fault]
    folder = written(listed(older), tmp_path / "its-dist", **changes)
    with pytest.raises(kind, match=said):
        previous.probe(named(built, str(folder)))


def test_what_is_neither_folder_nor_revision(built: Project) -> None:
    with pytest.raises(UsageError, match="no-such-thing: neither a folder with artefacts nor a revision"):
        previous.probe(named(built, "no-such-thing"))


def test_nothing_is_named_and_there_is_no_tag(built: Project) -> None:
    assert previous.probe(built) == Previous()
