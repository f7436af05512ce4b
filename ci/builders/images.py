"""The container images: a job for each flavour and architecture, an index for each flavour."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ci.core.architectures import host_name
from ci.core.checkout import source_state
from ci.core.errors import ReleaseError, UnavailableError
from ci.core.run import Runner
from ci.core.tools import Tool
from ci.images import bases, engine_choice, engines, image_index, micro_layers, oci
from ci.images.engines import Engine
from ci.images.flavour import BaseFound, Flavour, ImageTools
from ci.images.stored_image import StoredImage
from ci.manifest import dist_paths
from ci.manifest.release import FLAVOURS, Base, Release
from ci.pipeline.inputs import Inputs, InstalledPackage
from ci.pipeline.jobs import Job, Output, Project, Workspace
from ci.pipeline.report import readable_size
from ci.pipeline.stored_inputs import Store
from ci.sboms import image_packages

_SKOPEO = Tool(name="skopeo", minimum="1.4")
_RPM = Tool(name="rpm", minimum="4.16")


def reference(release: Release, flavour: str, architecture: str) -> str:
    """The name of an image in the engine's storage. Only other architectures than the host's have a suffix."""
    suffix = "" if architecture == host_name() else f"-{architecture}"
    return f"{release.images.registry}/{release.name}:{release.version.oci}-{flavour}{suffix}"


def archive_reference(release: Release, flavour: str, architecture: str) -> str:
    """The name of an image inside its archive, which is the same on every host."""
    return f"{release.images.registry}/{release.name}:{release.version.oci}-{flavour}-{architecture}"


def probe(project: Project) -> ImageTools:
    """Find an engine that works, and look up the base images in its storage and in their registries.

    Raises `UnavailableError` if the engine that the command line names does not work.
    """
    revision = source_state(project.root, project.release.version.tag).revision
    with tempfile.TemporaryDirectory(prefix="faas-runtime-engines-") as scratch:
        run = Runner(log=Path(scratch, "engines.log"))
        try:
            engine = engine_choice.choose(run, project.options.engine)
        except UnavailableError as error:
            if project.options.engine != "auto":
                raise
            return ImageTools(engine=None, missing=str(error), revision=revision)
        found = {one.id: _look_up(project, engine, one, run) for one in _flavours(project)}
    return ImageTools(engine=engine, bases=found, revision=revision)


def _look_up(project: Project, engine: Engine, flavour: Flavour, run: Runner) -> BaseFound:
    # Without skopeo no image is built; the plan lists it as a missing tool.
    if flavour.base is None or shutil.which(_SKOPEO.name) is None:
        return BaseFound()
    locked = project.options.locked
    if locked is not None and locked.base(flavour.name, flavour.architecture) is None:
        return BaseFound(missing="its base is not among the inputs that --locked names")
    found = _kept_base(project, engine, flavour)
    if not found.digest:
        cache = project.dist / ".cache" / "bases.json"
        found = bases.look_up(run, engine, cache, flavour.base, flavour.architecture)
    if other := _not_locked(locked, flavour, found):
        return BaseFound(missing=other)
    return BaseFound(digest=found.digest, missing=found.why_not or bases.emulation_missing(flavour.architecture))


def _kept_base(project: Project, engine: Engine, flavour: Flavour) -> bases.Found:
    """The base that `dist/inputs/` has; nothing for docker, which cannot keep an image under the digest of its pull."""
    kept = Store(dist=project.dist).base(flavour.name, flavour.architecture, flavour.base or "")
    return bases.Found() if kept is None or engine.is_docker else bases.Found(digest=kept.digest)


def _not_locked(locked: Inputs | None, flavour: Flavour, found: bases.Found) -> str:
    """Why the base that was found is not the locked one; empty if it is, or if none is locked."""
    wanted = locked.base(flavour.name, flavour.architecture) if locked else None
    if wanted is None or found.digest == wanted.digest:
        return ""
    return f"{wanted.digest} is wanted, and {found.why_not or f'the digest here is {found.digest}'}"


def jobs(project: Project) -> tuple[Job, ...]:
    """An image for each flavour and architecture, then the index of each flavour."""
    tools = project.fact(ImageTools)
    images = [_image_job(project, tools, one) for one in _flavours(project)]
    return (*images, *image_index.jobs(project, images))


def _flavours(project: Project) -> list[Flavour]:
    release, wanted = project.release, project.options.flavours or FLAVOURS
    found = []
    for architecture in micro_layers.architectures(release):
        layers = (micro_layers.root(architecture), micro_layers.RUNTIME)
        alpine = (dist_paths.sdist(release), f"{dist_paths.RENDERED}/containers/carry.py")
        contexts = {"ubi": (dist_paths.rpm(release),), "alpine": alpine, "micro": layers}
        after = {"ubi": ("rpm", "baked"), "alpine": ("sdist", "baked"), "micro": (micro_layers.JOB, "baked")}
        found += [
            Flavour(
                name=name,
                architecture=architecture,
                base=_base(project, name),
                context=contexts[name],
                after=after[name],
            )
            for name in FLAVOURS
            if name in wanted
        ]
    return found


def _base(project: Project, flavour: str) -> str | None:
    images = project.release.images
    from_manifest: dict[str, Base] = {"ubi": images.ubi, "alpine": images.alpine}
    if flavour not in from_manifest:
        return None
    locked = project.options.locked.bases if project.options.locked else ()
    for base in locked:
        if base.flavour == flavour:
            return base.reference
    return project.options.bases.get(flavour) or from_manifest[flavour].reference


def _image_job(project: Project, tools: ImageTools, flavour: Flavour) -> Job:
    engine = tools.engine
    base = tools.bases.get(flavour.id, BaseFound())
    build: Callable[[Workspace], str | None] = _cannot_build
    if engine:
        build = partial(_build, engine=engine, flavour=flavour, digest=base.digest, revision=tools.revision)
    return Job(
        id=flavour.id,
        builder="images",
        variant=flavour.variant,
        outputs=(
            Output(kind="image", path=dist_paths.image(project.release, flavour.name, flavour.architecture)),
            *([Output(path=image_packages.path_of(flavour.name, flavour.architecture))] if flavour.base else []),
        ),
        build=build,
        tools=(engine_choice.TOOLS[engine.name], _SKOPEO, *((_RPM,) if flavour.contains_base else ()))
        if engine
        else (),
        libraries=("deflate",),
        values={
            "base": flavour.base or "scratch",
            "digest": base.digest,
            "epoch": str(project.release.epoch),
            "revision": tools.revision,
            "locked": repr(_locked(project, flavour)),
        },
        after=flavour.after,
        unavailable=tools.missing or base.missing,
    )


def _locked(project: Project, flavour: Flavour) -> tuple[InstalledPackage, ...] | None:
    """The packages that the image must have; None if the command line demands none."""
    locked = project.options.locked
    return locked.installed_in(flavour.name, flavour.architecture) if locked else None


def _cannot_build(work: Workspace) -> None:
    raise ReleaseError(f"{work.job}: an unavailable job was started")


def _build(work: Workspace, *, engine: Engine, flavour: Flavour, digest: str, revision: str) -> str:
    """Build in the engine's storage, write the normalised archive, and store it under the release's name."""
    release = work.release
    base = _present_base(work, engine, flavour, digest)
    temporary = engines.temporary(release.name, "build", f"{flavour.name}-{flavour.architecture}")
    engine.remove_stale(work.run, release.name)
    arguments = {"TARGETARCH": flavour.architecture, "REVISION": revision}
    if base:
        arguments["BASE"] = base.id.removeprefix("sha256:")
    try:
        engine.build(
            work.run,
            context=_context(work, flavour),
            containerfile=work.project.rendered / "containers" / flavour.name / "Containerfile",
            platform=f"linux/{flavour.architecture}",
            from_scratch=base is None,
            epoch=release.epoch,
            arguments=arguments,
            labels=_base_labels(flavour, base),
            tag=temporary,
        )
        engine.export(work.run, temporary, work.folder / "layout")
    finally:
        engine.remove(work.run, temporary)
    image = _normalised(work, engine, flavour, base)
    name = reference(release, flavour.name, flavour.architecture)
    archive = work.out / Path(dist_paths.image(release, flavour.name, flavour.architecture)).name
    oci.write_archive(image, archive, tag=archive_reference(release, flavour.name, flavour.architecture))
    if flavour.base:
        _list_packages(work, flavour, archive)
    engine.load(work.run, archive, name)
    if engine.is_docker and not engines.has_buildkit(work.run):
        return "built by docker without BuildKit, whose own layers differ each time; the archive's do not"
    return ""


def _list_packages(work: Workspace, flavour: Flavour, archive: Path) -> None:
    """Write the list of the distribution's packages in a finished image, if they are those that it must have."""
    found = image_packages.read(
        archive, flavour.name, flavour.architecture, own=work.release.name, folder=work.folder, run=work.run
    )
    locked = _locked(work.project, flavour)
    if locked is not None:
        image_packages.require_locked(f"image {flavour.name} ({flavour.architecture})", found, locked)
    image_packages.write_list(work.out / Path(image_packages.path_of(flavour.name, flavour.architecture)).name, found)


