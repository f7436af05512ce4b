"""The container images: the layers of `micro`, then one job for each flavour and architecture."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from functools import partial
from pathlib import Path

from ci import bases, engines, micro_layers, oci
from ci.debian_root import host_architecture
from ci.engines import Engine
from ci.errors import ReleaseError, UnavailableError
from ci.jobs import Job, Output, Project, Workspace
from ci.release import Base, Release
from ci.report import readable_size
from ci.run import Runner
from ci.tools import Tool

FLAVOURS = ("ubi", "alpine", "micro")

_SKOPEO = Tool(name="skopeo", minimum="1.4")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flavour:
    """One image: `base` is None for the one from scratch, and `context` what its Containerfile takes from `dist/`."""

    name: str
    architecture: str
    base: str | None
    context: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def id(self) -> str:
        """The name of its job."""
        return f"image-{self.name}-{self.architecture}"

    @property
    def stands_on_base(self) -> bool:
        """Whether the base is below the image, and not only where its files were copied from, as for alpine."""
        return self.name == "ubi"


def archive_path(release: Release, flavour: str, architecture: str) -> str:
    """Where an image's archive lies in `dist/`."""
    return f"images/{release.name}-{release.version.oci}-{flavour}-{architecture}.oci.tar"


def reference(release: Release, flavour: str, architecture: str) -> str:
    """The name of an image in the engine's own storage; the host's own architecture needs no suffix."""
    suffix = "" if architecture == host_architecture() else f"-{architecture}"
    return f"{release.images.registry}/{release.name}:{release.version.oci}-{flavour}{suffix}"


def jobs(project: Project) -> tuple[Job, ...]:
    """What the layers of `micro` take, then an image for each flavour and architecture."""
    layer_jobs = micro_layers.jobs(project)
    with tempfile.TemporaryDirectory(prefix="faas-runtime-engines-") as scratch:
        run = Runner(log=Path(scratch, "engines.log"))
        try:
            engine = engines.choose(run, project.options.engine)
        except UnavailableError as error:
            if project.options.engine != "auto":
                raise
            lacking = str(error)
            return (*layer_jobs, *(_image_job(project, None, one, lacking) for one in _flavours(project)))
        image_jobs = [_job_where_possible(project, engine, one, run) for one in _flavours(project)]
    return (*layer_jobs, *image_jobs)


def _flavours(project: Project) -> list[Flavour]:
    release, wanted = project.release, project.options.flavours or FLAVOURS
    sdist = f"sdist/{release.sdist_name}"
    rpm = f"rpm/{release.name}-{release.version.rpm}-{release.rpm.release}.noarch.rpm"
    found = []
    for architecture in micro_layers.architectures(release):
        layers = (micro_layers.root(architecture), micro_layers.RUNTIME)
        contexts = {"ubi": (rpm,), "alpine": (sdist, "baked/containers/carry.py"), "micro": layers}
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
    return project.options.bases.get(flavour) or from_manifest[flavour].reference


def _job_where_possible(project: Project, engine: Engine, flavour: Flavour, run: Runner) -> Job:
    if flavour.base is None:
        return _image_job(project, engine, flavour)
    cache = project.dist / ".cache" / "bases.json"
    if shutil.which(_SKOPEO.name) is None:  # what the plan says of every image then
        return _image_job(project, engine, flavour)
    found = bases.look_up(run, engine, cache, flavour.base, flavour.architecture)
    lacking = found.why_not or bases.emulation_missing(flavour.architecture)
    return _image_job(project, engine, flavour, lacking, digest=found.digest)


def _image_job(project: Project, engine: Engine | None, flavour: Flavour, lacking: str = "", digest: str = "") -> Job:
    return Job(
        id=flavour.id,
        builder="images",
        outputs=(Output(kind="image", path=archive_path(project.release, flavour.name, flavour.architecture)),),
        build=partial(_build, engine=engine, flavour=flavour, digest=digest) if engine else _cannot_build,
        tools=(engines.TOOLS[engine.name], _SKOPEO) if engine else (),
        values={"base": flavour.base or "scratch", "digest": digest, "epoch": str(project.release.epoch)},
        after=flavour.after,
        unavailable=lacking,
    )


