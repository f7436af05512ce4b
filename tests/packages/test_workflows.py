"""`check` looks at the CI provider's workflows as well."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.core.run import Runner
from ci.lint import workflows
from ci.lint.findings import Finding
from ci.pipeline.jobs import Project
from tests.packages.support import open_project
from tests.support import ROOT, not_there

PINNED = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+(\.\d+)*")
WORKFLOW = """\
name: ci
on: [push]
permissions: {contents: read}
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0
        with: {persist-credentials: false}
      - run: "true"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with one workflow."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    if shutil.which("zizmor", path=path) is None:
        not_there("zizmor")
    monkeypatch.setenv("PATH", path)
    (tmp_path / workflows.FOLDER).mkdir(parents=True)
    (tmp_path / workflows.FOLDER / "ci.yml").write_text(WORKFLOW)
    for name in ("release.yaml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    return open_project(tmp_path, tmp_path / "dist")


def findings(project: Project, old: str = "", new: str = "") -> list[Finding]:
    """What the linters find in the workflow, with one thing in it changed."""
    path = project.root / workflows.FOLDER / "ci.yml"
    assert old in WORKFLOW
    path.write_text(WORKFLOW.replace(old, new))
    run = Runner(log=project.dist / "log", env={"HOME": "/nonexistent"})
    return [*workflows.check_jsonschema(run, project), *workflows.zizmor(run, project)]


def test_a_sound_workflow_has_no_findings(project: Project) -> None:
    assert findings(project) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("runs-on", "runs-onn", "ci.yml: check-jsonschema schema: $.jobs.check: "),
        ("on: [push]", "on: [pushed]", "ci.yml: check-jsonschema schema: $.on"),
        ("@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "@v5", "ci.yml:8: zizmor unpinned-uses: "),
        ("persist-credentials: false", "fetch-depth: 1", "ci.yml:8: zizmor artipacked: "),
        ('"true"', 'echo "${{ github.event.issue.title }}"', "ci.yml:10: zizmor template-injection: "),
        ("[push]", "[pull_request_target]", "zizmor dangerous-triggers: "),
        ("ubuntu-latest", "ubuntu-latest\n    container: debian", "zizmor unpinned-images: "),
    ],
)
def test_what_is_wrong_is_found(project: Project, old: str, new: str, said: str) -> None:
    lines = list(map(str, findings(project, old, new)))
    assert any(f".github/workflows/{said}" in line or said in line for line in lines), lines


def test_a_repository_without_workflows_has_no_findings(project: Project) -> None:
    shutil.rmtree(project.root / workflows.FOLDER)
    run = Runner(log=project.dist / "log")
    assert workflows.check_jsonschema(run, project) == workflows.zizmor(run, project) == []


def jobs_of_the_release() -> dict[str, Any]:
    document = yaml.safe_load((ROOT / workflows.FOLDER / "release.yml").read_text())
    found: dict[str, Any] = document["jobs"]
    return found


def test_keyless_attestation_is_an_option_that_nothing_needs() -> None:
    """One job alone may ask for an identity; it runs where a variable says so, and no other job waits for it."""
    jobs = jobs_of_the_release()
    assert [name for name, job in jobs.items() if "id-token" in job["permissions"]] == ["attest"]
    assert jobs["attest"]["if"] == "vars.KEYLESS_ATTESTATION == 'yes'"
    for name, job in jobs.items():
        assert "attest" not in job.get("needs", [])
        keyless = [step for step in job["steps"] if "attest" in step.get("uses", "")]
        assert bool(keyless) == (name == "attest")


def test_the_rebuild_is_signed_before_the_keys_are_deleted_and_nothing_uses_them_later() -> None:
    steps = jobs_of_the_release()["release"]["steps"]
    texts = [str(step.get("run", "")) for step in steps]
    (deleted,) = (number for number, text in enumerate(texts) if "rm -rf" in text and "keys" in text)
    assert steps[deleted]["if"] == "always()"
    rebuilt = [number for number, text in enumerate(texts) if "nox -s rebuild" in text]
    assert "--attestation-key" in texts[rebuilt[0]]
    assert max(number for number, text in enumerate(texts) if "/keys" in text) == deleted
    assert rebuilt[0] < deleted
    kept = next(step for step in steps if step.get("with", {}).get("name") == "release")
    assert "dist/rebuild.dsse.json" in kept["with"]["path"]


def test_every_action_of_ours_is_pinned_by_its_commit_and_says_its_version() -> None:
    for path in (ROOT / workflows.FOLDER).iterdir():
        used = [line.strip().removeprefix("- ") for line in path.read_text().splitlines() if "uses: " in line]
        assert used
        assert [line for line in used if not PINNED.fullmatch(line)] == []
