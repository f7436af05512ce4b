"""The jobs for the `micro` images: a Debian root for each architecture, then the layers with files of it.

The state of Debian's archive at the first build is an input that no file of the project pins, so that security updates
get in. The root is then kept in `dist/`, and fetched again only for another suite or Python: no run asks whether the
archive has changed. `inputs.json` lists the packages, and so does the note of the layers' job and each image, in
/var/lib/dpkg/status.d. A build that is locked to such a list takes exactly these packages, and one that finds the
archives of such a list in `dist/inputs/` does so too: then nobody needs the network.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ci.core import tars
from ci.core.architectures import MACHINES, host_name
from ci.core.errors import ReleaseError, VerificationError
from ci.core.files import unpack
from ci.core.tools import Tool
from ci.images import debian_packages, debian_root, micro
from ci.manifest.release import Release
from ci.pipeline.inputs import Inputs
from ci.pipeline.jobs import Job, Output, Project, Workspace
from ci.pipeline.stored_inputs import Store

JOB = "micro-layers"
RUNTIME = "micro/runtime.tar"

_MMDEBSTRAP = Tool(name="mmdebstrap", minimum="1.3")


def architectures(release: Release) -> tuple[str, ...]:
    """The architectures that images are made for, as Debian and container images name them."""
    return tuple(platform.rpartition("/")[2] for platform in release.images.platforms)


def root(architecture: str) -> str:
    """The path in `dist/` of the layer with the root of an architecture."""
    return f"micro/root-{architecture}.tar"


@dataclass(frozen=True, kw_only=True)
class LayerTools:
    """What this machine has for the layers: `missing` is the reason why no Debian root can be fetched, if so.

    `given` are the inputs with the packages that a root must have, by its architecture, where these are known before.
    """

    missing: str
    host: str
    given: Mapping[str, Inputs | None] = field(default_factory=dict)


def probe(project: Project) -> LayerTools:
    """Look for the tool that fetches Debian roots, for kept packages, and for this machine's architecture."""
    missing, host = "", host_name()
    if not shutil.which(_MMDEBSTRAP.name):
        missing = f"{_MMDEBSTRAP.name}: not found on PATH"
    elif host not in MACHINES:
        missing = f"its layers are made on {' or '.join(MACHINES)}, and this machine is {host}"
    given = {one: _given(project, one) for one in fetched(project.release)}
    return LayerTools(missing=missing, host=host, given=given)


def jobs(project: Project) -> tuple[Job, ...]:
    """One job for each Debian root, which needs the network and nothing else, and one for all layers."""
    tools = project.fact(LayerTools)
    roots = [_debian_job(project, tools, one) for one in fetched(project.release)]
    layers = Job(
        id=JOB,
        builder=JOB,
        outputs=(*(Output(path=root(one)) for one in architectures(project.release)), Output(path=RUNTIME)),
        build=partial(_build_layers, host_architecture=tools.host),
        values={"epoch": str(project.release.epoch), "user": str(project.release.images.user)},
        after=("sdist", "baked", *(job.id for job in roots)),
    )
    return (*roots, layers)


def fetched(release: Release) -> tuple[str, ...]:
    """The architectures of the Debian roots. The host's Python finds out what the runtime imports."""
    return tuple(dict.fromkeys((host_name(), *architectures(release))))


def _debian(architecture: str) -> str:
    return f"micro/debian-{architecture}.tar"


def packages_of(architecture: str) -> str:
    """The path in `dist/` of the list of packages in the root of an architecture."""
    return f"micro/debian-{architecture}.json"


def _debian_job(project: Project, tools: LayerTools, architecture: str) -> Job:
    wanted = project.release.images.micro
    return Job(
        id=f"debian-{architecture}",
        builder=JOB,
        outputs=(Output(path=_debian(architecture)), Output(path=packages_of(architecture))),
        build=partial(_fetch, architecture=architecture),
        tools=() if tools.missing else (_MMDEBSTRAP,),
        values={
            "suite": wanted.suite,
            "python": wanted.python,
            "locked": _hashes(tools.given[architecture], architecture),
        },
        unavailable=tools.missing,
    )


