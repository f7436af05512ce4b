"""Our upload beside that of cargo to the same strict registry, and what cargo makes of what is there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ci.builders.crate import sources
from ci.core import cargo_registry
from ci.core.errors import VerificationError
from ci.core.run import Runner
from ci.manifest import dist_paths
from ci.publish.rehearse.crates_server import CratesServer
from ci.publish.rehearse.server import Server
from ci.verify import published
from ci.verify.published import Downloaded
from ci.verify.rust_function import FunctionProject
from tests.packages.support import open_project
from tests.publish.crates_fixtures import FILE, NAME, NEW, TOKEN, VERSION, ServedRegistry, built_crate, registry
from tests.support import ROOT, program

__all__ = ["built_crate", "registry"]


def cargo_publish(folder: Path, origin: str, others: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Let cargo itself publish a project to a registry. What it depends on comes out of a local one."""
    options = (*cargo_registry.named("rehearsal", f"{origin}/index"), *cargo_registry.instead_of_crates_io(others))
    return subprocess.run(
        [program("cargo"), "publish", "--registry", "rehearsal", "--no-verify", "--allow-dirty", *words, *options],
        cwd=folder, check=False, capture_output=True, text=True,
        env={**os.environ, "CARGO_HOME": str(home), "CARGO_REGISTRIES_REHEARSAL_TOKEN": TOKEN, "no_proxy": "127.0.0.1"},
    )  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project of the crate, outside of git."""
    for name, path in sources(ROOT).items():
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, tmp_path / "project" / name)
    return tmp_path / "project"


def test_cargo_brings_the_same_metadata_and_bytes(
    registry: ServedRegistry, built_crate: Path, project: Path, tmp_path: Path
) -> None:
    registry.target(built_crate).publish()
    theirs = CratesServer(token=TOKEN)
    others, home = built_crate / dist_paths.LOCAL_REGISTRY, tmp_path / "cargo"
    with Server(theirs.answer) as server:
        theirs.origin = server.origin
        tried = cargo_publish(project, server.origin, others, home, "--dry-run")
        assert tried.returncode == 0, tried.stderr
        assert f"PUT {NEW}" not in server.seen
        done = cargo_publish(project, server.origin, others, home)
        assert done.returncode == 0, done.stderr
    (ours,), (other,) = registry.crates.crates.values(), theirs.crates.values()
    assert other.content == ours.content
    assert other.metadata == ours.metadata
    assert other.entry == ours.entry


def test_cargo_may_not_publish_what_we_have_published(
    registry: ServedRegistry, built_crate: Path, project: Path, tmp_path: Path
) -> None:
    registry.target(built_crate).publish()
    others = built_crate / dist_paths.LOCAL_REGISTRY
    done = cargo_publish(project, registry.server.origin, others, tmp_path / "cargo")
    assert done.returncode != 0
    assert "already exists" in done.stderr
    assert registry.crates.changes == 1


def of_stranger(registry: ServedRegistry, built: Path, folder: Path) -> FunctionProject:
    """A project that wants the crate from the registry."""
    others = built / dist_paths.LOCAL_REGISTRY
    found = FunctionProject(
        folder=folder,
        home=folder.with_name("cargo-of-the-stranger"),
        run=Runner(log=folder.with_suffix(".log")),
        options=(
            *cargo_registry.named("rehearsal", registry.crates.index),
            *cargo_registry.instead_of_crates_io(others),
        ),
        environment={"no_proxy": "127.0.0.1"},
    )
    found.write(NAME, f'version = "{VERSION}", registry = "rehearsal"')
    return found


def test_a_yanked_version_is_for_those_alone_who_have_it(
    registry: ServedRegistry, built_crate: Path, tmp_path: Path
) -> None:
    target = registry.target(built_crate)
    target.publish()
    before = of_stranger(registry, built_crate, tmp_path / "before")
    before.cargo("generate-lockfile")
    target.yank("it loses events")
    before.cargo("fetch", "--locked")
    with pytest.raises(Exception, match="yanked"):
        of_stranger(registry, built_crate, tmp_path / "after").cargo("generate-lockfile")


def downloaded(built: Path, folder: Path) -> Downloaded:
    """What a stranger has downloaded from the release page."""
    release = open_project(ROOT, built).release
    for name in ("downloads", "scratch"):
        (folder / name).mkdir()
    for path in (built / dist_paths.crate(release), built / dist_paths.sdist(release)):
        shutil.copy(path, folder / "downloads")
    return Downloaded(
        release=release, folder=folder / "downloads", scratch=folder / "scratch", run=Runner(log=folder / "log")
    )


def test_a_stranger_builds_a_function_that_answers(registry: ServedRegistry, built_crate: Path, tmp_path: Path) -> None:
    registry.target(built_crate).publish()
    found, others = downloaded(built_crate, tmp_path), built_crate / dist_paths.LOCAL_REGISTRY
    project = open_project(ROOT, built_crate)
    seen = published.from_crates(found, project, registry.crates.index, others)
    assert seen == "faas-function 0.1.0, by cargo; a function that is built with it answers"
    assert f"GET /api/v1/crates/{NAME}/{VERSION}/download" in registry.server.seen


def test_a_stranger_sees_other_bytes_than_on_the_release_page(
    registry: ServedRegistry, built_crate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.target(built_crate).publish()
    found = downloaded(built_crate, tmp_path)
    monkeypatch.setattr(FunctionProject, "build", lambda project: project.cargo("fetch"))
    with (found.folder / FILE).open("ab") as file:
        file.write(b"\n")
    others = built_crate / dist_paths.LOCAL_REGISTRY
    with pytest.raises(VerificationError, match=f"{FILE} has other bytes than on the release page"):
        published.from_crates(found, open_project(ROOT, built_crate), registry.crates.index, others)
