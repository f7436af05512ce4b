"""The Homebrew formula: the rendered one, which names the source tarball of this build."""

from __future__ import annotations

import shutil

from ci.core.errors import DriftError
from ci.core.files import sha256_of
from ci.manifest import dist_paths
from ci.pipeline.jobs import Job, Output, Project, Workspace


def jobs(project: Project) -> tuple[Job, ...]:
    """One job. Homebrew itself builds from the formula on the user's machine, or in the workflow of a tap."""
    return (
        Job(
            id="brew",
            builder="brew",
            outputs=(Output(kind="formula", path=dist_paths.formula(project.release)),),
            build=_build,
            libraries=("cookiecutter",),
            after=("sdist", "baked"),
        ),
    )


def _build(work: Workspace) -> None:
    name = f"{work.release.name}.rb"
    formula = work.project.rendered / "formulae" / name
    sha256 = sha256_of(work.project.sdist)
    if f'sha256 "{sha256}"' not in formula.read_text(encoding="utf-8"):
        raise DriftError(f"{formula} does not name the source tarball's sha256, {sha256}", hint="remove dist/baked")
    shutil.copyfile(formula, work.out / name)
