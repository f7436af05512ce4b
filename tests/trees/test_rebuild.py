"""What is taken from a published set before it is built again, and the verdicts about its artefacts."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ci.core.errors import UnavailableError, UsageError, VerificationError
from ci.core.files import sha256_of
from ci.core.run import Runner
from ci.core.tools import Toolbox
from ci.manifest.release import Release
from ci.pipeline.inputs import Inputs
from ci.pipeline.jobs import Project
from ci.release import envelopes, rebuild
from tests.prove.support import commit
from tests.release.sets import make_pem
from tests.trees.packages import Key, rpm

SDIST = "sdist/one-1.0.tar.gz"


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(tmp_path: Path, release: Release) -> Project:
    """A repository with a tag."""
    root = tmp_path / "repository"
    root.mkdir()
    (root / "file").write_text("text\n")
    commit(root)
    git(root, "tag", release.version.tag)
    return Project(root=root, dist=root / "dist", release=release, toolbox=Toolbox(tmp_path / "tools.json"))


def write_set(folder: Path, project: Project, files: dict[str, bytes]) -> Path:
    """A set with these artefacts, by their paths in `dist/`, and what describes them."""
    folder.mkdir(parents=True)
    commit_id, entries = git(project.root, "rev-parse", "HEAD"), []
    for path, data in files.items():
        name = path.rpartition("/")[2]
        (folder / name.replace("~", ".")).write_bytes(data)
        entries.append({"path": path, "name": name, "sha256": sha256_of(folder / name.replace("~", "."))})
    entries.append({"path": "images/none.tar", "name": "none.tar", "status": "unavailable"})
    (folder / "artifacts.json").write_text(json.dumps({"artifacts": entries}))
    recorded = Inputs(
        name="one", version=str(project.release.version), commit=commit_id, modified=False, python="3", zlib="1"
    )
    (folder / "inputs.json").write_bytes(recorded.document())
    seal(folder, commit_id)
    return folder


def seal(folder: Path, commit_id: str, change: Callable[[dict[str, Any]], object] = lambda statement: None) -> None:
    """Write the checksums and the provenance of a set."""
    sums = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.suffix not in (".asc", "")}
    sums.pop("provenance.dsse.json", None)
    (folder / "SHA256SUMS").write_text("".join(f"{sha256}  {name}\n" for name, sha256 in sums.items()))
    source = {"uri": "git+https://example.org/one@refs/tags/v1", "digest": {"gitCommit": commit_id}}
    statement: dict[str, Any] = {
        "subject": [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in sums.items()],
        "predicate": {"buildDefinition": {"resolvedDependencies": [source, {"uri": "pkg:x/y", "digest": {}}]}},
    }
    change(statement)
    payload = base64.b64encode(json.dumps(statement).encode()).decode()
    (folder / "provenance.dsse.json").write_text(json.dumps({"payload": payload, "signatures": []}))


@pytest.fixture
def folder(project: Project) -> Path:
    return write_set(project.dist / "release", project, {SDIST: gzip.compress(b"one", mtime=0)})


def test_it_is_found_by_version_and_by_folder(project: Project, folder: Path, tmp_path: Path, run: Runner) -> None:
    by_version = rebuild.published(project, str(project.release.version), run)
    assert by_version.commit == git(project.root, "rev-parse", "HEAD")
    assert [one["path"] for one in by_version.artifacts] == [SDIST]
    assert rebuild.published(project, str(folder), run) == by_version
    (tmp_path / "unpacked").mkdir()
    folder.rename(tmp_path / "unpacked" / "release")
    assert rebuild.published(project, str(tmp_path / "unpacked"), run).commit == by_version.commit


@pytest.mark.parametrize("text", ["9.9.9", "no version", "/nonexistent"])
def test_another_version_is_refused(project: Project, folder: Path, run: Runner, text: str) -> None:
    with pytest.raises(UsageError):
        rebuild.published(project, text, run)


def test_a_changed_set_is_refused(project: Project, folder: Path, run: Runner) -> None:
    (folder / "one-1.0.tar.gz").write_bytes(b"other")
    with pytest.raises(VerificationError, match=r"one-1\.0\.tar\.gz: other bytes than listed"):
        rebuild.published(project, str(folder), run)


@pytest.mark.parametrize("data", [b"\xff\xfe\n", b"no list\n"], ids=["no text", "no list"])
def test_a_damaged_list_is_refused(project: Project, folder: Path, run: Runner, data: bytes) -> None:
    (folder / "SHA256SUMS").write_bytes(data)
    with pytest.raises(VerificationError, match=r"SHA256SUMS: .* (no text|not a line)") as raised:
        rebuild.published(project, str(folder), run)
    assert raised.value.hint.startswith("take the whole set")


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a subject is missing": (lambda statement: statement["subject"].pop(), "its subjects are not the lines"),
    "no commit": (
        lambda statement: statement["predicate"]["buildDefinition"]["resolvedDependencies"].pop(0), "cannot be read",
    ),
    "another commit": (
        lambda statement: statement["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"].update(
            gitCommit="1" * 40
        ),
        "its commit is",
    ),
    "an option of git": (
        lambda statement: statement["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"].update(
            gitCommit="--upload-pack=x"
        ),
        "its commit is",
    ),
    "no predicate": (lambda statement: statement.pop("predicate"), "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_provenance_that_does_not_fit_is_refused(project: Project, folder: Path, run: Runner, fault: str) -> None:
    change, said = FAULTS[fault]
    seal(folder, git(project.root, "rev-parse", "HEAD"), change)
    with pytest.raises(VerificationError, match=said):
        rebuild.published(project, str(folder), run)


def test_a_path_out_of_dist_is_refused(project: Project, tmp_path: Path, run: Runner) -> None:
    folder = write_set(tmp_path / "set", project, {"../../etc/passwd": b"x"})
    with pytest.raises(VerificationError, match="not a path in dist/"):
        rebuild.published(project, str(folder), run)


def test_the_tag_must_be_there_and_name_the_same_commit(project: Project, folder: Path, run: Runner) -> None:
    (project.root / "file").write_text("other\n")
    commit(project.root)
    git(project.root, "tag", "--force", project.release.version.tag)
    with pytest.raises(VerificationError, match="the provenance names commit"):
        rebuild.published(project, str(folder), run)
    git(project.root, "tag", "--delete", project.release.version.tag)
    with pytest.raises(UnavailableError, match="there is no tag"):
        rebuild.published(project, str(folder), run)


def test_a_commit_that_is_not_here_is_unavailable(project: Project, folder: Path, tmp_path: Path, run: Runner) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "file").write_text("another history\n")
    commit(other)
    elsewhere = Project(root=other, dist=project.dist, release=project.release, toolbox=project.toolbox)
    with pytest.raises(UnavailableError, match="is not in this repository"):
        rebuild.published(elsewhere, str(folder), run)


def built(folder: Path, files: dict[str, bytes], reasons: dict[str, str] | None = None) -> Path:
    """A `dist/` that was built again."""
    folder.mkdir()
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    entries = [{"path": path, "reason": reason} for path, reason in (reasons or {}).items()]
    (folder / "artifacts.json").write_text(json.dumps({"artifacts": entries}))
    return folder


def test_each_artefact_has_a_verdict(
    project: Project, tmp_path: Path, release: Release, key: Key, stranger: Key, run: Runner
) -> None:
    signed = rpm(tmp_path / "signed", release, run, key).read_bytes()
    foreign = rpm(tmp_path / "foreign", release, run, stranger).read_bytes()
    path = "rpm/faas-runtime-0.1.0~rc1-1.noarch.rpm"
    published = {
        SDIST: gzip.compress(b"one", mtime=0),
        path: signed,
        "formulae/one.rb": b"one\n",
        "images/one.tar": b"i",
    }
    found = rebuild.read(write_set(tmp_path / "set", project, published))
    again = built(
        tmp_path / "dist",
        {SDIST: gzip.compress(b"one", mtime=0), path: foreign, "formulae/one.rb": b"two\n"},
        {"images/one.tar": "no engine"},
    )
    compared = {one.name: one for one in rebuild.compare(found, again)}
    assert {name: one.verdict for name, one in compared.items()} == {
        "one-1.0.tar.gz": "same",
        "faas-runtime-0.1.0.rc1-1.noarch.rpm": "same but the signature",
        "one.rb": "different",
        "one.tar": "not built",
    }
    assert compared["one.tar"].reason == "no engine"
    assert "byte 0" in compared["one.rb"].reason
    predicate = json.loads(rebuild.statement(found, [*compared.values()]))["predicate"]
    assert (predicate["result"], predicate["failedTests"], predicate["warnedTests"]) == (
        "FAILED", ["one.rb"], ["one.tar"],
    )  # fmt: skip
    with pytest.raises(VerificationError, match=r"one\.rb: it differs, byte 0"):
        rebuild.require_same([*compared.values()])


def test_an_rpm_with_another_content_is_different(
    project: Project, tmp_path: Path, release: Release, key: Key, run: Runner
) -> None:
    signed = rpm(tmp_path / "signed", release, run, key).read_bytes()
    damaged = signed[:-20] + bytes([signed[-20] ^ 1]) + signed[-19:]
    found = rebuild.read(write_set(tmp_path / "set", project, {"rpm/one.rpm": signed}))
    (compared,) = rebuild.compare(found, built(tmp_path / "dist", {"rpm/one.rpm": damaged}))
    assert compared.verdict == "different"
    assert compared.reason


def test_nothing_that_could_be_built_is_no_success() -> None:
    with pytest.raises(UnavailableError):
        rebuild.require_same([rebuild.Rebuilt(name="one", sha256="0" * 64, verdict="not built", reason="no engine")])


def test_the_statement_is_signed_where_a_key_is(tmp_path: Path) -> None:
    document = b'{"_type":"https://in-toto.io/Statement/v1"}'
    assert [path.name for path in rebuild.write(tmp_path, document, None)] == ["rebuild.json"]
    key = envelopes.load_key(make_pem(tmp_path / "key.pem"))
    assert {path.name for path in rebuild.write(tmp_path, document, key)} == {
        "rebuild.dsse.json",
        "rebuild.sigstore.json",
    }
    assert not (tmp_path / "rebuild.json").exists()
    signed = json.loads((tmp_path / "rebuild.dsse.json").read_bytes())
    assert base64.b64decode(signed["payload"]) == document
    assert signed["signatures"][0]["keyid"] == key.keyid
