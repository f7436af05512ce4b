"""Faults planted in the crate, by packing it anew, and in what it is packed from."""

from __future__ import annotations

import dataclasses
import gzip
import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ci import kinds
from ci.commands.running import jobs_of, probe
from ci.core import cargo_registry
from ci.core.errors import CommandFailed, DriftError, VerificationError
from ci.core.run import Runner
from ci.manifest import dist_paths
from ci.pipeline.jobs import Project
from ci.prove import contents
from ci.sboms.contents import OpenedArtifact
from ci.verify import crate
from ci.verify.check import Check, MakeCommand, require_answers
from tests.packages.support import build, check_of, checkout_of, open_project, with_version
from tests.verify.conftest import Checking
from tests.verify.facts import faults_of

TOP = "faas-function-0.1.0/"
Members = list[tuple[tarfile.TarInfo, bytes]]


def made(project: Project) -> Path:
    return project.dist / dist_paths.crate(project.release)


def spoilt_crate(project: Project, target: Path, change: Callable[[Members], object]) -> Path:
    """A copy of the crate with its members changed."""
    with tarfile.open(made(project)) as source:
        members = [(member, content.read()) for member in source if (content := source.extractfile(member))]
    change(members)
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member, data in members:
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    path = target / made(project).name
    path.write_bytes(gzip.compress(plain.getvalue(), mtime=0))
    return path


def at(path: str, **fields: object) -> Callable[[Members], object]:
    """Give a member other fields."""

    def change(members: Members) -> None:
        (member,) = (one for one, _ in members if one.name == f"{TOP}{path}")
        for name, value in fields.items():
            setattr(member, name, value)

    return change


def text(path: str, old: str, new: str) -> Callable[[Members], object]:
    """Replace a text in a file; an empty one is at its end."""

    def change(members: Members) -> None:
        for number, (member, data) in enumerate(members):
            if member.name == f"{TOP}{path}":
                assert old.encode() in data
                changed = data.replace(old.encode(), new.encode(), 1) if old else data + new.encode()
                members[number] = (member, changed)

    return change


def without(path: str) -> Callable[[Members], object]:
    return lambda members: members.remove(next(one for one in members if one[0].name == f"{TOP}{path}"))


def with_file(path: str) -> Callable[[Members], object]:
    def change(members: Members) -> None:
        like, _ = members[0]
        members.append((like.replace(name=f"{TOP}{path}", deep=False), b"x"))

    return change


FAULTS = {
    "another file": (
        text("src/lib.rs", "", "// more\n"),
        r"files unlike those of runtime/crate: found \['src/lib.rs'\]",
    ),
    "another manifest": (text("Cargo.toml.orig", "", "# more\n"), r"found \['Cargo.toml.orig'\]"),
    "a file less": (without("src/stream.rs"), r"files: missing \['src/stream.rs'\]"),
    "no lock": (without("Cargo.lock"), r"files: missing \['Cargo.lock'\]"),
    "a test": (with_file("tests/state.rs"), r"not expected \['tests/state.rs'\]"),
    "a commit": (with_file(".cargo_vcs_info.json"), r"not expected \['.cargo_vcs_info.json'\]"),
    "a mode": (at("src/lib.rs", mode=0o755), "mode of src/lib.rs: found 0755, expected 0644"),
    "an owner": (at("src/lib.rs", uid=1000), "owner of src/lib.rs"),
    "an owner's name": (at("src/lib.rs", uname="me"), "owner's name of src/lib.rs"),
    "a time": (at("src/lib.rs", mtime=1), "time of src/lib.rs: found 1, expected 1153704088"),
    "a name": (text("Cargo.toml", '"faas-function"', '"faas_function"'), "its manifest is of faas_function"),
    "a licence": (text("Cargo.toml", '"Apache-2.0"', '"MIT"'), "metadata: license: found 'MIT'"),
    "no description": (text("Cargo.toml", "\ndescription =", "\nauthors-note ="), "it has a description"),
    "an address": (text("Cargo.toml", 'homepage = "https', 'homepage = "http'), "metadata: homepage: found 'http:"),
    "unpublished": (text("Cargo.toml", "[package]\n", "[package]\npublish = false\n"), "it may be published"),
    "words": (text("Cargo.toml", "keywords = [", 'keywords = ["1", "2", '), "it has at most 5 keywords"),
    "a dependency": (
        text("Cargo.toml", "[dependencies.serde]", '[dependencies.rand]\nversion = "0.9"\n[dependencies.serde]'),
        r"dependencies without a feature: missing \[\], not expected \['rand'\]",
    ),
    "a dependency that is nowhere": (
        text("Cargo.toml", "[dependencies.serde]\n", '[dependencies.serde]\npath = "../serde"\n'),
        r"dependencies that are in no registry: found \['serde'\]",
    ),
    "another licence's text": (text("LICENSE", "", "\n"), r"files unlike those of runtime/crate: found \['LICENSE'\]"),
}


