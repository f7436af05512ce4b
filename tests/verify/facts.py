"""Reads the facts of one artefact of the shared packages, and compares them as the gate `consistency` does."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ci.core.resolve import resolve
from ci.core.run import Runner
from ci.kinds import kind_named
from ci.pipeline.jobs import Project, Variant
from ci.verify.consistency import gate
from ci.verify.consistency.expected import Facts
from ci.verify.consistency.readers import ArtifactOfProject


def facts_of(project: Project, kind: str, path: Path, folder: Path, variant: Variant | None = None) -> Facts:
    folder.mkdir(parents=True)
    variant = variant or Variant(environment="ucrt64" if kind == "msys2" else "")
    run = Runner(log=folder.with_suffix(".log"))
    found: Facts = resolve(kind_named(kind).facts)(
        ArtifactOfProject(project=project, path=path, variant=variant, folder=folder, run=run)
    )
    return found


def faults_of(
    project: Project, kind: str, path: Path, folder: Path, without: str = "", variant: Variant | None = None
) -> list[str]:
    """The differences between an artefact, the source tarball and the manifest, one a line."""
    name = f"{kind}/{path.name}"
    sdist = f"sdist/{project.sdist.name}"
    found = {
        sdist: facts_of(project, "sdist", project.sdist, folder.with_name("of-sdist")),
        name: facts_of(project, kind, path, folder, variant),
    }
    has_payload = {name: without} if kind_named(kind).has_payload else {}
    return [line for row in gate.rows_of(project, found, has_payload) for line in row.differences()]


def changed_wheel(wheel: Path, target: Path, changes: dict[str, tuple[bytes, bytes]]) -> Path:
    """A copy of a wheel in which texts of some members are replaced; names end as the keys say."""
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(target, "w") as copy:
        left = set(changes)
        for member in source.infolist():
            data = source.read(member)
            for suffix, (old, new) in changes.items():
                if member.filename.endswith(suffix):
                    assert old in data, suffix
                    data = data.replace(old, new, 1)
                    left.discard(suffix)
            copy.writestr(member, data)
    assert not left
    return target
