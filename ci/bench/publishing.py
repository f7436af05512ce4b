"""What publishing costs beside the bare tools that send the same bytes: curl, skopeo and git.

Both publish a finished set to the servers of a rehearsal, which run in a process of their own. The bare tools ask
nothing, compare nothing, and send everything at once.
"""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

from ci.bench import bare_publishing, figures
from ci.bench.bare_publishing import BarePlaces
from ci.bench.figures import COLUMNS, all_met, number
from ci.bench.paths import LOG, ROOT
from ci.bench.setup import save
from ci.core.console import Console
from ci.core.run import Runner
from ci.core.secrets import register
from ci.core.web import Web
from ci.publish import release_set
from ci.publish.github import GitHub
from ci.publish.ledger import PublicationLedger
from ci.publish.registry import Registry
from ci.publish.rehearse import docker_registry
from ci.publish.rehearse.git_server import git_server, make_repository
from ci.publish.rehearse.github_pages import StoredTag
from ci.publish.rehearse.github_server import GitHubServer
from ci.publish.rehearse.server import Server
from ci.publish.release_set import ReleaseSet
from ci.publish.tap import Tap
from ci.publish.target import Target

PUBLISHING_RATIO = 1.3
TIME_COLUMNS = ["target", ">MB", ">publish, ms", ">bare tool, ms", ">ratio"]

