"""A small set, a stand-in for GitHub that has its tag, and the target that publishes the one to the other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ci.core.web import Web
from ci.publish.github import GitHub
from ci.publish.ledger import PublicationLedger
from ci.publish.rehearse.github_pages import Releases, StoredPage, StoredTag
from ci.publish.rehearse.github_server import GitHubServer
from ci.publish.rehearse.server import Reply, Request, Server
from ci.publish.release_set import ReleaseSet, SetFile
from ci.publish.target import State, Target

REPOSITORY = "an-owner/a-name"
TOKEN = "ghp_planted-token-for-tests-0123456789"
TAG = "v0.2.0"
TAG_OBJECT = "a1" * 20
COMMIT = "1f" * 20
FILES = {
    "SHA256SUMS": b"the checksums\n",
    "faas-runtime-0.2.0.tar.gz": b"the sources " * 1000,
    "libstdc++-0.2.0-1.noarch.rpm": bytes(range(256)) * 40,
}


def make_set(folder: Path, files: Mapping[str, bytes] = FILES) -> ReleaseSet:
    """A set of a few files; nothing in it is signed."""
    folder.mkdir(exist_ok=True)
    found = []
    for name, data in sorted(files.items()):
        path = folder / name
        path.write_bytes(data)
        found.append(SetFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest()))
    return ReleaseSet(
        folder=folder, name="faas-runtime", version="0.2.0", commit=COMMIT, files=tuple(found), document={}
    )


def target_of(origin: str, folder: Path, say: Callable[[str], None], **changed: Any) -> GitHub:
    """The target for a set in `folder`/set, with a ledger beside it. Nothing waits."""
    web = Web(
        name="github",
        say=say,
        trusted=(origin,),
        authorize=lambda _: {"Authorization": f"Bearer {TOKEN}"},
        sleep=lambda _: None,
    )
    fields: dict[str, Any] = {
        "release_set": make_set(folder / "set"),
        "web": web,
        "origin": origin,
        "repository": REPOSITORY,
        "tag": TAG,
        "tag_object": TAG_OBJECT,
        "title": "faas-runtime 0.2.0",
        "notes": "What is new.\n",
        "prerelease": False,
        "ledger": PublicationLedger(folder / "publish.json", "0.2.0"),
        "say": say,
    }
    return GitHub(**{**fields, **changed})


Spoil = Callable[[Request, Callable[[Request], Reply]], Reply]
"""Answers a request in the place of the function that it is given."""


@dataclass
class Rehearsal:
    """A server, and what was said. `spoil` is between the server and whoever asks it."""

    folder: Path
    github: GitHubServer
    said: list[str] = field(default_factory=list)
    spoil: Spoil | None = None
    server: Server = field(init=False)

    def answer(self, request: Request) -> Reply:
        """The answer of the server, or a spoilt one."""
        return self.spoil(request, self.github.answer) if self.spoil else self.github.answer(request)

    @property
    def releases(self) -> Releases:
        return self.github.releases

    def target(self, **changed: Any) -> GitHub:
        """The target, with another ledger object each time, as each run of the program has."""
        return target_of(self.server.origin, self.folder, self.said.append, **changed)

    def publish_version(self, version: str, **fields: Any) -> int:
        """An earlier release that is public already; returns the number of its page."""
        tag = f"v{version}"
        self.releases.tags[tag] = StoredTag(hashlib.sha1(tag.encode()).hexdigest(), COMMIT)
        page = self.releases.create({"tag_name": tag, "name": tag, "body": f"About {tag}.\n", **fields})
        return page.id

    def end_state(self) -> object:
        """Everything that is stored, without the numbers that GitHub gives."""
        latest = self.releases.latest()
        pages = [
            (page.tag, page.title, page.notes, page.draft, page.prerelease, page.immutable,
             sorted((asset.name, asset.data, asset.whole) for asset in page.assets))
            for page in self.releases.newest_first()
        ]  # fmt: skip
        return pages, dict(self.releases.tags), latest.tag if latest else ""


def ours(at: Rehearsal) -> StoredPage:
    """The one page of the tag."""
    (page,) = [page for page in at.releases.pages.values() if page.tag == TAG]
    return page


def states(target: Target) -> dict[str, State]:
    """The state of each item of a target."""
    return {item.name: item.state for item in target.state()}


def make_draft(at: Rehearsal, **files: bytes) -> StoredPage:
    """A draft of the tag that has some files."""
    page = at.releases.create({"tag_name": TAG, "draft": True})
    for name, data in files.items():
        at.releases.upload(page, name, "", data, whole=True)
    return page


@contextmanager
def rehearsal(folder: Path, **options: Any) -> Iterator[Rehearsal]:
    """GitHub with an empty repository that has the tag and one earlier release."""
    folder.mkdir(exist_ok=True)
    github = GitHubServer(repository=REPOSITORY, token=TOKEN)
    github.releases.tags[TAG] = StoredTag(TAG_OBJECT, COMMIT)
    found = Rehearsal(folder=folder, github=github)
    with Server(found.answer, **options) as found.server:
        github.origin = found.server.origin
        found.publish_version("0.1.0")
        yield found
