"""Builds packages in a `dist/` of the tests' own, without the command line around it."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from ci import kinds
from ci.commands.running import jobs_of, probe
from ci.core.console import Console
from ci.core.lock import exclusive
from ci.core.run import Runner
from ci.core.tools import Toolbox
from ci.manifest.reader import load
from ci.manifest.release import Release
from ci.manifest.versions import parse
from ci.pipeline.jobs import Job, Output, Project, Variant
from ci.pipeline.plan import make_plan, require_tools
from ci.pipeline.scheduler import Scheduler
from ci.verify.check import BuiltFunction, Check
from tests.cache import CACHE
from tests.support import ROOT

_PACKAGES = ("sdist", "baked", "rpm", "msys2", "brew", "local-registry", "crate", "sbom")


def open_project(root: Path, dist: Path, release: Release | None = None) -> Project:
    """A project over a checkout, with a release of one's own or the manifest's."""
    return Project(
        root=root,
        dist=dist,
        release=release or load(root / "release.yaml"),
        toolbox=Toolbox(CACHE / "tools.json"),  # each program is asked for its version once
    )


def build(project: Project, *builders: str) -> Project:
    """Run the jobs of the named builders, by default those of all packages.

    What the other builders make is expected in `dist/` already. Raises what the first job that fails has raised.
    """
    wanted = builders or _PACKAGES
    chosen = [builder for builder in kinds.builders_of(kinds.KINDS) if builder.name in wanted]
    project = probe(project, chosen)
    return _run(project, list(jobs_of(project, chosen)))


def build_function(project: Project, name: str) -> BuiltFunction:
    """Run the job of one of the functions that artefacts are invoked with."""
    project = probe(project, [kinds.FUNCTIONS])
    (job,) = (job for job in jobs_of(project, [kinds.FUNCTIONS]) if job.id == name)
    _run(project, [job])
    return BuiltFunction(language="c", library=project.dist / job.outputs[0].path)


def _run(project: Project, jobs: list[Job]) -> Project:
    names = {job.id for job in jobs}
    chosen = [dataclasses.replace(job, after=tuple(one for one in job.after if one in names)) for job in jobs]
    steps = make_plan(project, chosen)
    require_tools(steps)
    with exclusive(project.dist / ".state" / "lock", print) as lock:
        outcomes = Scheduler(project=project, console=Console(), lock=lock).execute(steps)
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
        assert outcome.record is not None, outcome.why
    return project


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


def check_of(
    project: Project, kind: str, path: Path, folder: Path, *functions: BuiltFunction, environment: str = ""
) -> Check:
    """The check of one artefact of a kind. `folder` is made, and its log lies beside it.

    `environment` is the environment of an MSYS2 package, by default ucrt64.
    """
    variant = Variant(environment=environment or "ucrt64") if kind == "msys2" else Variant()
    folder.mkdir()
    return Check(
        project=project,
        output=Output(kind=kind, path=f"{path.parent.name}/{path.name}"),
        variant=variant,
        path=path,
        folder=folder,
        run=Runner(log=folder.with_suffix(".log")),
        functions=functions,
    )
