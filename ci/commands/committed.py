"""What is written into committed files: the rendered ones (`bake`), and the tarball's hash (`source-hash`)."""

from __future__ import annotations

import argparse
from pathlib import Path

from ci import kinds
from ci.builders import sdist
from ci.commands.running import execute, jobs_of, open_project, probe, raise_first_error
from ci.core.console import Console
from ci.core.errors import DriftError
from ci.core.files import sha256_of
from ci.manifest.editing import write_source_sha256
from ci.manifest.reader import load
from ci.pipeline.jobs import Options, Project


def bake(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Render the templates into the committed folders."""
    from ci.bake.render import bake as render

    files = render(root, load(root / "release.yaml"), root)
    console.say(f"rendered {len(files)} files")


def source_hash(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Build the source tarball, write its hash into the manifest, and render."""
    project = probe(open_project(root, Options()), [kinds.SDIST])
    raise_first_error(console, execute(project, console, jobs_of(project, [kinds.SDIST])))
    sha256 = sha256_of(project.sdist)
    write_source_sha256(root / "release.yaml", sha256)
    console.say(f"release.yaml: source.sha256 is now {sha256}")
    bake(root, console, chosen)


def require_source_hash(project: Project) -> None:
    """Raise `DriftError` if the manifest has the hash of another source tarball than this checkout's."""
    if project.release.is_published and (difference := _difference(project, sdist.hash_of_checkout(project))):
        raise DriftError(difference, hint="run: nox -s source-hash, unless this version is published already")


def warn_of_source_hash(project: Project, console: Console) -> None:
    """Say so if the manifest has the hash of another source tarball than the one in `dist/`."""
    if not project.release.is_published or not project.sdist.exists():
        return
    if difference := _difference(project, sha256_of(project.sdist)):
        console.say(f"warning: {difference}")


def _difference(project: Project, found: str) -> str:
    """What is wrong with the manifest's hash of the source tarball, which has another; empty if it is right."""
    expected = project.release.source.sha256
    if expected == found:
        return ""
    return f"source.sha256 in release.yaml is {expected}, but the source tarball of this checkout has {found}"
