"""What the sessions that publish refuse before they ask any server, and which addresses they take."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from ci.command_line import parse
from ci.commands import publishing, rehearsing, strangers, yanking
from ci.commands.publications import require_version
from ci.core.console import Console
from ci.core.errors import PreflightError, UsageError
from ci.core.faults import Fault
from ci.core.run import Runner
from ci.core.tools import Toolbox
from ci.manifest.reader import load
from ci.manifest.release import Release
from ci.manifest.versions import parse as parse_version
from ci.pipeline.jobs import Options, Project
from ci.publish import every_target, places, vex
from ci.publish.every_target import Publication
from ci.publish.ledger import PublicationLedger
from ci.publish.registry import Registry
from ci.publish.release_set import ReleaseSet
from tests.packages.support import with_version
from tests.publish.test_run import ToyTarget
from tests.support import ROOT, run_ci


@pytest.fixture
def release() -> Release:
    return load(ROOT / "release.yaml")


@pytest.fixture
def project(release: Release, tmp_path: Path) -> Project:
    dist = tmp_path / "dist"
    return Project(root=ROOT, dist=dist, release=release, toolbox=Toolbox(dist / "tools.json"), options=Options())


def of_version(project: Project, version: str) -> Project:
    return dataclasses.replace(project, release=with_version(project.release, version))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("publish", "--set", "/nowhere"), "/nowhere: there is no signed set"),
        (("promote", "99.0"), "99.0: this checkout is "),
        (("promote", "v99.0"), "go to its tag: git switch --detach v99.0"),
        (("publish", "--rehearse", "--only", "github"), "--rehearse and --only: a rehearsal is of everything"),
        (("publish", "--rehearse", "--dry-run"), "--rehearse and --dry-run: a rehearsal is of everything"),
        (("publish", "--rehearse", "--set", "/nowhere"), "/nowhere: there is no signed set"),
        (("yank", "99.0", "--reason", "It crashes."), "99.0: this checkout is "),
        (("yank", "0.1.0"), "the following arguments are required: --reason"),
        (("publish", "--channel", "nightly"), "invalid choice: 'nightly'"),
        (("verify", "--published", "99.0"), "99.0: this checkout is "),
    ],
)
def test_what_is_wrong_is_said_first(words: tuple[str, ...], said: str) -> None:
    done = run_ci(ROOT, *words)
    assert done.returncode == UsageError.exit_code, done.stderr
    assert said in done.stderr


def test_a_pre_release_goes_to_those_who_test(project: Project) -> None:
    candidate = of_version(project, "0.2.0rc1")
    assert publishing._channel(candidate, None) == "testing"
    assert publishing._channel(of_version(project, "0.2.0"), None) == "stable"
    assert publishing._channel(of_version(project, "0.2.0"), "testing") == "testing"
    with pytest.raises(UsageError, match=r"--channel stable: 0\.2\.0rc1 is a pre-release"):
        publishing._channel(candidate, "stable")
    require_version(candidate, "0.2.0rc1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--reason", " "), "--reason: it is empty"),
        (("--reason", "two\nlines"), "not one line of text"),
        (("--reason", "# It crashes."), "it would be a heading"),
        (("--reason", "x", "--fixed-in", "later"), "--fixed-in later: the version"),
        (("--reason", "x", "--fixed-in", "0.0.1"), r"--fixed-in 0\.0\.1: it is not later"),
    ],
)
def test_the_words_of_a_yank(project: Project, words: tuple[str, ...], said: str) -> None:
    chosen = parse(["yank", str(project.release.version), *words])
    with pytest.raises(UsageError, match=said):
        yanking._require_words(project, chosen)


def test_a_token_that_is_missing_is_named(release: Release, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GITHUB_TOKEN", "REGISTRY_TOKEN", "PYPI_TOKEN", "CRATES_TOKEN", "TAP_TOKEN", "REPOSITORIES_FOLDER"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    with pytest.raises(UsageError, match="GITHUB_TOKEN and GITHUB_TOKEN_FILE: neither is set"):
        places.of_manifest(release, ("github",))
    with pytest.raises(UsageError, match="REPOSITORIES_FOLDER is not set"):
        places.of_manifest(release, ("yum",))
    monkeypatch.setenv("REPOSITORIES_FOLDER", str(tmp_path))
    monkeypatch.setenv("TAP_TOKEN", "a-token-of-the-tests")
    found = places.of_manifest(release, ("yum", "tap"))
    assert (found.github, found.registry, found.pypi_upload, found.repositories) == ("", "", "", tmp_path)
    assert found.tap == "https://github.com/faas-runtime/homebrew-tap.git"
    assert set(found.tokens) == {"tap"}


def test_all_variables_that_are_missing_are_named_at_once(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("GITHUB_TOKEN", "REGISTRY_TOKEN", "PYPI_TOKEN", "CRATES_TOKEN", "TAP_TOKEN", "REPOSITORIES_FOLDER")
    for name in names:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    monkeypatch.setenv("REGISTRY_TOKEN", "short")
    with pytest.raises(UsageError) as raised:
        places.of_manifest(release, ())
    lines = str(raised.value).splitlines()
    assert len(lines) == len(names), "one line for each of them"
    assert all(any(line.startswith(name) for line in lines) for name in names)
    assert "REGISTRY_TOKEN: it is too short" in str(raised.value)
    with pytest.raises(UsageError) as raised:
        places.of_manifest(release, (), testing=True)
    assert "PYPI_TOKEN" not in str(raised.value), "no token is asked for that is not used"
    assert "CRATES_TOKEN" not in str(raised.value)
    assert "TAP_TOKEN" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "testing", "said"),
    [
        ("githbu", False, "--only githbu: there is no such target"),
        ("copr", False, "--only copr: there is no such target"),
        ("tap", False, "--only tap: release.yaml does not name it"),
        ("pypi", True, "--only pypi: it has no channel for testing"),
        ("crates", True, "--only crates: it has no channel for testing"),
    ],
    ids=["typo", "copr", "not-in-the-manifest", "testing", "crates"],
)
def test_a_wrong_target_is_named_before_a_token_is_read(
    release: Release, monkeypatch: pytest.MonkeyPatch, name: str, testing: bool, said: str
) -> None:
    for variable in ("GITHUB_TOKEN", "PYPI_TOKEN", "CRATES_TOKEN", "TAP_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    without = dataclasses.replace(release, targets=dataclasses.replace(release.targets, tap=None))
    with pytest.raises(UsageError, match=said):
        places.of_manifest(without, (name, "github"), testing=testing)


def a_set_with_trees(folder: Path, previous: str | None) -> ReleaseSet:
    for tree in ("yum", "pacman"):
        (folder / tree).mkdir(parents=True)
        record = {"format": 1, "version": "0.2.0", "previous": previous, "listing": "1" * 64}
        (folder / tree / "tree.json").write_text(json.dumps(record))
    return ReleaseSet(folder=folder, name="faas-runtime", version="0.2.0", commit="", files=(), document={})


def test_a_rehearsal_asks_for_the_trees_that_the_set_continues(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("REPOSITORIES_FOLDER", raising=False)
    assert rehearsing._live(project, a_set_with_trees(tmp_path / "first", None)) is None
    second = a_set_with_trees(tmp_path / "second", "2" * 64)
    with pytest.raises(UsageError, match="REPOSITORIES_FOLDER is not set, and the set's yum and pacman continue") as no:
        rehearsing._live(project, second)
    assert no.value.hint.startswith("set REPOSITORIES_FOLDER to the folder of the package repositories, or a copy")
    monkeypatch.setenv("REPOSITORIES_FOLDER", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=r"REPOSITORIES_FOLDER names no folder: .*nowhere"):
        rehearsing._live(project, second)
    monkeypatch.setenv("REPOSITORIES_FOLDER", str(tmp_path))
    assert rehearsing._live(project, second) == tmp_path


def test_the_set_is_read_before_a_root_is_fetched(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(strangers, "with_root", lambda *_: pytest.fail("a root was asked for"))
    with pytest.raises(UsageError, match="there is no signed set"):
        rehearsing.rehearse(project, Console(), parse(["publish", "--set", str(tmp_path)]), testing=False)


@pytest.fixture
def toy(project: Project, monkeypatch: pytest.MonkeyPatch) -> ToyTarget:
    """The only target of a project whose set needs no look."""

    @contextmanager
    def prepared(*_: object, testing: bool) -> Iterator[tuple[object, list[Fault]]]:
        yield SimpleNamespace(version="0.2.0", testing=testing), []

    found = ToyTarget(name="github", done=[])
    monkeypatch.setattr(publishing, "open_project", lambda *_: of_version(project, "0.2.0"))
    monkeypatch.setattr(publishing, "publication", prepared)
    monkeypatch.setattr(places, "of_manifest", lambda *_, **__: None)
    monkeypatch.setattr(every_target, "targets", lambda *_: [found])
    return found


def test_a_channel_has_a_version_when_every_target_has_it(toy: ToyTarget, capsys: pytest.CaptureFixture[str]) -> None:
    said = "the channel stable has faas-runtime 0.2.0"
    publishing.publish(ROOT, Console(), parse(["publish", "--only", "github"]))
    assert said not in capsys.readouterr().err
    publishing.publish(ROOT, Console(), parse(["publish"]))
    assert capsys.readouterr().err.splitlines()[-1] == said
    assert toy.done == ["github", "github"]


def test_nothing_is_promoted_while_something_stands_in_the_way(toy: ToyTarget) -> None:
    toy.promotion_faults = [Fault(check="github", where="v0.2.0", what="is a draft", advice="publish it")]
    with pytest.raises(PreflightError, match=r"v0\.2\.0: is a draft"):
        publishing.promote(ROOT, Console(), parse(["promote", "0.2.0"]))
    assert toy.promoted == []
    toy.promotion_faults = []
    publishing.promote(ROOT, Console(), parse(["promote", "0.2.0"]))
    assert toy.promoted == ["github"]


def publication_of(release: Release, folder: Path, *, testing: bool) -> Publication:
    """A publication of a set without files, in a folder."""
    found = ReleaseSet(folder=folder / "set", name=release.name, version="0.1.0", commit="", files=(), document={})
    return Publication(
        release=release,
        found=found,
        tag_object="1" * 40,
        notes="",
        testing=testing,
        ledger=PublicationLedger(folder / "publish.json", "0.1.0"),
        scratch=folder,
        run=Runner(log=folder / "log"),
        say=print,
    )


@pytest.mark.parametrize(("testing", "left_out"), [(False, set()), (True, {"pypi", "crates", "tap"})])
def test_what_a_channel_leaves_out(
    release: Release, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, testing: bool, left_out: set[str]
) -> None:
    for name in ("GITHUB_TOKEN", "REGISTRY_TOKEN", "PYPI_TOKEN", "CRATES_TOKEN", "TAP_TOKEN"):
        monkeypatch.setenv(name, f"{name.lower()}-of-the-tests")
    monkeypatch.setenv("REPOSITORIES_FOLDER", str(tmp_path))
    for tree in ("yum", "pacman"):
        (tmp_path / "set" / tree).mkdir(parents=True)
    publication = publication_of(release, tmp_path, testing=testing)
    targets = {one.name: one for one in every_target.targets(publication, places.of_manifest(release, ()))}
    assert set(targets) == {"github", "registry", "pypi", "crates", "yum", "pacman", "tap"} - left_out
    assert "of-the-tests" not in repr(targets)


@pytest.mark.parametrize(
    ("named", "origin", "repository"),
    [
        ("ghcr.io/example", "https://ghcr.io", "example/faas-runtime"),
        ("registry.example.org:5000", "https://registry.example.org:5000", "faas-runtime"),
        ("docker.io/example", "https://registry-1.docker.io", "example/faas-runtime"),
    ],
)
def test_the_registry_and_the_path_of_the_images(
    release: Release, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str, origin: str, repository: str
) -> None:
    monkeypatch.setenv("REGISTRY_TOKEN", "a-token-of-the-tests")
    elsewhere = dataclasses.replace(release, images=dataclasses.replace(release.images, registry=named))
    publication = publication_of(elsewhere, tmp_path, testing=False)
    (target,) = every_target.targets(publication, places.of_manifest(elsewhere, ("registry",)))
    assert isinstance(target, Registry)
    assert (target.origin, target.repository) == (origin, repository)


def test_a_stranger_asks_the_addresses_of_the_manifest(release: Release) -> None:
    found = strangers.of_manifest(release)
    assert found.page == "https://github.com/faas-runtime/faas-runtime/releases/download/v0.1.0"
    assert found.registry == "ghcr.io/faas-runtime"
    assert found.tls


def test_floating_tags_stand_in_the_manifest(release: Release) -> None:
    registry = release.targets.registry
    assert registry is not None
    assert registry.floating_of(parse_version("0.3.1"), "micro") == {"0.3-micro": "0.3", "0.3": "0.3", "latest": ""}
    assert registry.floating_of(parse_version("0.3.1"), "ubi") == {"0.3-ubi": "0.3"}


def test_a_statement_names_the_fault_and_the_fix() -> None:
    product = "pkg:oci/faas-runtime?repository_url=ghcr.io/x&tag=0.2.0"
    made = vex.document([product], "maintainers", "CVE-2027-12345 lets a function read others.", "0.2.1", 0)
    assert made == vex.document([product], "maintainers", "CVE-2027-12345 lets a function read others.", "0.2.1", 0)
    assert b'"name": "CVE-2027-12345"' in made
    assert b'"action_statement": "Use version 0.2.1 or later."' in made
    assert b'"timestamp": "1970-01-01T00:00:00Z"' in made
