"""Runs the builders' jobs in a `dist/` of the test's own, without the plan and the scheduler around them."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

from ci.builders import baked, brew, msys2, rpm, sdist
from ci.jobs import Job, Project, Workspace
from ci.manifest import load
from ci.release import Release
from ci.run import Runner
from ci.tools import Toolbox
from ci.versions import parse
from tests.support import ROOT

BUILDERS: tuple[Callable[[Project], tuple[Job, ...]], ...] = (
    sdist.jobs,
    baked.jobs,
    rpm.jobs,
    msys2.jobs,
    brew.jobs,
)


def open_project(root: Path, dist: Path, release: Release | None = None) -> Project:
    """A project over a checkout, with a release of one's own or the manifest's."""
    return Project(
        root=root,
        dist=dist,
        release=release or load(root / "release.yaml"),
        toolbox=Toolbox(dist / ".state" / "tools.json"),
    )


def build(project: Project, *builders: str) -> Project:
    """Build the jobs of the named builders (all by default), in their order."""
    for jobs in BUILDERS:
        for job in jobs(project):
            if not builders or job.builder in builders:
                _build(project, job)
    return project


def _build(project: Project, job: Job) -> None:
    folder = project.dist / ".work" / job.id
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "out").mkdir(parents=True)
    (folder / "work").mkdir()
    job.build(
        Workspace(
            project=project,
            job=job.id,
            folder=folder / "work",
            out=folder / "out",
            run=Runner(
                log=project.dist / "logs" / f"{job.id}.log",
                env={"SOURCE_DATE_EPOCH": str(project.release.epoch)},
            ),
        )
    )
    assert {path.name for path in (folder / "out").iterdir()} == {output.name for output in job.outputs}
    for output in job.outputs:
        target = project.dist / output.path
        shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / "out" / output.name).replace(target)


def checkout_of(folder: Path, source: Path = ROOT) -> Path:
    """Copy what the builders read of a checkout, and no more."""
    for name in ("runtime", "recipes", "release.yaml", "CHANGELOG.md"):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target, ignore=shutil.ignore_patterns("__pycache__", "target"))
        else:
            shutil.copyfile(source / name, target)
    return folder


def with_version(release: Release, text: str) -> Release:
    """The same release under another version, consistent in all that depends on it."""
    version = parse(text)
    renamed = dataclasses.replace(release, version=version)
    url = release.source.url.replace(release.version.tag, version.tag)
    url = url.replace(release.sdist_name, renamed.sdist_name)
    entry = dataclasses.replace(release.changelog[0], version=version)
    source = dataclasses.replace(release.source, url=url)
    return dataclasses.replace(renamed, source=source, changelog=(entry, *release.changelog[1:]))


def main_rpm(project: Project) -> Path:
    """The main package."""
    release = project.release
    return project.dist / "rpm" / f"{release.name}-{release.version.rpm}-{release.rpm.release}.noarch.rpm"
