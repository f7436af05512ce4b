"""All servers of a rehearsal, and the places that lead to them.

docker's registry and git are the real programs. GitHub, PyPI, the registry of crates, the web server and the registry
that lists referrers are stand-ins of this project. All of them are on the loopback, with tokens that are made up for
the time of the block.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ci.core.run import Runner
from ci.core.secrets import register
from ci.manifest.release import Release
from ci.publish.places import Places, basic_users
from ci.publish.rehearse import docker_registry
from ci.publish.rehearse.crates_server import CratesServer
from ci.publish.rehearse.git_server import git_server, make_repository
from ci.publish.rehearse.github_pages import StoredTag
from ci.publish.rehearse.github_server import GitHubServer
from ci.publish.rehearse.pypi_server import PyPiServer
from ci.publish.rehearse.registry_server import RegistryServer
from ci.publish.rehearse.registry_tokens import TokenOffice
from ci.publish.rehearse.server import Server
from ci.publish.rehearse.static import static_server

_READS = ("GET ", "HEAD ")
_TAP = "tap.git"


@dataclass(frozen=True, kw_only=True)
class Servers:
    """The servers: `places` leads to them, `docker` to docker's registry, or None without that program.

    `page` is the address of the release's files, `repositories` that of the trees.
    """

    places: Places
    docker: Places | None
    page: str
    repositories: str
    running: tuple[Server, ...]

    def writes(self) -> int:
        """How many requests came that change something; docker's registry does not count them."""
        return sum(
            not line.startswith(_READS) and "git-upload-pack" not in line for one in self.running for line in one.seen
        )


@contextmanager
def serving(
    release: Release, tag_object: str, commit: str, published: Path | None, folder: Path, run: Runner
) -> Iterator[Servers]:
    """Start them for the time of the block, in a new folder. `published` has the trees that are published now."""
    targets = release.targets
    tokens = {name: secrets.token_urlsafe(24) for name in ("github", "registry", "pypi", "crates", "tap")}
    user = targets.registry.user if targets.registry else "user"
    users = basic_users(release)
    known = {name: register(f"the token of {name}", value, *users.get(name, ())) for name, value in tokens.items()}
    github = _github(release, StoredTag(sha=tag_object, commit=commit), tokens["github"])
    pypi = PyPiServer(token=tokens["pypi"])
    crates = CratesServer(token=tokens["crates"])
    registry = RegistryServer(office=TokenOffice(user=user, password=tokens["registry"]))
    trees, taps = folder / "trees", folder / "taps"
    _copy_published(published, trees)
    taps.mkdir()
    _make_tap(taps, targets.tap.branch if targets.tap else "main", run)
    with ExitStack() as stack:
        page, index, cargo, images, web, git = (
            stack.enter_context(one)
            for one in (
                Server(github.answer),
                Server(pypi.answer),
                Server(crates.answer),
                Server(registry.answer),
                static_server(trees),
                git_server(taps, tokens["tap"], run),
            )
        )
        github.origin, crates.origin = page.origin, cargo.origin
        places = Places(
            github=page.origin if targets.github else "",
            github_uploads=page.origin,
            registry=images.origin if targets.registry else "",
            images=release.images.registry.partition("/")[2],
            pypi_upload=f"{index.origin}/legacy/" if targets.pypi else "",
            pypi_index=f"{index.origin}/simple/" if targets.pypi else "",
            crates_index=crates.index if targets.crates else "",
            crates_api=crates.origin if targets.crates else "",
            repositories=trees,
            tap=f"{git.origin}/{_TAP}" if targets.tap else "",
            tokens=known,
        )
        docker = None
        if shutil.which("docker-registry") and targets.registry:
            origin = stack.enter_context(docker_registry.serving(folder / "docker-registry", run))
            docker = _registry_alone(places, origin)
        yield Servers(
            places=places,
            docker=docker,
            page=f"{page.origin}/{github.repository}/releases/download/{release.version.tag}",
            repositories=web.origin,
            running=(page, index, cargo, images, git),
        )


def _github(release: Release, tag: StoredTag, token: str) -> GitHubServer:
    target = release.targets.github
    server = GitHubServer(repository=target.repository if target else "owner/name", token=token)
    server.releases.tags[release.version.tag] = tag
    return server


def _registry_alone(places: Places, origin: str) -> Places:
    """The same places, with another registry and no other target."""
    return replace(
        places,
        registry=origin,
        github="",
        pypi_upload="",
        pypi_index="",
        crates_index="",
        repositories=None,
        tap="",
    )


def _copy_published(published: Path | None, trees: Path) -> None:
    """Publish to the folder what is published now, so that the set's trees find the ones that they were made from."""
    (trees / ".trees").mkdir(parents=True)
    for name in ("yum", "pacman") if published else ():
        assert published is not None
        source = (published / name).resolve()
        if source.is_dir():
            kept = Path(".trees") / (source.name if source.name != name else f"{name}-published")
            shutil.copytree(source, trees / kept)
            (trees / name).symlink_to(kept)


def _make_tap(folder: Path, branch: str, run: Runner) -> None:
    """Make a tap with one commit, as a new one has."""
    bare = make_repository(folder / _TAP, run, branch)
    blob = run.output("git", "-C", bare, "hash-object", "-w", "--stdin", stdin=b"A tap for a rehearsal.\n").strip()
    listed = f"100644 blob {blob}\tREADME.md\n".encode()
    tree = run.output("git", "-C", bare, "mktree", stdin=listed).strip()
    who = {f"GIT_{role}_{what}": "rehearsal" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    commit = run.output("git", "-C", bare, "commit-tree", "-m", "Begin the tap", tree, env=who).strip()
    run("git", "-C", bare, "update-ref", f"refs/heads/{branch}", commit)
