"""The jobs behind the `micro` images: a Debian root for each architecture, then the layers that are cut out of it.

What Debian's archive holds at the time of the first build is an input, which no file of the project pins: security
updates come in by it. From then on the root lies in `dist/`, and only another suite or Python fetches it anew; no run
asks the archive whether it has changed. So builds are the same bytes where the archive was in the same state, which
the note of the layers' job tells by the packages' versions, as does each image in /var/lib/dpkg/status.d.

A pin would be a time stamp in release.yaml, handed to mmdebstrap as a mirror of snapshot.debian.org instead of the
suite alone: that service keeps every state of the archive, but is slow, and refuses those who ask for much at once.
"""

from __future__ import annotations

import re
import shutil
from functools import partial
from pathlib import Path

from ci import debian_root, micro, tars
from ci.errors import ReleaseError
from ci.files import unpack
from ci.jobs import Job, Output, Project, Workspace
from ci.release import Release
from ci.tools import Tool

JOB = "micro-layers"
RUNTIME = "micro/runtime.tar"

_MMDEBSTRAP = Tool(name="mmdebstrap", minimum="1.3")


def architectures(release: Release) -> tuple[str, ...]:
    """The architectures that images are made for, as Debian and container images name them."""
    return tuple(platform.rpartition("/")[2] for platform in release.images.platforms)


def root(architecture: str) -> str:
    """Where the layer with the root of an architecture lies in `dist/`."""
    return f"micro/root-{architecture}.tar"


def jobs(project: Project) -> tuple[Job, ...]:
    """One job for each Debian root, which needs the network and nothing else, and one for all layers."""
    fetched = _fetched(project.release)
    missing = "" if shutil.which(_MMDEBSTRAP.name) else f"{_MMDEBSTRAP.name}: not found on PATH"
    roots = [_debian_job(project, architecture, missing) for architecture in fetched]
    layers = Job(
        id=JOB,
        builder="images",
        outputs=(*(Output(path=root(one)) for one in architectures(project.release)), Output(path=RUNTIME)),
        build=_build_layers,
        values={"epoch": str(project.release.epoch), "user": str(project.release.images.user)},
        after=("sdist", "baked", *(job.id for job in roots)),
    )
    return (*roots, layers)


def _fetched(release: Release) -> tuple[str, ...]:
    """The host's own architecture is always among them: its Python tells what the runtime imports."""
    return tuple(dict.fromkeys((debian_root.host_architecture(), *architectures(release))))


def _debian(architecture: str) -> str:
    return f"micro/debian-{architecture}.tar"


def _debian_job(project: Project, architecture: str, missing: str) -> Job:
    wanted = project.release.images.micro
    return Job(
        id=f"debian-{architecture}",
        builder="images",
        outputs=(Output(path=_debian(architecture)),),
        build=partial(_fetch, architecture=architecture),
        tools=() if missing else (_MMDEBSTRAP,),
        values={"suite": wanted.suite, "python": wanted.python},
        unavailable=missing,
    )


def _fetch(work: Workspace, *, architecture: str) -> None:
    wanted = work.release.images.micro
    target = work.out / Path(_debian(architecture)).name
    debian_root.fetch(work.run, target, wanted.suite, wanted.python, architecture)


def _build_layers(work: Workspace) -> str:
    """Make the layers: a root for each architecture, and the runtime for all. The note names what they came from."""
    images, version = work.release.images, work.release.images.micro.python
    roots = {one: debian_root.load(work.built(_debian(one)), one) for one in _fetched(work.release)}
    host = roots[debian_root.host_architecture()]
    interpreter = micro.Interpreter(debian=host, root=work.folder / "debian", version=version, run=work.run)
    interpreter.lay_out()
    source = _unpacked_sdist(work)
    package = source / "faas_runtime"
    shutil.rmtree(package / "recipes")  # of no use where nothing is compiled
    carried = interpreter.carried(package, work.baked / "containers" / "carry.py", work.folder / "carried")
    packages: set[str] = set()
    for architecture in architectures(work.release):
        _require_same_python(roots[architecture], host, version)
        tree = micro.root_tree(carried, host, roots[architecture], python=version, user=images.user)
        _write(work, root(architecture), tree)
        packages |= _versions(tree)
    byte_code = interpreter.compiled(package, f"{micro.PAYLOAD}/faas_runtime")
    _write(work, RUNTIME, micro.runtime_tree(source, byte_code))
    return f"Debian {images.micro.suite}: {', '.join(sorted(packages))}"


def _versions(tree: tars.Tree) -> set[str]:
    """The packages that the tree has files of, as `NAME VERSION`."""
    controls = (entry.data.decode() for name, entry in tree.items() if name.startswith("var/lib/dpkg/status.d/"))
    fields = (dict(re.findall(r"^(Package|Version): (.*)$", control, re.MULTILINE)) for control in controls)
    return {f"{one['Package']} {one['Version']}" for one in fields if one}


def _require_same_python(debian: debian_root.DebianRoot, host: debian_root.DebianRoot, version: str) -> None:
    """Byte code and the list of modules are made by the host's Python for all."""
    found, expected = debian.python_version(version), host.python_version(version)
    if found != expected:
        raise ReleaseError(
            f"Debian has Python {found} for {debian.architecture}, but {expected} for {host.architecture}",
            hint="its archive is in the middle of an update: try again later",
        )


def _write(work: Workspace, path: str, tree: tars.Tree) -> None:
    (work.out / Path(path).name).write_bytes(tars.pack(tree, work.release.epoch))


def _unpacked_sdist(work: Workspace) -> Path:
    sdist = work.built(f"sdist/{work.release.sdist_name}")
    unpack(sdist, work.folder)
    return work.folder / sdist.name.removesuffix(".tar.gz")
