"""Which inputs went into a build, and whether those of another build are here."""

from __future__ import annotations

import platform
import re
import zlib
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ci.core.checkout import source_state
from ci.core.errors import ToolError, UnavailableError
from ci.core.files import write_atomically
from ci.images import debian_packages, micro_layers
from ci.pipeline import inputs
from ci.pipeline.inputs import (
    BaseImage,
    Crate,
    DebianPackage,
    Inputs,
    InstalledPackage,
    PythonPackage,
    UsedProgram,
)
from ci.pipeline.jobs import Job, Project
from ci.sboms import image_packages

_REQUIREMENTS = Path("ci", "requirements", "release.txt")
_REQUIREMENT = re.compile(r"^([\w.-]+)==([\w.!+-]+)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)
_CRATE = re.compile(
    r'^name = "([^"]+)"\nversion = "([^"]+)"\nsource = [^\n]+\nchecksum = "([0-9a-f]{64})"', re.MULTILINE
)


def write(project: Project, jobs: Sequence[Job]) -> None:
    """Write `dist/inputs.json`: what went into the files that these jobs have made."""
    write_atomically(project.dist / inputs.NAME, collect(project, jobs).document())


def collect(project: Project, jobs: Sequence[Job]) -> Inputs:
    """Everything from outside that went into the files of some finished jobs."""
    source = source_state(project.root, project.release.version.tag)
    built = [job for job in jobs if not job.unavailable]
    debian = _debian(project)
    return Inputs(
        name=project.release.name,
        version=str(project.release.version),
        commit=source.commit,
        modified=source.modified,
        python=platform.python_version(),
        zlib=zlib.ZLIB_RUNTIME_VERSION,
        tools=tuple(_tools(project, built)),
        python_packages=tuple(_python_packages(project.root)),
        crates=tuple(_crates(project.root)),
        bases=tuple(_bases(built)),
        debian=tuple(package for packages, _ in debian.values() for package in packages),
        debian_archive={architecture: day for architecture, (_, day) in debian.items() if day},
        installed=tuple(_in_images(project, built)),
    )


def _tools(project: Project, jobs: Sequence[Job]) -> Iterator[UsedProgram]:
    wanted = {tool.name: tool for job in jobs for tool in job.tools}
    for _, tool in sorted(wanted.items()):
        try:
            found = project.toolbox.find(tool)
        except ToolError:
            continue  # its job was not run; the plan says so
        yield UsedProgram(name=found.name, version=found.version, sha256=found.sha256)


def _python_packages(root: Path) -> Iterator[PythonPackage]:
    text = (root / _REQUIREMENTS).read_text(encoding="utf-8")
    for name, _, hashes in _REQUIREMENT.findall(text):
        if found := _installed(name):  # some are for other systems only
            yield PythonPackage(name=name, version=found, sha256=tuple(re.findall(r"sha256:([0-9a-f]{64})", hashes)))


def _crates(root: Path) -> Iterator[Crate]:
    """What the recipe's function and our own crate are built with, each crate once."""
    folders = (root / "recipes" / "rust-function", root / "runtime" / "crate")
    found = (crate for folder in folders for lock in sorted(folder.rglob("Cargo.lock")) for crate in _locked(lock))
    yield from dict.fromkeys(found)


def _locked(lock: Path) -> Iterator[Crate]:
    """The crates that a `Cargo.lock` names, or a template of one."""
    text = re.sub(r"\{[{%#].*?[}%#]\}", "", lock.read_text(encoding="utf-8"), flags=re.DOTALL)
    for name, pinned, sha256 in re.findall(_CRATE, text.replace("[[package]]\n", "\n")):
        yield Crate(name=name, version=pinned, sha256=sha256)


def _bases(jobs: Sequence[Job]) -> Iterator[BaseImage]:
    for job in jobs:
        if job.variant.flavour and (digest := job.values.get("digest")):  # the job of an index has none
            yield BaseImage(
                flavour=job.variant.flavour,
                architecture=job.variant.architecture,
                reference=job.values["base"],
                digest=digest,
            )


def _debian(project: Project) -> dict[str, tuple[list[DebianPackage], str]]:
    """The packages of each architecture's root, and the day on which the archive had them."""
    lists = {one: project.dist / micro_layers.packages_of(one) for one in micro_layers.fetched(project.release)}
    return {one: debian_packages.read_list(path) for one, path in lists.items() if path.exists()}


def _in_images(project: Project, jobs: Sequence[Job]) -> Iterator[InstalledPackage]:
    for base in _bases(jobs):
        listed = project.dist / image_packages.path_of(base.flavour, base.architecture)
        if listed.exists():
            yield from image_packages.read_list(listed)


def require_available(project: Project, locked: Inputs) -> None:
    """Raise `UnavailableError` that names the first input that is not here.

    Debian packages are looked for by the jobs that unpack them, those of other distributions in the images by the jobs
    that build these.
    """
    missing = next(_missing(project, locked), "")
    if missing:
        raise UnavailableError(
            f"--locked: {missing}", hint="build where these inputs are, or leave out --locked to take those of here"
        )


def _missing(project: Project, locked: Inputs) -> Iterator[str]:
    source = source_state(project.root, project.release.version.tag)
    if (source.commit, source.modified) != (locked.commit, False):
        here = f"{source.commit or 'no git checkout'}{', modified' if source.modified else ''}"
        was = f"{locked.commit or 'of no commit'}{', modified' if locked.modified else ''}"
        yield f"the source {was} is missing: this checkout is {here}"
    if platform.python_version() != locked.python:
        yield f"Python {locked.python} is missing: this one is {platform.python_version()}"
    for package in locked.python_packages:
        if (found := _installed(package.name)) != package.version:
            yield f"Python package {package.name} {package.version} is missing: here is {found or 'none'}"
    recorded, here_now = set(locked.crates), set(_crates(project.root))
    for crate in sorted(recorded - here_now, key=lambda one: one.name):
        yield f"crate {crate.name} {crate.version} is missing: Cargo.lock does not name it"


def require_tools(project: Project, jobs: Sequence[Job], locked: Inputs) -> None:
    """Raise `UnavailableError` that names the first program that these jobs need and that is not the recorded one."""
    wanted = {one.name: one for one in locked.tools}
    for found in _tools(project, [job for job in jobs if not job.unavailable]):
        known = wanted.get(found.name, found)
        if known != found:
            raise UnavailableError(
                f"--locked: {known.name} {known.version} (sha256 {known.sha256}) is missing: here is {found.name} "
                f"{found.version} (sha256 {found.sha256})",
                hint="install that version, or leave out --locked to take the one of here",
            )


def require_bases(jobs: Sequence[Job], locked: Inputs) -> None:
    """Raise `UnavailableError` that names the first base image that the jobs of images cannot have."""
    for base in locked.bases:
        for job in jobs:
            if (job.variant.flavour, job.variant.architecture) == (base.flavour, base.architecture) and job.unavailable:
                raise UnavailableError(
                    f"--locked: base image {base.reference} ({base.architecture}) {base.digest} is missing: "
                    f"{job.unavailable}",
                    hint="pull it by this digest, and run the same command again",
                )


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
