"""The packages of the previous version, which the upgrades begin with.

They are built from the newest tag of an older version by this very tooling, or from the revision that `--previous`
names; or they are those in the folder that it names. The first version has no tag before it. Then an older version is
made from the same tree, with one module more, which the upgrade has to remove.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ci import kinds
from ci.core.checkout import tags
from ci.core.errors import ReleaseError, UnavailableError, UsageError
from ci.core.files import fresh_folder, make_folder, unpack
from ci.core.resolve import resolve
from ci.manifest import changelog
from ci.manifest.msys2 import ENVIRONMENTS
from ci.manifest.reader import load
from ci.manifest.release import Release
from ci.manifest.versions import Version, parse
from ci.pipeline import finished
from ci.pipeline.finished import Dist
from ci.pipeline.jobs import Job, Output, Project, Workspace

FOLDER = "previous"
_BUILDERS = (kinds.SDIST, kinds.RENDERED_TREE, kinds.RPM, kinds.MSYS2)
_KEPT = ("sdist", "rpm", "msys2")
_MORE = '"""A module that the next version has dropped."""\n'


@dataclass(frozen=True, kw_only=True)
class Previous:
    """The previous version: a revision to build, or a folder with its artefacts; neither if this is the first one.

    `title` names it for people.
    """

    revision: str = ""
    dist: Dist | None = None
    title: str = ""

    @property
    def note(self) -> str:
        """What the verdicts say of it."""
        if self.title:
            return f"the previous version is {self.title}"
        return "there is no previous version: one was made from the same tree"


def probe(project: Project) -> Previous:
    """Find what the command line names, or else the newest tag of a version before this one.

    Raises `UsageError` or `UnavailableError` if no upgrade can begin with what the command line names.
    """
    if text := project.options.previous:
        named = finished.named(text, project.root)
        if isinstance(named, str):
            return Previous(revision=named, title=f"{text}, commit {named[:12]}")
        _require_packages(project, named)
        return Previous(dist=named, title=f"{named.document['version']} in {text}")
    found = [version for version in map(_version, tags(project.root)) if version]
    older = [version for version in found if version < project.release.version]
    tag = max(older).tag if older else ""
    return Previous(revision=tag and f"refs/tags/{tag}", title=tag)


def _require_packages(project: Project, dist: Dist) -> None:
    """Raise unless the folder has an older version of this product, with all packages that are upgraded."""
    name = dist.document["name"]
    if name != project.release.name:
        raise UsageError(f"--previous {dist.title}: it has {name}, and this is {project.release.name}")
    _require_older(project, parse(dist.document["version"]), dist.title)
    environment = project.release.msys2.environments[0]
    for what, found in (
        ("source tarball", dist.paths("sdist")),
        ("RPM", dist.paths("rpm")),
        ("-devel RPM", dist.paths("rpm-devel")),
        (f"MSYS2 package for {environment}", _msys2_paths(dist, environment)),
    ):
        if not found:
            raise UnavailableError(f"--previous {dist.title}: it has no {what}", hint="build it there: nox -s snapshot")


def _require_older(project: Project, version: Version, title: str) -> None:
    if version >= project.release.version:
        raise UsageError(
            f"--previous {title}: it has the version {version}, which is not older than {project.release.version}",
            hint="name a release before this one",
        )


def _msys2_paths(dist: Dist, environment: str) -> list[str]:
    prefix = ENVIRONMENTS[environment].package_prefix
    return [path for path in dist.paths("msys2") if path.startswith(f"msys2/{prefix}-")]


def _version(tag: str) -> Version | None:
    try:
        return parse(tag.removeprefix("v"))
    except ValueError:
        return None


def jobs(project: Project) -> tuple[Job, ...]:
    """One job, which makes a folder like `dist/`. It comes after the others that render and build packages."""
    previous = project.fact(Previous)
    environments = project.release.msys2.environments
    given = previous.dist.folder if previous.dist else None
    files = [given / path for path in _paths(previous.dist, environments[0])] if previous.dist and given else []
    return (
        Job(
            id=FOLDER,
            builder=FOLDER,
            outputs=(Output(path=FOLDER),),
            build=_build,
            inputs=(project.root / "ci" / "verify" / "previous.py", *files),
            values={"revision": previous.revision, "environment": environments[0]},
            after=("sdist", "baked", "rpm", f"msys2-{environments[0]}"),
        ),
    )


def release_of(project: Project) -> Project:
    """The project of the previous version, whose files are in the folder that the job has made."""
    dist = project.dist / FOLDER
    release = load(dist / "release.yaml")
    # A folder with artefacts has no manifest: the numbers of its packages are only in their names.
    numbers = {
        "rpm": _number(next((dist / "rpm").glob(f"{release.name}-[0-9]*.noarch.rpm")), ".noarch.rpm"),
        "msys2": _number(next((dist / "msys2").iterdir()), "-any.pkg.tar.zst"),
    }
    release = dataclasses.replace(
        release,
        rpm=dataclasses.replace(release.rpm, release=numbers["rpm"]),
        msys2=dataclasses.replace(release.msys2, release=numbers["msys2"]),
    )
    return dataclasses.replace(project, root=dist, dist=dist, release=release)


def _number(package: Path, suffix: str) -> int:
    return int(package.name.removesuffix(suffix).rpartition("-")[2])


def _build(work: Workspace) -> str:
    previous = work.project.fact(Previous)
    if previous.dist:
        return _copied(work, previous.dist)
    checkout = work.folder / "checkout"
    try:
        release = _checked_out(work, checkout, previous) if previous.revision else _made_up(work.project, checkout)
    except ReleaseError as error:
        raise UnavailableError(f"{previous.title} cannot be built by this version: {error}") from error
    _require_older(work.project, release.version, previous.title)
    dist = work.folder / "dist"
    options = dataclasses.replace(work.project.options, signing=None, signatures=None)
    project = dataclasses.replace(work.project, root=checkout, dist=dist, release=release, options=options)
    for job in _jobs_of(project):
        folder = fresh_folder(work.folder / "jobs" / job.id)
        (folder / "work").mkdir()
        (folder / "out").mkdir()
        job.build(Workspace(project=project, job=job.id, folder=folder / "work", out=folder / "out", run=work.run))
        for output in job.outputs:
            make_folder((dist / output.path).parent)
            (folder / "out" / output.name).replace(dist / output.path)
    target = work.out / FOLDER
    target.mkdir()
    for name in _KEPT:
        (dist / name).replace(target / name)
    for name in ("release.yaml", changelog.NAME):
        (checkout / name).replace(target / name)
    return previous.note


def _paths(dist: Dist, environment: str) -> list[str]:
    packages = [path for kind in ("sdist", "rpm", "rpm-devel") for path in dist.paths(kind)]
    return [*packages, *_msys2_paths(dist, environment)]


def _copied(work: Workspace, dist: Dist) -> str:
    """Copy the packages out of the folder, with a manifest that has their version."""
    target = work.out / FOLDER
    for path in _paths(dist, work.release.msys2.environments[0]):
        make_folder((target / path).parent)
        shutil.copyfile(dist.folder / path, target / path)
    _write_manifest(work.project, target, parse(dist.document["version"]))
    return work.project.fact(Previous).note


def _jobs_of(project: Project) -> Iterator[Job]:
    """The jobs of the packages; of the MSYS2 packages, the first environment's alone."""
    project = project.with_facts(*(resolve(builder.probe)(project) for builder in _BUILDERS if builder.probe))
    for builder in _BUILDERS:
        for job in resolve(builder.jobs)(project):
            if job.variant.environment in ("", project.release.msys2.environments[0]):
                yield job


