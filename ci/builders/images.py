"""The container images: the root of `micro`, then one job for each flavour and architecture."""

from __future__ import annotations

import tarfile
from pathlib import Path

from ci import debian_root, micro, tars
from ci.errors import ReleaseError
from ci.jobs import Job, Output, Project, Workspace
from ci.tools import Tool


def _build_roots(work: Workspace, architectures: tuple[str, ...]) -> str:
    """Make the layers of `micro`: a Debian root for each architecture, and the runtime for all."""
    images, epoch = work.release.images, work.release.epoch
    cache, suite, python = work.project.dist / ".cache" / "debian", images.micro.suite, images.micro.python
    host = debian_root.host_architecture()
    roots = {}
    for name in dict.fromkeys((host, *architectures)):
        path = debian_root.fetch(work.run, cache, suite, python, name)
        roots[name] = debian_root.load(path, name)
    interpreter = micro.Interpreter(debian=roots[host], root=work.folder / "debian", version=python, run=work.run)
    interpreter.lay_out()
    source = _unpacked(work)
    package = source / "faas_runtime"
    carried = interpreter.carried(package, work.baked / "containers" / "carry.py", work.folder / "carried")
    for name in architectures:
        tree = micro.root_tree(carried, roots[host], roots[name], python=python, user=images.user)
        (work.out / f"root-{name}.tar").write_bytes(tars.pack(tree, epoch))
    byte_code = interpreter.compiled(package, f"{micro.PAYLOAD}/faas_runtime")
    (work.out / "runtime.tar").write_bytes(tars.pack(micro.runtime_tree(source, byte_code), epoch))
    return ""


def _unpacked(work: Workspace) -> Path:
    sdist = work.built(f"sdist/{work.release.sdist_name}")
    with tarfile.open(sdist) as archive:
        archive.extractall(work.folder, filter="data")
    return work.folder / sdist.name.removesuffix(".tar.gz")
