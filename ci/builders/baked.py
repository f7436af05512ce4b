"""The second rendered tree: the packaging files of this build, with the hash of the source tarball just made."""

from __future__ import annotations

import dataclasses

from ci.core.errors import DRIFT_HINT, DriftError
from ci.core.files import sha256_of
from ci.kinds import rendered_folders
from ci.manifest import dist_paths
from ci.manifest.release import Budgets
from ci.pipeline.jobs import Job, Output, Project, Workspace


def jobs(project: Project) -> tuple[Job, ...]:
    """One job, which makes the folder `dist/baked/`."""
    # No builder reads the waivers and the budgets: a change in them must not build anything again.
    values = dataclasses.replace(project.release, waivers=(), budgets=Budgets(image=0, package=0))
    return (
        Job(
            id="baked",
            builder="baked",
            outputs=(Output(path=dist_paths.RENDERED),),
            build=_build,
            libraries=("cookiecutter",),
            inputs=(project.root / "recipes" / "packages", *(project.root / folder for folder in rendered_folders())),
            values={"release": repr(values)},
            after=("sdist",),
        ),
    )


def _build(work: Workspace) -> None:
    # cookiecutter takes a third of a second to import, so a run that renders nothing does not import it.
    from ci.bake.render import bake, drift

    # What is built must be what reviewers read: an edit of a rendered file by hand would be lost silently.
    if difference := drift(work.project.root, work.release):
        raise DriftError(f"the rendered files are not what release.yaml gives:\n{difference}", hint=DRIFT_HINT)
    release = work.release.with_source_sha256(sha256_of(work.project.sdist))
    bake(work.project.root, release, work.out / dist_paths.RENDERED)
