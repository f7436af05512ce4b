"""A server that does not answer has one exit code, whichever target it is of."""

from __future__ import annotations

import dataclasses
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ci.core.console import Console
from ci.core.errors import HostError, PreflightError
from ci.core.faults import fault_of
from ci.core.secrets import register
from ci.core.web import Web
from ci.publish import run
from ci.publish.github_api import Api
from ci.publish.pypi import PyPi
from ci.publish.rehearse.pypi_server import PyPiServer
from ci.publish.rehearse.server import Server
from ci.publish.release_page import ReleasePage
from ci.publish.tap import Tap
from ci.publish.target import Target
from ci.publish.trees import Tree
from tests.publish import image_sets, pypi_fixtures, registry_support, taps, tree_sets
from tests.publish.github_support import REPOSITORY, TAG, target_of
from tests.publish.pypi_fixtures import Site, built_files

__all__ = ["built_files"]

Make = Callable[[Path, str], Target]


@pytest.fixture
def nobody() -> Iterator[str]:
    """An origin on the loopback where nobody answers: its port is taken, and nobody listens there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def github(folder: Path, origin: str) -> Target:
    return target_of(origin, folder, print)


def registry(folder: Path, origin: str) -> Target:
    return registry_support.target(image_sets.make(folder / "set"), origin, folder / "ledger")


def tap(folder: Path, origin: str) -> Tap:
    secret = register("TAP_TOKEN", taps.TOKEN, "x-access-token")
    return taps.tap(taps.make_set(folder / "set", "0.2.0"), f"{origin}/tap.git", folder, secret)


def tree(folder: Path, origin: str) -> Tree:
    """A tree, for a folder that is not mounted."""
    return tree_sets.target(tree_sets.make_set(folder / "set", "0.2.0"), folder / "nowhere")


TARGETS: dict[str, Make] = {"github": github, "registry": registry, "yum": tree, "tap": tap}


@pytest.fixture(params=[*TARGETS, "pypi"])
def away(request: pytest.FixtureRequest, nobody: str, tmp_path: Path) -> Target:
    """A target that cannot be reached."""
    if request.param == "pypi":
        return pypi(request.getfixturevalue("built_files"), tmp_path, nobody)
    return TARGETS[request.param](tmp_path, nobody)


def pypi(files: Path, folder: Path, origin: str) -> PyPi:
    """The target, at an origin. It waits for nothing."""
    with Server(lambda request: pytest.fail("nobody asks it")) as server:
        site = Site(pypi=PyPiServer(token=pypi_fixtures.TOKEN, now=lambda: 0.0), server=server)
        return site.target(Path(shutil.copytree(files, folder / "files")), index=f"{origin}/simple/")


def test_a_target_out_of_reach_is_no_fault_of_the_release(away: Target) -> None:
    for require in (run.require_ready, run.require_promotable):
        with pytest.raises(HostError, match="one fault keeps this release from being"):
            require([away], [], Console())


def test_with_a_fault_of_the_release_it_is_a_preflight(away: Target) -> None:
    fault = fault_of(PreflightError("it is not verified"), "set", "a.rpm")
    with pytest.raises(PreflightError, match="2 faults keep this release from being"):
        run.require_ready([away], [fault], Console())


def test_a_release_page_out_of_reach(nobody: str, tmp_path: Path, built_files: Path) -> None:
    """What waits for the page is not at fault either."""
    api = Api(web=Web(name="github", say=print, sleep=lambda _: None), origin=nobody, repository=REPOSITORY)
    page = ReleasePage(api=api, tag=TAG)
    (tmp_path / "web").mkdir()
    (tmp_path / "tap").mkdir()
    waiting: list[Target] = [
        dataclasses.replace(
            tree_sets.target(tree_sets.make_set(tmp_path / "first", "0.2.0"), tmp_path / "web"), page=page
        ),
        dataclasses.replace(tap(tmp_path / "tap", nobody), page=page),
        dataclasses.replace(pypi(built_files, tmp_path, nobody), page=page),
    ]
    for one in waiting:
        with pytest.raises(HostError, match="no answer from"):
            run.require_ready([one], [], Console())
