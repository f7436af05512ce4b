"""What the stand-in for GitHub stores: tags, release pages and their files, and the rules for changing them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MOST_ASSETS = 1_000
_SHA_CHARACTERS = 40


class Problem(Exception):
    """A request that is refused: the status, and the document that says why."""

    def __init__(self, status: int, message: str, *errors: Mapping[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.document: dict[str, Any] = {"message": message, "documentation_url": "https://docs.github.com/rest"}
        self.document |= {"status": str(status)} | ({"errors": list(errors)} if errors else {})


@dataclass(frozen=True)
class StoredTag:
    """A tag: the sha of its object and of its commit, which are the same if the tag has no object."""

    sha: str
    commit: str


@dataclass
class StoredAsset:
    """A file of a release page; `whole` is False for what a broken-off upload leaves."""

    id: int
    name: str
    label: str
    data: bytes
    whole: bool = True


@dataclass
class StoredPage:
    """A release page or a draft."""

    id: int
    tag: str
    target: str
    title: str
    notes: str
    draft: bool
    prerelease: bool
    immutable: bool = False
    assets: list[StoredAsset] = field(default_factory=list)


@dataclass
class Releases:
    """All of it. `burned` are the names of tags of immutable releases that were deleted.

    `immutable` is the switch of the repository: what is published is frozen. `digests` is whether files have digests;
    those from before June 2025 have none.
    """

    tags: dict[str, StoredTag] = field(default_factory=dict)
    pages: dict[int, StoredPage] = field(default_factory=dict)
    burned: set[str] = field(default_factory=set)
    immutable: bool = True
    digests: bool = True
    default_branch: StoredTag = StoredTag("d" * _SHA_CHARACTERS, "d" * _SHA_CHARACTERS)
    _latest: int = 0
    _last_id: int = 0

    def newest_first(self) -> list[StoredPage]:
        """All pages and drafts, in the order of the list."""
        return [self.pages[number] for number in sorted(self.pages, reverse=True)]

    def public(self, tag: str) -> StoredPage | None:
        """The public release of a tag."""
        return next((page for page in self.pages.values() if page.tag == tag and not page.draft), None)

    def latest(self) -> StoredPage | None:
        """The release that has the mark, or else the newest full one."""
        full = [page for page in self.newest_first() if not page.draft and not page.prerelease]
        return next((page for page in full if page.id == self._latest), full[0] if full else None)

    def create(self, fields: Mapping[str, Any]) -> StoredPage:
        """Make a release page."""
        page = StoredPage(
            id=self._next_id(),
            tag=fields["tag_name"],
            target=fields.get("target_commitish", "main"),
            title=fields.get("name", ""),
            notes=fields.get("body", ""),
            draft=True,
            prerelease=fields.get("prerelease", False),
        )
        if not page.tag or re.search(r"[\s~^:?*\[\\]|\.\.", page.tag):
            raise _invalid("tag_name", "custom", "tag_name is not a valid tag")
        if not fields.get("draft", False):
            self._publish(page, fields.get("make_latest", "true"))
        self.pages[page.id] = page
        return page

    def change(self, page: StoredPage, fields: Mapping[str, Any]) -> None:
        """Change a page. An immutable one keeps its tag and stays public; a draft whose tag is left out may lose it."""
        if page.immutable and (fields.get("tag_name", page.tag) != page.tag or fields.get("draft", False)):
            raise _invalid("tag_name", "custom", "Cannot change the tag of an immutable release")
        publishes = page.draft and not fields.get("draft", True)
        if publishes and "tag_name" not in fields:
            raise Problem(422, "Validation Failed", {"resource": "Release", "code": "missing", "field": "tag_name"})
        changed = StoredPage(
            id=page.id,
            tag=fields.get("tag_name", page.tag),
            target=fields.get("target_commitish", page.target),
            title=fields.get("name", page.title),
            notes=fields.get("body", page.notes),
            draft=fields.get("draft", page.draft),
            prerelease=fields.get("prerelease", page.prerelease),
        )
        if fields.get("make_latest") == "true" and (changed.draft or changed.prerelease):
            raise _invalid("make_latest", "custom", "Drafts and prereleases cannot be the latest release")
        if publishes:
            self._publish(changed, fields.get("make_latest", "true"))
        elif not changed.draft and "make_latest" in fields:
            self._mark(changed, fields["make_latest"])
        changed.immutable = changed.immutable or page.immutable
        changed.assets = page.assets
        vars(page).update(vars(changed))

    def delete(self, page: StoredPage) -> None:
        """Delete a page; the tag of an immutable one can never be used again."""
        if page.immutable:
            self.burned.add(page.tag)
        del self.pages[page.id]

    def upload(self, page: StoredPage, name: str, label: str, data: bytes, *, whole: bool) -> StoredAsset:
        """Store a file under the name that GitHub makes of the one that it is given."""
        if page.immutable:
            raise Problem(422, "Cannot upload assets to an immutable release.")
        stored = re.sub(r"[^A-Za-z0-9._+@-]", ".", name).strip(".") or "default"
        if any(asset.name == stored for asset in page.assets):
            error = {"resource": "ReleaseAsset", "code": "already_exists", "field": "name"}
            raise Problem(422, "Validation Failed", error)
        if len(page.assets) >= _MOST_ASSETS:
            error = {"resource": "ReleaseAsset", "code": "custom", "message": "file_count limited to 1000"}
            raise Problem(422, "Validation Failed", error)
        asset = StoredAsset(id=self._next_id(), name=stored, label=label, data=data, whole=whole)
        page.assets.append(asset)
        return asset

    def delete_asset(self, page: StoredPage, asset: StoredAsset) -> None:
        """Delete a file."""
        if page.immutable:
            raise Problem(422, "Cannot delete assets from an immutable release.")
        page.assets.remove(asset)

    def _publish(self, page: StoredPage, make_latest: str) -> None:
        if page.tag in self.burned:
            raise Problem(
                422,
                "Validation Failed",
                {"resource": "Release", "code": "custom", "field": "pre_receive",
                 "message": "pre_receive Repository rule violations found\n\nCannot create ref due to creations being "
                 "restricted.\n\n"},
                {"resource": "Release", "code": "custom", "field": "tag_name",
                 "message": "tag_name was used by an immutable release"},
            )  # fmt: skip
        if self.public(page.tag):
            raise _invalid("tag_name", "already_exists")
        self.tags.setdefault(page.tag, self.default_branch)  # what nobody wants, and what GitHub does
        page.draft = False
        page.immutable = self.immutable
        self._mark(page, make_latest)

    def _mark(self, page: StoredPage, make_latest: str) -> None:
        if make_latest != "false" and not page.prerelease:
            self._latest = page.id
        elif make_latest == "false" and self._latest == page.id:
            self._latest = 0

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id


def _invalid(name: str, code: str, message: str = "") -> Problem:
    error = {"resource": "Release", "code": code, "field": name} | ({"message": message} if message else {})
    return Problem(422, "Validation Failed", error)