_WORD = "a-token-of-the-bench"  # for servers on the loopback alone
_IMAGES = ("image", "image-index")
_TAG_OBJECT = "1" * 40


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two ways to send the same files to one target: ours, and that of a bare tool.

    The preflight of ours is not counted: it has asked before anything is sent, and no bare tool does.
    """

    target: str
    tool: str
    size: int
    ours: Target
    bare: Callable[[], object]


def measure(rounds: int, folder: Path) -> bool:
    """Measure with the set in a folder, print the tables, write `dist/bench/publishing.json`."""
    found = release_set.read(folder)
    seconds: dict[str, tuple[list[float], list[float]]] = {}
    pairs: list[Pair] = []
    for number_of_round in range(rounds):
        with tempfile.TemporaryDirectory(prefix="faas-bench-") as scratch, _serving(found, Path(scratch)) as places:
            pairs = list(_pairs(found, places, Path(scratch)))
            for pair in pairs:
                ours, bare = seconds.setdefault(pair.target, ([], []))
                pair.ours.preflight()
                both = [(pair.ours.publish, ours), (pair.bare, bare)]
                for act, times in both if number_of_round % 2 else reversed(both):
                    times.append(_timed(act))
    rows = [_row(pair, *seconds[pair.target]) for pair in pairs]
    totals = [[sum(times) for times in zip(*(one[way] for one in seconds.values()), strict=True)] for way in (0, 1)]
    ratio = statistics.median(ours / bare for ours, bare in zip(*totals, strict=True))
    limit = figures.FigureTarget(what="publish / curl, skopeo and git, seconds", measured=ratio, most=PUBLISHING_RATIO)
    Console().table("Times", TIME_COLUMNS, rows)
    Console().table("Cost of publishing", COLUMNS, [limit.row()])
    command = f"nox -s bench -- publishing --rounds {rounds}"
    save("publishing", {"command": command, "targets": [limit.data()], "times": rows})
    return all_met([limit])


def _row(pair: Pair, ours: list[float], bare: list[float]) -> list[str]:
    ratio = statistics.median(one / other for one, other in zip(ours, bare, strict=True))
    times = [number(1000 * statistics.median(one)) for one in (ours, bare)]
    return [f"{pair.target}, beside {pair.tool}", number(pair.size / 1e6), *times, number(ratio)]


def _timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def _pairs(found: ReleaseSet, places: BarePlaces, scratch: Path) -> Iterator[Pair]:
    run = Runner(log=LOG.with_name("bench-publishing.log"))
    images = replace(found, files=found.of_kind(*_IMAGES))
    formula = found.of_kind("formula")
    indexes = found.of_kind("image-index")
    yield Pair(
        target="github",
        tool="curl",
        size=sum(file.size for file in found.files),
        ours=_github(found, places, scratch),
        bare=lambda: bare_publishing.to_github(found.files, places, run),
    )
    yield Pair(
        target="registry",
        tool="skopeo copy",
        size=sum(file.size for file in indexes),
        ours=_registry(images, places, scratch),
        bare=lambda: bare_publishing.to_registry(indexes, places, run),
    )
    yield Pair(
        target="tap",
        tool="git clone, commit and push",
        size=formula[0].size,
        ours=_tap(found, places, scratch, run),
        bare=lambda: bare_publishing.to_tap(formula[0], places, scratch / "clone", run),
    )


def _github(found: ReleaseSet, places: BarePlaces, scratch: Path) -> GitHub:
    return GitHub(
        release_set=found,
        web=Web(
            name="github",
            say=_nothing,
            trusted=(places.github,),
            authorize=lambda origin: {"Authorization": f"Bearer {places.token.reveal()}"},
        ),
        origin=places.github,
        repository=places.repository,
        tag=f"v{found.version}",
        tag_object=_TAG_OBJECT,
        title=found.version,
        notes="Measured.\n",
        prerelease=False,
        ledger=PublicationLedger(scratch / "github.json", found.version),
        say=_nothing,
    )


def _registry(found: ReleaseSet, places: BarePlaces, scratch: Path) -> Registry:
    return Registry(
        release_set=found,
        web=Web(name="registry", say=_nothing),
        origin=places.registry,
        repository="ours/image",
        ledger=PublicationLedger(scratch / "registry.json", found.version),
        say=_nothing,
        floating=False,
    )


def _tap(found: ReleaseSet, places: BarePlaces, scratch: Path, run: Runner) -> Tap:
    return Tap(
        release=found,
        url=f"{places.tap}/ours.git",
        formula=found.name,
        branch="main",
        token=places.token,
        run=run,
        scratch=scratch / "tap",
        epoch=int(found.document["source_date_epoch"]),
        maintainer="bench <bench@example.org>",
        say=_nothing,
    )


def _nothing(line: str) -> None:
    """Say nothing: a line costs time."""


@contextmanager
def _serving(found: ReleaseSet, scratch: Path) -> Iterator[BarePlaces]:
    """The servers, in a process of their own: a stand-in must not take turns with the client that is measured."""
    fork = multiprocessing.get_context("fork")
    here, there = fork.Pipe()
    folder = scratch / "servers"
    child = fork.Process(target=_serve, args=(here, there, folder, found.version, found.commit))
    child.start()
    there.close()
    try:
        github, registry, tap = here.recv()
        token = register("the token of the bench", _WORD, bare_publishing.USER)
        yield BarePlaces(github=github, registry=registry, tap=tap, token=token)
    finally:
        here.close()
        child.join()


def _serve(parent: Connection, pipe: Connection, folder: Path, version: str, commit: str) -> None:
    """Serve until the other end of the pipe is closed, which is the parent's."""
    parent.close()
    (folder / "taps").mkdir(parents=True)
    run = Runner(log=folder / "log")
    for name in ("ours", "bare"):
        bare_publishing.begin(make_repository(folder / "taps" / f"{name}.git", run), run)
    github = GitHubServer(repository=bare_publishing.REPOSITORY, token=_WORD)
    for tag in (f"v{version}", bare_publishing.TAG):
        github.releases.tags[tag] = StoredTag(sha=_TAG_OBJECT, commit=commit)
    with (
        Server(github.answer) as page,
        git_server(folder / "taps", _WORD, run) as git,
        docker_registry.serving(folder / "registry", run) as registry,
    ):
        github.origin = page.origin
        pipe.send((page.origin, registry, git.origin))
        try:
            pipe.recv()
        except EOFError:
            return


def set_folder(chosen: Path | None) -> Path:
    """The folder of the set: the one that was named, or that of the checkout."""
    return chosen.absolute() if chosen else ROOT / "dist" / "release"
