"""What leads to the files of the release page waits until they can be downloaded."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.core.errors import VerificationError
from ci.core.run import Runner
from ci.core.secrets import register
from ci.core.web import Web
from ci.manifest.reader import load
from ci.publish import every_target
from ci.publish.crates import Crates
from ci.publish.every_target import Publication
from ci.publish.github_api import Api
from ci.publish.ledger import PublicationLedger
from ci.publish.places import Places
from ci.publish.pypi import PyPi
from ci.publish.release_page import ReleasePage
from ci.publish.release_set import ReleaseSet
from ci.publish.tap import Tap
from ci.publish.trees import Tree
from tests.publish import taps, tree_sets
from tests.publish.crates_fixtures import ServedRegistry, built_crate, registry
from tests.publish.github_support import FILES, REPOSITORY, TAG, Rehearsal, make_draft, rehearsal
from tests.publish.pypi_fixtures import Site, built_files, site
from tests.support import ROOT

__all__ = ["built_crate", "built_files", "registry", "site"]

Waiting = Tree | Tap | PyPi | Crates


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Rehearsal]:
    with rehearsal(tmp_path / "github") as found:
        make_draft(found, **FILES)
        yield found


@pytest.fixture(params=["yum", "tap", "pypi", "crates"])
def waiting(request: pytest.FixtureRequest, at: Rehearsal, tmp_path: Path) -> Iterator[Waiting]:
    """A target whose release page is a draft. It asks without a token."""
    api = Api(web=Web(name="github", say=at.said.append), origin=at.server.origin, repository=REPOSITORY)
    page = ReleasePage(api=api, tag=TAG)
    if request.param == "yum":
        (tmp_path / "web").mkdir()
        made = tree_sets.make_set(tmp_path / "first", "0.2.0")
        yield dataclasses.replace(tree_sets.target(made, tmp_path / "web"), page=page)
    elif request.param == "tap":
        (tmp_path / "tap").mkdir()
        with taps.served(tmp_path / "tap", register("TAP_TOKEN", taps.TOKEN, "x-access-token")) as served:
            yield dataclasses.replace(served.tap("0.2.0"), page=page)
    elif request.param == "crates":
        registry: ServedRegistry = request.getfixturevalue("registry")
        yield dataclasses.replace(registry.target(request.getfixturevalue("built_crate")), page=page)
    else:
        index: Site = request.getfixturevalue("site")
        files = shutil.copytree(request.getfixturevalue("built_files"), tmp_path / "files")
        yield dataclasses.replace(index.target(Path(files)), page=page)


def test_nothing_leads_to_files_that_cannot_be_downloaded(waiting: Waiting, at: Rehearsal) -> None:
    for faults in (waiting.preflight(), waiting.preflight_promotion()):
        fault = faults[0]
        assert "an-owner/a-name has no public release of v0.2.0" in fault.what
        assert (fault.advice, fault.warning) == ("publish that first: nox -s publish -- --only github", False)
    for step in (waiting.publish, waiting.promote):
        with pytest.raises(VerificationError, match=r"has no public release of v0\.2\.0"):
            step()
    before = waiting.state()
    assert any(item.requests for item in before), "nothing was sent"
    at.target().publish()
    assert not [fault for fault in waiting.preflight() if not fault.warning]
    waiting.publish()
    assert not any(item.requests for item in waiting.state())


def test_a_page_of_the_same_run_is_asked_for_when_it_is_needed(waiting: Waiting, at: Rehearsal) -> None:
    assert waiting.page is not None
    same = dataclasses.replace(waiting, page=dataclasses.replace(waiting.page, published_here=True))
    assert not [fault for fault in same.preflight() if not fault.warning]
    with pytest.raises(VerificationError, match=r"has no public release of v0\.2\.0"):
        same.publish()
    at.target().publish()
    same.publish()


@pytest.mark.parametrize("with_github", [True, False], ids=["with the page", "the page is there already"])
def test_the_targets_of_a_run_wait_for_its_page(tmp_path: Path, with_github: bool) -> None:
    release = load(ROOT / "release.yaml")
    for tree in ("yum", "pacman"):
        (tmp_path / tree).mkdir()
    found = ReleaseSet(folder=tmp_path, name=release.name, version="0.1.0", commit="", files=(), document={})
    publication = Publication(
        release=release,
        found=found,
        tag_object="1" * 40,
        notes="",
        testing=False,
        ledger=PublicationLedger(tmp_path / "publish.json", "0.1.0"),
        scratch=tmp_path,
        run=Runner(log=tmp_path / "log"),
        say=print,
    )
    where = Places(
        github="https://github.example" if with_github else "",
        github_uploads="https://uploads.example",
        pypi_upload="https://pypi.example/legacy/",
        pypi_index="https://pypi.example/simple/",
        crates_index="https://index.example/",
        crates_api="https://crates.example",
        repositories=tmp_path,
        tap="https://tap.example/tap.git",
        tokens={name: register(name, f"{name}-of-the-tests", "x") for name in ("github", "pypi", "crates", "tap")},
    )
    pages = {one.name: one.page for one in every_target.targets(publication, where) if isinstance(one, Waiting)}
    assert set(pages) == {"yum", "pacman", "pypi", "crates", "tap"}
    origin = "https://github.example" if with_github else "https://api.github.com"
    for page in pages.values():
        assert page is not None
        assert (page.api.origin, page.tag, page.published_here) == (origin, "v0.1.0", with_github)
        assert page.api.web.authorize is None