def _normalised(work: Workspace, engine: Engine, flavour: Flavour, base: StoredImage | None) -> oci.Image:
    exported = oci.read_layout(work.folder / "layout")
    if engine.is_docker and not flavour.contains_base and not engines.has_buildkit(work.run):
        # It gives each image from scratch its own architecture.
        exported = dataclasses.replace(exported, config={**exported.config, "architecture": flavour.architecture})
    return oci.normalised(
        exported,
        base_layers=len(base.layers) if base and flavour.contains_base else 0,
        architecture=flavour.architecture,
        epoch=work.release.epoch,
        title=f"{work.release.name} {work.release.version} {flavour.name}",
    )


def _present_base(work: Workspace, engine: Engine, flavour: Flavour, digest: str) -> StoredImage | None:
    """The base image in the engine's storage; it is pulled if it is not there yet."""
    if flavour.base is None:
        return None
    if present := bases.stored(work.run, engine, flavour.base, flavour.architecture, digest):
        return present
    if _kept_base(work.project, engine, flavour).digest == digest:
        store = Store(dist=work.project.dist)
        return bases.load(work.run, engine, store, flavour.base, digest, flavour.architecture)
    name = bases.pulled_by(flavour.base, digest)
    pulled = engine.pull(work.run, name, f"linux/{flavour.architecture}")
    return dataclasses.replace(pulled, digest=name.partition("@")[2] or pulled.digest)


