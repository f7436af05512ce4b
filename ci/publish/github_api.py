"""GitHub's REST API, as far as the release page needs it. What the server answers is checked before it is believed.

Source: GitHub's OpenAPI description of version 2026-03-10, the endpoints of releases, their assets, and git.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from ci.core.errors import HostError
from ci.core.web import Answer, Refusal, UnknownOutcome, Web, host_of, origin_of
from ci.publish.github_answers import Asset, Document, Page, asset_of, document_of, entries_of, links_of, page_of

API_VERSION = "2026-03-10"
PER_PAGE = 100
_MOST_PAGES = 100  # GitHub lists the first 10,000 releases
_MOST_REPETITIONS = 2
_MOVED = (301, 302, 303, 307, 308)
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Api:
    """The requests for the release pages of one repository, `owner/name`, at the origin of the API."""

    web: Web
    origin: str
    repository: str

    @property
    def path(self) -> str:
        """The path that all requests but uploads begin with."""
        return f"/repos/{self.repository}"

    def tag_object(self, tag: str) -> str:
        """What the remote's tag is: the sha of its object, or of its commit if it has none; empty if there is no tag.

        `GET /repos/{owner}/{repo}/git/ref/tags/{tag}`.
        """
        what = f"the tag {tag}"
        answer = self._ask("GET", f"{self.path}/git/ref/tags/{quote(tag)}", what, expect=(200, 404))
        if answer.status == 404:
            return ""
        target = document_of(answer, what).document("object")
        if target.text("type") not in ("tag", "commit") or not _SHA.fullmatch(target.text("sha")):
            raise target.wrong("object")
        return target.text("sha")

    def commit_of(self, tag_object: str) -> str:
        """The commit that a tag's object is for; a commit is for itself. `GET …/git/tags/{tag_sha}`."""
        what = f"the object {tag_object} of a tag"
        answer = self._ask("GET", f"{self.path}/git/tags/{tag_object}", what, expect=(200, 404))
        return tag_object if answer.status == 404 else document_of(answer, what).document("object").line("sha")

    def public(self, tag: str) -> Page | None:
        """The public release of a tag; a draft is never found so. `GET …/releases/tags/{tag}`."""
        return self._page_or_none(f"{self.path}/releases/tags/{quote(tag)}", f"the release of {tag}")

    def by_id(self, number: int) -> Page | None:
        """A release page or a draft by its number. `GET …/releases/{release_id}`."""
        return self._page_or_none(f"{self.path}/releases/{number}", f"the release page {number}")

    def latest(self) -> Page | None:
        """The release that has the mark "latest". `GET …/releases/latest`."""
        return self._page_or_none(f"{self.path}/releases/latest", "the latest release")

    def pages(self) -> list[Page]:
        """All release pages, with the drafts that the token may see. `GET …/releases`, all pages of the list."""
        found = self._list(f"{self.path}/releases", "the list of releases")
        return [page_of(one) for one in found]

    def assets(self, page: int) -> list[Asset]:
        """All files of a release page. `GET …/releases/{release_id}/assets`, all pages of the list."""
        found = self._list(f"{self.path}/releases/{page}/assets", f"the files of the release page {page}")
        return [asset_of(one) for one in found]

    def create(self, fields: Mapping[str, Any]) -> Page:
        """Make a draft. `POST …/releases`; it is not repeated."""
        what = "making a draft"
        answer = self._ask("POST", f"{self.path}/releases", what, expect=(201,), document=fields)
        return page_of(document_of(answer, what))

    def change(self, page: int, fields: Mapping[str, Any], what: str) -> Page:
        """Change a release page. `PATCH …/releases/{release_id}`; it is not repeated."""
        answer = self._ask("PATCH", f"{self.path}/releases/{page}", what, document=fields)
        return page_of(document_of(answer, what))

    def upload(self, page: Page, name: str, data: bytes) -> Asset:
        """Send a file to the host that the page names for it. `POST …/releases/{release_id}/assets`; not repeated."""
        what = f"sending {name}"
        origin = origin_of(page.upload_url)
        if origin not in self.web.trusted:
            raise HostError(
                f"{what}: {host_of(self.origin)} wants it at {host_of(page.upload_url)}, which the token is not for",
                hint="if this host is right, add it to the hosts of this target",
            )
        url = f"{page.upload_url.partition('{')[0]}?{urlencode({'name': name}, quote_via=quote)}"
        headers = {"Content-Type": "application/octet-stream"}
        answer = self._ask("POST", url, what, expect=(201,), body=data, headers=headers)
        return asset_of(document_of(answer, what))

    def delete_asset(self, asset: Asset) -> None:
        """Delete what a broken-off upload has left. `DELETE …/releases/assets/{asset_id}`."""
        url = f"{self.path}/releases/assets/{asset.id}"
        self._ask("DELETE", url, f"deleting the broken-off upload of {asset.name}", expect=(204, 404))

    def sha256_of(self, asset: Asset) -> str:
        """The hash of a file: the server's digest, or that of its bytes. `GET …/releases/assets/{asset_id}`."""
        if asset.sha256:
            return asset.sha256
        headers = {"Accept": "application/octet-stream"}
        url = f"{self.path}/releases/assets/{asset.id}"
        answer = self._ask("GET", url, f"downloading {asset.name}, which has no digest", headers=headers)
        return hashlib.sha256(answer.body).hexdigest()

    def _page_or_none(self, path: str, what: str) -> Page | None:
        answer = self._ask("GET", path, what, expect=(200, 404))
        return None if answer.status == 404 else page_of(document_of(answer, what))

    def _list(self, path: str, what: str) -> list[Document]:
        """All entries of a list, page by page. A list with a gap raises `Refusal`: what is missing is not gone."""
        found: dict[int, Document] = {}
        last = 1
        for number in range(1, _MOST_PAGES + 1):
            answer = self._ask("GET", f"{path}?per_page={PER_PAGE}&page={number}", what)
            entries = entries_of(answer, what)
            links = links_of(answer)
            last = max(last, links.get("last", 0), links.get("next", 0))
            if (not entries and 1 < last >= number) or links.get("next", number + 1) != number + 1:
                raise Refusal(
                    f"{what}: page {number} of {last} is empty, or leads past the next one",
                    answer,
                    hint="wait, then run the same command again",
                )
            found |= {entry.number("id"): entry for entry in entries}
            if len(entries) < PER_PAGE and number >= last:
                return list(found.values())
        raise Refusal(f"{what}: it has more than {_MOST_PAGES} pages", answer, hint="delete old drafts there")

    def _ask(
        self,
        method: str,
        url: str,
        what: str,
        *,
        expect: Collection[int] = (200,),
        document: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        if document is not None:
            body, headers = json.dumps(document).encode(), {"Content-Type": "application/json"}
        sent = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": API_VERSION, **(headers or {})}
        address = f"{self.origin}{url}" if url.startswith("/") else url
        try:
            return self.web.ask(method, address, what, expect=expect, body=body, headers=sent)
        except Refusal as error:
            raise Refusal(str(error), error.answer, hint=_advice(method, error.answer) or error.hint) from None


def carried_out(send: Callable[[], T], look: Callable[[], T | None]) -> T:
    """Send a request that may not be repeated blindly. If nobody knows what came of it, `look` for it at the server.

    What is not there is sent again, at most twice.
    """
    for repetition in range(_MOST_REPETITIONS + 1):
        try:
            return send()
        except (UnknownOutcome, Refusal) as error:
            if isinstance(error, Refusal) and "already_exists" not in _codes(error.answer):
                raise
            if (found := look()) is not None:
                return found
            if repetition == _MOST_REPETITIONS:
                raise
    raise AssertionError("the last repetition ends the loop")


def _codes(answer: Answer) -> str:
    """What a refusal says, whole, to look for words in."""
    return answer.body[:10_000].decode(errors="replace") if answer.status == 422 else ""


def _advice(method: str, answer: Answer) -> str:
    """What to do about a refusal; empty if there is nothing to say that is GitHub's own."""
    said = _codes(answer)
    if "was used by an immutable release" in said:
        return "a deleted release had this tag, and its name can never be used again: take the next version"
    if "immutable release" in said:
        return "a public release cannot be changed any more: if it is not right, take the next version"
    if "already_exists" in said:
        return "look at the draft in a browser: a file of this name is in the way; then run the same command again"
    if answer.status == 422:
        return "look at what GitHub says; once that is put right, run the same command again"
    if answer.status == 409:
        return "somebody else is changing it: wait, then run the same command again"
    if answer.status in _MOVED and "location" in answer.headers:
        return "the repository has another name now: write that one below targets in release.yaml"
    if answer.status == 404 and method != "GET":
        # Source: the OpenAPI description, at the making and the changing of a release.
        return "may the token write there? If the release changes .github/workflows, it needs the right for that, too"
    return ""
