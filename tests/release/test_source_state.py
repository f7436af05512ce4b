"""What the artefacts say about the checkout that they were built from."""

from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path

import jsonschema
import pytest

from ci.builders.images import archive_reference
from ci.core.checkout import SourceState, source_state
from ci.manifest.reader import load
from ci.pipeline import report
from tests.packages.support import checkout_of
from tests.support import ROOT

GIT = ("git", "-c", "user.name=tests", "-c", "user.email=tests@localhost", "-c", "init.defaultBranch=main")
TAG = "v0.1.0"


def git(checkout: Path, *words: str) -> None:
    subprocess.run([*GIT, *words], cwd=checkout, check=True, capture_output=True)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A checkout under git, in which all is committed."""
    checkout = checkout_of(tmp_path / "clone")
    (checkout / ".gitignore").write_text("/dist/\n")
    git(checkout, "init")
    git(checkout, "add", ".")
    git(checkout, "commit", "-m", "all")
    return checkout


def revision(checkout: Path) -> tuple[str, bool]:
    state = source_state(checkout, TAG)
    assert len(state.commit) == 40
    assert state.commit[:12] in str(state)
    assert ("modified" in str(state)) == state.modified
    return state.revision, state.modified


def test_only_a_clean_tree_at_the_tag_is_the_release(clone: Path) -> None:
    assert revision(clone) == ("v0.1.0-unreleased", False)
    git(clone, "tag", "v0.1.0rc1")
    assert revision(clone) == ("v0.1.0-unreleased", False)
    git(clone, "tag", "-a", "-m", "the release", TAG)
    assert revision(clone) == (TAG, False)
    (clone / "dist").mkdir()
    (clone / "dist" / "artifacts.json").write_text("{}")
    assert revision(clone) == (TAG, False)
    (clone / "README.md").write_text("new\n")
    assert revision(clone) == ("v0.1.0-unreleased", True)
    git(clone, "add", ".")
    assert revision(clone) == ("v0.1.0-unreleased", True)
    git(clone, "commit", "-m", "after the release")
    assert revision(clone) == ("v0.1.0-unreleased", False)


def test_a_changed_file_is_noticed(clone: Path) -> None:
    git(clone, "tag", TAG)
    (clone / "CHANGELOG.md").open("a").write("\n")
    assert revision(clone) == ("v0.1.0-unreleased", True)


@pytest.mark.parametrize("initialised", [False, True])
def test_without_a_commit_nothing_is_a_release(tmp_path: Path, initialised: bool) -> None:
    if initialised:
        git(tmp_path, "init")
    assert source_state(tmp_path, TAG) == SourceState(revision="v0.1.0-unreleased")


@pytest.mark.parametrize(
    "source",
    [
        SourceState(revision="v0.1.0-unreleased"),
        SourceState(revision=TAG, commit="a" * 40),
        SourceState(revision="v0.1.0-unreleased", commit="a" * 64, modified=True),
    ],
)
def test_the_report_says_so(tmp_path: Path, source: SourceState) -> None:
    report.write(tmp_path, load(ROOT / "release.yaml"), source, [], [], [])
    document = json.loads((tmp_path / "artifacts.json").read_bytes())
    jsonschema.validate(document, json.loads((ROOT / "ci" / "pipeline" / "artifacts.schema.json").read_bytes()))
    assert document["source"]["revision"] == source.revision
    assert document["source"].get("commit", "") == source.commit
    assert document["source"].get("modified") == (source.modified if source.commit else None)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_name_in_an_archive_does_not_depend_on_the_host(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    release = load(ROOT / "release.yaml")
    monkeypatch.setattr(platform, "machine", lambda: machine)
    names = [archive_reference(release, "micro", one) for one in ("amd64", "arm64")]
    assert names == [f"ghcr.io/faas-runtime/faas-runtime:0.1.0-micro-{one}" for one in ("amd64", "arm64")]