@pytest.mark.mutant
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_crate(built: Project, checking: Checking, tmp_path: Path, fault: str) -> None:
    change, told = FAULTS[fault]
    with pytest.raises(VerificationError, match=told):
        crate.verify(checking("crate", spoilt_crate(built, tmp_path, change)))


@pytest.mark.mutant
def test_packing_it_anew_is_no_fault(
    built: Project, checking: Checking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the tests above do to the file, apart from their faults, is not what the verification finds."""
    monkeypatch.setattr(crate, "_require_function", lambda *_: None)
    assert crate.verify(checking("crate", spoilt_crate(built, tmp_path, lambda members: None))).passed


@pytest.mark.mutant
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[features]\n", '[features]\nmore = ["dep:nowhere"]\n'),
        ('[dependencies.serde]\nversion = "1"', '[dependencies.serde]\nversion = "9"'),
    ],
    ids=["a feature without its dependency", "a version that is nowhere"],
)
def test_dependencies_that_cargo_does_not_find(
    built: Project, checking: Checking, tmp_path: Path, old: str, new: str
) -> None:
    path = spoilt_crate(built, tmp_path, text("Cargo.toml", old, new))
    with pytest.raises(CommandFailed, match="cargo failed"):
        crate.verify(checking("crate", path))


def of_other_sources(built: Project, tmp_path: Path, change: Callable[[Path], object]) -> Project:
    """The crate, built from a checkout that was changed; the other artefacts are those of the tests."""
    checkout = checkout_of(tmp_path / "checkout", built.root)
    change(checkout / "runtime" / "crate")
    dist = tmp_path / "dist"
    for name in ("sdist", dist_paths.LOCAL_REGISTRY):
        shutil.copytree(built.dist / name, dist / name)
    return build(open_project(checkout, dist), "crate")


@pytest.mark.long
@pytest.mark.mutant
@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("lib.rs", "mod answer;", 'mod answer;\ncompile_error!("planted");', "planted"),
        ("lib.rs", "mod answer;", "mod answer;\nmod gone;", "file not found for module"),
        ("lib.rs", "pub use context::LambdaContext;", "", "LambdaContext"),
    ],
    ids=["does not compile", "a module that is not packed", "an interface that is gone"],
)
def test_a_crate_that_no_function_can_be_built_with(
    built: Project, tmp_path: Path, name: str, old: str, new: str, told: str
) -> None:
    def change(folder: Path) -> None:
        source = folder / "src" / name
        assert old in source.read_text()
        source.write_text(source.read_text().replace(old, new, 1))

    project = of_other_sources(built, tmp_path, change)
    with pytest.raises(CommandFailed, match=told):
        crate.verify(check_of(project, "crate", made(project), tmp_path / "check"))


def test_a_version_that_is_not_the_manifest_s(built: Project, tmp_path: Path) -> None:
    later = with_version(built.release, "0.2.0rc1")
    dist = tmp_path / "dist"
    shutil.copytree(built.dist / dist_paths.LOCAL_REGISTRY, dist / dist_paths.LOCAL_REGISTRY)
    with pytest.raises(DriftError, match=r"makes faas-function-0.1.0.crate, but release.yaml says .*-0.2.0-rc.1.crate"):
        build(open_project(built.root, dist, later), "crate")


def test_a_post_release_has_no_crate(built: Project, tmp_path: Path) -> None:
    project = open_project(built.root, tmp_path, with_version(built.release, "0.1.0.post1"))
    builders = (kinds.LOCAL_REGISTRY, kinds.CRATE)
    assert [job.id for job in jobs_of(probe(project, builders), builders)] == ["local-registry"]


@pytest.mark.long  # it always needs the network
def test_crates_that_this_machine_has_never_had_are_fetched(
    built: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "cargo"))
    project = build(open_project(built.root, tmp_path / "dist"), "local-registry")
    names = [sorted(path.name for path in (one.dist / dist_paths.LOCAL_REGISTRY).iterdir()) for one in (project, built)]
    assert names[0] == names[1]


def test_a_manifest_that_cargo_cannot_read_is_not_taken_for_a_missing_network(
    built: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "cargo"))
    checkout = checkout_of(tmp_path / "checkout", built.root)
    with (checkout / "runtime" / "crate" / "Cargo.toml").open("a") as manifest:
        manifest.write("\n[[bench]]\nname = 'planted'\n")
    with pytest.raises(CommandFailed, match="can't find `planted` bench"):
        build(open_project(checkout, tmp_path / "dist"), "local-registry")


def test_only_what_is_packed_counts(built: Project, tmp_path: Path) -> None:
    """A file that the manifest does not include gets into no crate."""
    project = of_other_sources(built, tmp_path, lambda folder: (folder / "notes.txt").write_text("not for everybody"))
    assert made(project).read_bytes() == made(built).read_bytes()


@pytest.mark.mutant
@pytest.mark.parametrize(
    ("fact", "old", "new"),
    [
        ("version as cargo spells it", 'version = "0.1.0"', 'version = "0.1.1"'),
        ("licence", 'license = "Apache-2.0"', 'license = "MIT"'),
        ("home page", 'homepage = "https://github.com/faas', 'homepage = "https://github.com/fass'),
        ("dependencies of the crate", '[dependencies.serde]\nversion = "1"', '[dependencies.serde]\nversion = "1.0.1"'),
    ],
)
def test_a_fact_of_the_crate(built: Project, tmp_path: Path, fact: str, old: str, new: str) -> None:
    spoilt = spoilt_crate(built, tmp_path, text("Cargo.toml", old, new))
    (line,) = faults_of(built, "crate", spoilt, tmp_path / "facts")
    assert line.startswith(f"crate/{spoilt.name}: {fact}: found ")


def test_what_a_comparison_looks_at(built: Project, tmp_path: Path) -> None:
    """It has no version in the names of the files: the same file of two versions is compared with itself."""
    source = OpenedArtifact(path=made(built), folder=tmp_path, run=Runner(log=tmp_path / "log"))
    found = contents.read("crate", source, name=built.release.name, version=str(built.release.version))
    assert {"Cargo.toml", "src/lib.rs", "LICENSE"} <= set(found["files"])
    assert set(found["modes"].values()) == {"0644 0:0"}
    assert found["licences"] == {"package": "Apache-2.0"}
    assert {"serde ^1", "serde_json ^1", "tokio ^1 (optional)"} <= set(found["dependencies"])
    assert any(name.startswith("Rust 1.") for name in found["dependencies"])
    assert not any(name.startswith("serde ") and "derive" in name for name in found["dependencies"])


def test_a_function_is_built_and_answers(built: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Check] = []

    def really(check: Check, command: MakeCommand) -> None:
        asked.append(check)
        require_answers(check, command)

    monkeypatch.setattr(crate, "require_answers", really)
    assert crate.verify(check_of(built, "crate", made(built), tmp_path / "check")).passed
    assert [one.language for check in asked for one in check.functions] == ["crate"]
    (log,) = tmp_path.glob("check.*.log")
    assert "faas-runtime" in log.read_text()


def test_the_registry_of_the_tests_has_what_the_lock_names(built: Project) -> None:
    folder = built.dist / dist_paths.LOCAL_REGISTRY
    wanted = cargo_registry.locked(built.root / "runtime" / "crate" / "Cargo.lock")
    assert {path.name for path in folder.glob("*.crate")} == {one.file_name for one in wanted}
    assert all(cargo_registry.kept(one, [folder]) for one in wanted)
    assert dataclasses.asdict(wanted[0]).keys() == {"name", "version", "sha256"}
