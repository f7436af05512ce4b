"""Runs one job of a gate on packages of a test's own, in the roots that a snapshot takes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ci.core.architectures import host_name
from ci.core.resolve import resolve
from ci.core.run import Runner
from ci.kinds import GATES, MSYS2, RPM, SDIST, Builder
from ci.manifest import dist_paths
from ci.pipeline.finished import Dist
from ci.pipeline.jobs import Job, Output, Project, Variant, Verdict, Workspace
from ci.verify import previous, roots
from ci.verify.check import BuiltFunction
from ci.verify.in_root import Root, unpack
from ci.verify.previous import Previous
from tests.cache import kept, key_of
from tests.support import not_there

_LIBRARY = "functions/c/libsimple_handler.so"


def place_root(dist: Path, suite: str) -> None:
    """Put the root of a suite into a `dist/`; it is fetched once for all tests."""
    if os.geteuid() != 0:
        not_there("a root user, for roots,")
    (found,) = (one for one in roots.SUITES if one.name == suite)

    def fetch(target: Path) -> None:
        run = Runner(log=target.with_suffix(".log"))
        run("mmdebstrap", *roots.options(found), suite, target)
        run.log.unlink()

    tar = kept(f"gate-{suite}", key_of(*roots.options(found)), fetch)
    target = dist / roots.path_of(suite)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copyfile(tar, target)


def root_of(project: Project, suite: str, folder: Path) -> Root:
    """The unpacked root of a suite, in a new folder."""
    place_root(project.dist, suite)
    (found,) = (one for one in roots.SUITES if one.name == suite)
    folder.mkdir()
    run = Runner(log=folder.with_suffix(".log"))
    return unpack(Workspace(project=project, job="proof", folder=folder, out=folder, run=run), found)


def run_job(
    project: Project, name: str, function: BuiltFunction, folder: Path, older: Project | None = None
) -> Verdict:
    """Run the job of that id, with the function in C and, for an upgrade, the older version."""
    suite = name.rpartition("-")[2]
    place_root(project.dist, suite)
    (project.dist / _LIBRARY).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(function.library, project.dist / _LIBRARY)
    (gate,) = (one for one in GATES if one.name == name.partition("-")[0])
    probed = [one.probe for one in (SDIST, RPM, MSYS2, gate) if one.probe]
    project = project.with_facts(Previous(), *(resolve(probe)(project) for probe in probed))
    if older:
        project = _with_older(project, older, folder / "previous")
    builds = [*_builds(project, SDIST, RPM, MSYS2), _function_job()]
    (job,) = (job for job in resolve(gate.jobs)(project, builds) if job.id == name)
    verdict = job.build(_workspace(project, job, folder / "job"))
    assert isinstance(verdict, Verdict)
    return verdict


def _workspace(project: Project, job: Job, folder: Path) -> Workspace:
    work, out = folder / "work", folder / "out"
    work.mkdir(parents=True)
    out.mkdir()
    return Workspace(project=project, job=job.id, folder=work, out=out, run=Runner(log=folder / "job.log"))


def listed(project: Project) -> Dist:
    """The packages of a project as a list of artefacts names them."""
    kinds = {
        dist_paths.sdist(project.release): "sdist",
        dist_paths.rpm(project.release): "rpm",
        dist_paths.rpm_devel(project.release): "rpm-devel",
        **{dist_paths.msys2(project.release, one): "msys2" for one in project.release.msys2.environments},
    }
    document = {
        "format": 1,
        "name": project.release.name,
        "version": str(project.release.version),
        "source": {},
        "artifacts": [{"path": path, "kind": kind} for path, kind in kinds.items()],
    }
    return Dist(title=f"the packages of {project.release.version}", folder=project.dist, document=document)


def _with_older(project: Project, older: Project, folder: Path) -> Project:
    """The project with another one's packages as its previous version, as if the command line had named them."""
    project = project.with_facts(Previous(dist=listed(older), title="an older one"))
    (job,) = previous.jobs(project)
    work = _workspace(project, job, folder)
    job.build(work)
    (work.out / previous.FOLDER).replace(project.dist / previous.FOLDER)
    return project


def _builds(project: Project, *builders: Builder) -> list[Job]:
    return [job for builder in builders for job in resolve(builder.jobs)(project)]


def _function_job() -> Job:
    variant = Variant(language="c", libc="glibc", architecture=host_name())
    return Job(
        id="function-c", builder="functions", outputs=(Output(path=_LIBRARY),), build=lambda work: None, variant=variant
    )