def _cannot_build(work: Workspace) -> None:
    raise ReleaseError(f"{work.job}: an unavailable job was started")


def _build(work: Workspace, *, engine: Engine, flavour: Flavour, digest: str) -> str:
    """Build in the engine's storage, write the normalised archive, and store that under the release's name."""
    release = work.release
    base = _present_base(work, engine, flavour, digest)
    temporary = engines.temporary(release.name, "build", f"{flavour.name}-{flavour.architecture}")
    engine.remove_stale(work.run, release.name)
    arguments = {"TARGETARCH": flavour.architecture}
    if base:
        arguments["BASE"] = base.id.removeprefix("sha256:")
    try:
        engine.build(
            work.run,
            context=_context(work, flavour),
            containerfile=work.baked / "containers" / flavour.name / "Containerfile",
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
    archive = work.out / Path(archive_path(release, flavour.name, flavour.architecture)).name
    oci.write_archive(image, archive, tag=name)
    engine.load(work.run, archive, name)
    if engine.is_docker and not engines.has_buildkit(work.run):
        return "built by docker without BuildKit, whose own layers differ each time; the archive's do not"
    return ""


def _normalised(work: Workspace, engine: Engine, flavour: Flavour, base: engines.StoredImage | None) -> oci.Image:
    exported = oci.read_layout(work.folder / "layout")
    if engine.is_docker and not flavour.stands_on_base and not engines.has_buildkit(work.run):
        # It takes whatever ends in a stage from scratch for an image of its own architecture.
        exported = dataclasses.replace(exported, config={**exported.config, "architecture": flavour.architecture})
    return oci.normalised(
        exported,
        base_layers=len(base.layers) if base and flavour.stands_on_base else 0,
        architecture=flavour.architecture,
        epoch=work.release.epoch,
        title=f"{work.release.name} {work.release.version} {flavour.name}",
    )


def _present_base(work: Workspace, engine: Engine, flavour: Flavour, digest: str) -> engines.StoredImage | None:
    """The base in the engine's storage, pulled if it is not there yet."""
    if flavour.base is None:
        return None
    if present := bases.stored(work.run, engine, flavour.base, flavour.architecture, digest):
        return present
    name = bases.pulled_by(flavour.base, digest)
    pulled = engine.pull(work.run, name, f"linux/{flavour.architecture}")
    return dataclasses.replace(pulled, digest=name.partition("@")[2] or pulled.digest)


def _base_labels(flavour: Flavour, base: engines.StoredImage | None) -> dict[str, str]:
    if flavour.base is None or base is None or not flavour.stands_on_base:
        return {}
    return {
        "org.opencontainers.image.base.name": flavour.base.partition("@")[0],
        "org.opencontainers.image.base.digest": base.digest,
    }


def _context(work: Workspace, flavour: Flavour) -> Path:
    """A folder like `dist/` with what the Containerfile takes, as engines read all of a context."""
    context = work.folder / "context"
    for path in flavour.context:
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(work.built(path), context / path)
    return context


def size_table(project: Project) -> tuple[str, list[str], list[list[str]]]:
    """Title, columns and rows of the sizes of the images that stand in `dist/`, with what each adds to its base."""
    rows = []
    for flavour in _flavours(project):
        path = project.dist / archive_path(project.release, flavour.name, flavour.architecture)
        if not path.exists():
            continue
        sizes = oci.sizes(path)
        name = f"{flavour.name} {flavour.architecture}"
        rows.append(_row(name, sizes.total))
        below = flavour.base if flavour.stands_on_base else "scratch"
        rows.append(_row(f"  adds to {below}", sizes.added))
    return "Sizes of the images", ["image", ">unpacked", ">compressed"], rows


def _row(name: str, layer: oci.Layer) -> list[str]:
    return [name, readable_size(layer.unpacked), readable_size(layer.compressed)]
