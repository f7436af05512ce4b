"""The layers for Lambda's OS-only runtime: zip files with the Python and the runtime of the image `micro`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ci.core import tars, zips
from ci.core.architectures import named
from ci.images import micro_layers
from ci.images.lambda_layer import aws_name, description, layer_tree
from ci.manifest import dist_paths
from ci.pipeline.jobs import Job, Output, Project, Variant, Workspace


def jobs(project: Project) -> tuple[Job, ...]:
    """A job for each architecture that images are made for; it packs what the layers of `micro` have."""
    release = project.release
    return tuple(
        Job(
            id=f"lambda-layer-{architecture}",
            builder="lambda-layer",
            variant=Variant(architecture=architecture, libc="glibc"),
            outputs=(Output(kind="lambda-layer", path=dist_paths.lambda_layer(release, aws_name(architecture))),),
            build=partial(_build, architecture=architecture),
            values={"epoch": str(release.epoch), "description": description(release, named(architecture))},
            libraries=("deflate",),
            after=(micro_layers.JOB,),
        )
        for architecture in micro_layers.architectures(release)
    )


def _build(work: Workspace, *, architecture: str) -> None:
    root, runtime = (tars.read(work.built(path)) for path in (micro_layers.root(architecture), micro_layers.RUNTIME))
    tree = layer_tree(root, runtime, named(architecture), work.release)
    name = Path(dist_paths.lambda_layer(work.release, aws_name(architecture))).name
    (work.out / name).write_bytes(zips.pack(tree, work.release.epoch))
