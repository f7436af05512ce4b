"""The SBOMs: two documents for each artefact, which list what a reader finds in the finished file.

They come after everything else that is built, and describe the very bytes that are published.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ci.core.tools import Tool
from ci.manifest import dist_paths
from ci.pipeline.jobs import Job, Output, Project, Workspace
from ci.sboms.model import Publisher

_LIBRARIES = ("cyclonedx-python-lib", "license-expression", "packageurl-python", "spdx-tools")


# The images that an index lists have SBOMs of their own.
_WITHOUT = ("image-index",)


def jobs(project: Project, builds: Sequence[Job]) -> tuple[Job, ...]:
    """One job for each artefact among the jobs before. That of an artefact that cannot be built is unavailable, too."""
    outputs = ((build, output) for build in builds for output in build.outputs)
    return tuple(
        _job(project, build, output) for build, output in outputs if output.kind and output.kind not in _WITHOUT
    )


def _job(project: Project, build: Job, output: Output) -> Job:
    release = project.release
    paths = [dist_paths.sbom(output.name, form) for form in ("spdx", "cdx")]
    return Job(
        id=f"sbom-{output.name}",
        builder="sbom",
        outputs=tuple(Output(kind="sbom", path=path) for path in paths),
        build=partial(_build, artefact=output),
        tools=(Tool(name="rpm", minimum="4.16"), Tool(name="bsdtar")),
        libraries=_LIBRARIES,
        values={"publisher": repr(Publisher.of(release))},
        after=(build.id,),
        unavailable=build.unavailable,
    )


def _build(work: Workspace, *, artefact: Output) -> None:
    from ci.sboms import contents, cyclonedx, spdx

    found = contents.read(contents.OpenedArtifact(path=work.built(artefact.path), folder=work.folder, run=work.run))
    for form, write in (("spdx", spdx.write), ("cdx", cyclonedx.write)):
        path = work.out / f"{artefact.name}.{form}.json"
        path.write_bytes(write(found, Publisher.of(work.release)))
