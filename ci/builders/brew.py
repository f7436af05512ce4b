"""The Homebrew formula: the baked one, which names the very source tarball of this build."""

from __future__ import annotations

import shutil

from ci.errors import DriftError
from ci.files import sha256_of
from ci.jobs import Job, Output, Project, Workspace


def jobs(project: Project) -> tuple[Job, ...]:
    """One job; Homebrew itself builds from the formula on the user's machine, or in a tap's workflow."""
    return (
        Job(
            id="brew",
            builder="brew",
            outputs=(Output(kind="formula", path=f"formulae/{project.release.name}.rb"),),
            build=_build,
            libraries=("cookiecutter",),
            after=("sdist", "baked"),
        ),
    )


def _build(work: Workspace) -> None:
    name = f"{work.release.name}.rb"
    formula = work.baked / "formulae" / name
    sha256 = sha256_of(work.built(f"sdist/{work.release.sdist_name}"))
    if f'sha256 "{sha256}"' not in formula.read_text():
        raise DriftError(f"{formula} does not name the source tarball's sha256, {sha256}", hint="remove dist/baked")
    shutil.copyfile(formula, work.out / name)