def _given(project: Project, architecture: str) -> Inputs | None:
    """The list of packages that the command line demands, or that `dist/inputs/` has; None if neither says any."""
    if project.options.locked:
        return project.options.locked
    wanted, store = project.release.images.micro, Store(dist=project.dist)
    return store.recorded() if store.debian(wanted.suite, wanted.python, architecture) else None


def _hashes(given: Inputs | None, architecture: str) -> str:
    return ",".join(package.sha256 for package in given.debian_of(architecture)) if given else ""


def _fetch(work: Workspace, *, architecture: str) -> None:
    chosen, dist = work.release.images.micro, work.project.dist
    wanted = debian_root.Wanted(suite=chosen.suite, python=chosen.python, architecture=architecture)
    target, given = work.out / Path(_debian(architecture)).name, _given(work.project, architecture)
    if given is None:
        day = dt.datetime.now(dt.UTC).date().isoformat()
        debian_root.fetch(work.run, target, wanted)
    else:
        day = given.debian_archive.get(architecture, "")
        debian_packages.fetch_locked(dist, work.run, target, wanted, given, work.folder)
    # The times of folders depend on the order in which apt got the packages, which differs between mirrors.
    target.write_bytes(tars.pack(tars.read(target), 0))
    found = debian_packages.keep(dist, target, architecture)
    expected = given.debian_of(architecture) if given else found
    if set(found) != set(expected):
        names = ", ".join(sorted({package.name for package in {*found} ^ {*expected}}))
        raise VerificationError(f"{work.job}: it was unpacked from other packages than the locked ones: {names}")
    debian_packages.write_list(work.out / Path(packages_of(architecture)).name, found, day)


def _build_layers(work: Workspace, *, host_architecture: str) -> str:
    """Make the layers: a root for each architecture, and the runtime for all. The note lists the Debian packages."""
    images, version = work.release.images, work.release.images.micro.python
    roots = {one: debian_root.load(work.built(_debian(one)), one) for one in fetched(work.release)}
    host = roots[host_architecture]
    interpreter = micro.Interpreter(debian=host, root=work.folder / "debian", version=version, run=work.run)
    interpreter.write_files()
    source = _unpacked_sdist(work)
    package = source / "faas_runtime"
    shutil.rmtree(package / "recipes")  # an image that can compile nothing has no use for them
    carried = interpreter.carried(package, work.project.rendered / "containers" / "carry.py", work.folder / "carried")
    packages: set[str] = set()
    for architecture in architectures(work.release):
        _require_same_python(roots[architecture], host, version)
        tree = micro.root_tree(carried, host, roots[architecture], python=version, user=images.user)
        _write(work, root(architecture), tree)
        packages |= _versions(tree)
    byte_code = interpreter.compiled(package, f"{micro.PAYLOAD}/faas_runtime")
    _write(work, RUNTIME, micro.runtime_tree(source, byte_code))
    return f"Debian {images.micro.suite}: {', '.join(sorted(packages))}"


def _versions(tree: tars.FileTree) -> set[str]:
    """The packages with files in the tree, as `NAME VERSION`."""
    controls = (entry.data.decode() for name, entry in tree.items() if name.startswith("var/lib/dpkg/status.d/"))
    fields = (dict(re.findall(r"^(Package|Version): (.*)$", control, re.MULTILINE)) for control in controls)
    return {f"{one['Package']} {one['Version']}" for one in fields if one}


def _require_same_python(debian: debian_root.DebianRoot, host: debian_root.DebianRoot, version: str) -> None:
    """Raise if an architecture has another Python than the host, which makes byte code and list of modules for all."""
    found, expected = debian.python_version(version), host.python_version(version)
    if found != expected:
        raise ReleaseError(
            f"Debian has Python {found} for {debian.architecture}, but {expected} for {host.architecture}",
            hint="its archive is being updated: try again later",
        )


def _write(work: Workspace, path: str, tree: tars.FileTree) -> None:
    (work.out / Path(path).name).write_bytes(tars.pack(tree, work.release.epoch))


def _unpacked_sdist(work: Workspace) -> Path:
    unpack(work.project.sdist, work.folder)
    return work.folder / work.release.sdist_top