def _base_labels(flavour: Flavour, base: StoredImage | None) -> dict[str, str]:
    if flavour.base is None or base is None or not flavour.contains_base:
        return {}
    return {
        "org.opencontainers.image.base.name": flavour.base.partition("@")[0],
        "org.opencontainers.image.base.digest": base.digest,
    }


def _context(work: Workspace, flavour: Flavour) -> Path:
    """A folder with the files of `dist/` that the Containerfile copies; engines read the whole folder."""
    context = work.folder / "context"
    for path in flavour.context:
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(work.built(path), context / path)
    return context


def size_table(project: Project) -> tuple[str, list[str], list[list[str]]]:
    """Title, columns and rows: the sizes of the images in `dist/`, and what each adds to its base."""
    rows = []
    for flavour in _flavours(project):
        path = project.dist / dist_paths.image(project.release, flavour.name, flavour.architecture)
        if not path.exists():
            continue
        sizes = oci.sizes(path)
        name = f"{flavour.name} {flavour.architecture}"
        rows.append(_row(name, sizes.total))
        below = flavour.base if flavour.contains_base else "scratch"
        rows.append(_row(f"  adds to {below}", sizes.added))
    return "Sizes of the images", ["image", ">unpacked", ">compressed"], rows


def _row(name: str, layer: oci.Layer) -> list[str]:
    return [name, readable_size(layer.unpacked), readable_size(layer.compressed)]
