"""The second baked tree: the packaging files of this very build, with the hash of the source tarball just made."""

from __future__ import annotations

import dataclasses

from ci.errors import DRIFT_HINT, DriftError
from ci.files import sha256_of
from ci.jobs import Job, Output, Project, Workspace

_COMMITTED = ("specs", "msys2", "formulae", "containers")


def jobs(project: Project) -> tuple[Job, ...]:
    """One job: the folder `dist/baked/`."""
    # The waivers are for the checks alone: another reason in the manifest must not rebuild anything.
    values = dataclasses.replace(project.release, waivers=())
    return (
        Job(
            id="baked",
            builder="baked",
            outputs=(Output(path="baked"),),
            build=_build,
            libraries=("cookiecutter",),
            inputs=(project.root / "recipes" / "packages", *(project.root / folder for folder in _COMMITTED)),
            values={"release": repr(values)},
            after=("sdist",),
        ),
    )


def _build(work: Workspace) -> None:
    # cookiecutter takes a third of a second to import: a run that bakes nothing does without.
    from ci.bake import bake, drift

    # What is built is what reviewers read: edits of a baked file by hand would be lost without a word.
    if difference := drift(work.project.root, work.release):
        raise DriftError(f"the baked tree is not what release.yaml gives:\n{difference}", hint=DRIFT_HINT)
    sdist = work.built(f"sdist/{work.release.sdist_name}")
    bake(work.project.root, work.release.with_source_sha256(sha256_of(sdist)), work.out / "baked")