def _checked_out(work: Workspace, checkout: Path, previous: Previous) -> Release:
    archive = work.folder / "checkout.tar"
    settings = ("-c", f"safe.directory={work.project.root.resolve()}", "-c", "core.fsmonitor=false")
    words = ("archive", "--format=tar", f"--output={archive}", previous.revision)
    work.run("git", *settings, "-C", work.project.root, *words)
    unpack(archive, checkout)
    return load(checkout / "release.yaml")


def _made_up(project: Project, checkout: Path) -> Release:
    """The same tree under an older version, with one module more."""
    from ci.bake.render import bake  # takes a third of a second to import

    ignored = shutil.ignore_patterns("__pycache__", "target")
    for name in ("runtime", "recipes"):
        shutil.copytree(project.root / name, checkout / name, ignore=ignored)
    (checkout / "runtime" / "faas_runtime" / "dropped.py").write_text(_MORE, encoding="utf-8")
    release = _write_manifest(project, checkout, _older_than(project.release.version))
    bake(checkout, release, checkout)
    return release


def _write_manifest(project: Project, folder: Path, older: Version) -> Release:
    """Write the manifest and the changelog of this version under an older one, and read them."""
    version = project.release.version
    manifest = (project.root / "release.yaml").read_text(encoding="utf-8")
    manifest = re.sub(r"(?m)^version: .*$", f'version: "{older}"', manifest)
    manifest = manifest.replace(f"/{version.tag}/", f"/{older.tag}/").replace(f"-{version}.tar", f"-{older}.tar")
    (folder / "release.yaml").write_text(manifest, encoding="utf-8")
    entry = f"## [{older}] - {project.release.date}\n\n### {changelog.SECTIONS[0]}\n\n- What is in {version}.\n"
    (folder / changelog.NAME).write_text(f"# Changelog\n\n{entry}", encoding="utf-8")
    return load(folder / "release.yaml")


def _older_than(version: Version) -> Version:
    """A version of as many numbers that is older."""
    zeros = ".".join("0" for _ in version.release.split("."))
    return parse(zeros) if parse(zeros) < version else parse(f"{zeros}.dev0")
