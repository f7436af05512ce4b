"""What a second build gave is explained at length by diffoscope, where it is there."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import pytest

from ci.core.errors import UnavailableError, VerificationError
from ci.pipeline.jobs import Project
from ci.prove import reproduce
from ci.prove.reproduce import Builds, FileVerdict
from tests.packages.support import open_project
from tests.support import ROOT, not_there, search_path

FORMULA, TARBALL, STAGE = "formulae/faas-runtime.rb", "sdist/faas_runtime-0.1.0.tar.gz", "baked"
# It writes what it was asked, and ends as diffoscope does: with 1 if the files differ, with 2 if it fails.
STAND_IN = """\
#!/bin/sh
for word in "$@"; do
  case "$word" in
    --text=*) report="${word#--text=}" ;;
    --*) ;;
    *) files="$files $word" ;;
  esac
done
[ -z "WRITES" ] || echo "a stand-in for diffoscope compared$files" > "$report"
exit CODE
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = open_project(ROOT, tmp_path / "dist")
    (project.dist / "logs").mkdir(parents=True)
    return project


@pytest.fixture
def builds(project: Project, tmp_path: Path) -> Builds:
    """Two builds of a formula and a tarball; the second ones have another byte."""
    folders = {name: tmp_path / name / "dist" for name in ("plain", "varied")}
    for name, folder in (("dist", project.dist), *folders.items()):
        text = b"built elsewhere" if name == "varied" else b"built here"
        for path, data in ((FORMULA, text), (TARBALL, gzip.compress(text, mtime=0)), (f"{STAGE}/file", text)):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
    return Builds(dist=folders, seen=())


def compared(path: str, verdict: str = "different", stage: bool = False) -> FileVerdict:
    sha256 = {"dist": "a", "plain": "a", "varied": "b" if verdict == "different" else "a"}
    return FileVerdict(path=path, stage=stage, verdict=verdict, sha256=sha256)


def put_stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, *, writes: str, code: int) -> None:
    folder.mkdir()
    program = folder / "diffoscope"
    program.write_text(STAND_IN.replace("WRITES", writes).replace("CODE", str(code)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_a_proof_without_an_artefact_is_none() -> None:
    left_out = [compared(STAGE, "same", stage=True), compared(TARBALL, "not compared")]
    assert reproduce.verdict_of(left_out) == "not compared"
    with pytest.raises(UnavailableError, match="no artefact could be built twice"):
        reproduce.require_same(left_out, "")
    assert reproduce.verdict_of([*left_out, compared(FORMULA, "same")]) == "same"
    reproduce.require_same([*left_out, compared(FORMULA, "same")], "")


def test_the_first_artefact_that_differs_is_explained(
    project: Project, builds: Builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_stand_in(tmp_path / "bin", monkeypatch, writes="yes", code=1)
    found = [compared(TARBALL, "same"), compared(STAGE, stage=True), compared(FORMULA), compared(TARBALL)]
    report = reproduce.explain_at_length(project, builds, found)
    assert report == str(project.dist / "logs" / "reproduce-difference.txt")
    both = (str(builds.dist[name] / FORMULA) for name in ("plain", "varied"))
    assert Path(report).read_text() == f"a stand-in for diffoscope compared {' '.join(both)}\n"
    with pytest.raises(VerificationError) as raised:
        reproduce.require_same(found, report)
    assert raised.value.hint == f"the whole difference of the first is in {report}"


@pytest.mark.parametrize(("writes", "code"), [("", 2), ("", 1), ("yes", 0)])
def test_without_an_explanation_no_report_is_named(
    project: Project, builds: Builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: str, code: int
) -> None:
    """It failed, or found the files to be the same; a report of an earlier run is not taken for its own."""
    (project.dist / "logs" / "reproduce-difference.txt").write_text("an earlier one")
    put_stand_in(tmp_path / "bin", monkeypatch, writes=writes, code=code)
    assert reproduce.explain_at_length(project, builds, [compared(FORMULA)]) == ""
    with pytest.raises(VerificationError) as raised:
        reproduce.require_same([compared(FORMULA)], "")
    assert raised.value.hint == "see dist/reproducibility.json"


def test_stages_and_what_is_the_same_are_not_explained(
    project: Project, builds: Builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_stand_in(tmp_path / "bin", monkeypatch, writes="yes", code=1)
    found = [compared(STAGE, stage=True), compared(FORMULA, "same"), compared(TARBALL, "not compared")]
    assert reproduce.explain_at_length(project, builds, found) == ""
    assert not (project.dist / "logs" / "reproduce-difference.txt").exists()


def test_without_diffoscope_nothing_is_explained(
    project: Project, builds: Builds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(search_path(tmp_path / "bin", without=("diffoscope",))))
    assert reproduce.explain_at_length(project, builds, [compared(FORMULA)]) == ""


@pytest.mark.long
@pytest.mark.parametrize("path", [FORMULA, TARBALL])
def test_the_real_one_explains_it(project: Project, builds: Builds, path: str) -> None:
    if not shutil.which("diffoscope"):
        not_there("diffoscope", optional=True)
    report = reproduce.explain_at_length(project, builds, [compared(path)])
    lines = Path(report).read_text().splitlines()
    assert "-built here" in [line.lstrip("│├ ") for line in lines]
    assert "+built elsewhere" in [line.lstrip("│├ ") for line in lines]
