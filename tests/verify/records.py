"""Records of a runtime that was unpacked from the shared source tarball, for tests of the gate `equivalence`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ci.core.masking import PROCESS, Masks
from ci.core.run import Runner
from ci.pipeline.jobs import Project, Variant
from ci.verify.equivalence import installed
from ci.verify.equivalence.installed import ArtifactToInstall
from ci.verify.equivalence.record import Record, record
from tests.support import ROOT

SOURCE = ROOT / "ci" / "verify" / "equivalence" / "function.c"


def recorded(
    project: Project, folder: Path, *changes: tuple[str, str, str], name: str = "sdist", masks: Masks = PROCESS
) -> Record:
    """What the source tarball's runtime does. Each change is a file of the runtime, a text in it, and another text."""
    folder.mkdir(parents=True)
    run = Runner(log=folder.with_suffix(".log"), masks=masks)
    library = folder / "libfunction.so"
    run("gcc", "-O1", "-fPIC", "-shared", "-I", ROOT / "runtime" / "include", "-o", library, SOURCE)
    artifact = ArtifactToInstall(
        project=project,
        path=project.sdist,
        variant=Variant(),
        folder=folder / "installed",
        run=run,
        functions={"libfunction.so": library},
    )
    artifact.folder.mkdir()
    ready = installed.sdist(artifact)
    top = Path(ready.command[0]).parent.parent
    for file, old, new in changes:
        text = (top / file).read_text()
        assert old in text, f"{old} is not in {file}"
        (top / file).write_text(text.replace(old, new))
    return dataclasses.replace(record(run, name, ready), group="Python 3, glibc")


@pytest.fixture(scope="module")
def good(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Record:
    """The record of a runtime without a fault."""
    return recorded(built, tmp_path_factory.mktemp("equivalence") / "good")
