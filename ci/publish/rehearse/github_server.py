"""A stand-in for GitHub: the REST API for releases and tags, the host for uploads, and the public downloads.

It is as strict as GitHub or stricter: what a client leaves out or spells wrongly is refused. All of it is on one
origin: the API at `/repos/…`, uploads at `/uploads/repos/…`, downloads at `/OWNER/NAME/releases/download/TAG/FILE`.
Compared with GitHub's OpenAPI description of version 2026-03-10.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

from ci.publish.rehearse import github_documents
from ci.publish.rehearse.github_pages import Problem, Releases, StoredAsset, StoredPage
from ci.publish.rehearse.server import Reply, Request

VERSIONS = ("2022-11-28", "2026-03-10")
_JSON = ("application/vnd.github+json", "application/json")
_BYTES = "application/octet-stream"
_NEW = {"tag_name": str, "target_commitish": str, "name": str, "body": str, "draft": bool, "prerelease": bool,
        "generate_release_notes": bool, "make_latest": str}  # fmt: skip
_CHANGED = {key: kind for key, kind in _NEW.items() if key != "generate_release_notes"}


@dataclass(kw_only=True)
class GitHubServer:
    """GitHub with one repository, `owner/name`, and one token that may write to it.

    `answer` is what a `Server` is made of; set `origin` to the server's before it is used. `releases` is all that is
    stored, for tests to look at and to break.
    """

    repository: str
    token: str
    origin: str = ""
    releases: Releases = field(default_factory=Releases)

    def answer(self, request: Request) -> Reply:
        """Carry out a request."""
        try:
            for method, pattern, carry_out, public in self._routes():
                found = re.fullmatch(pattern, request.path)
                if found and request.method == method:
                    if not request.headers.get("user-agent"):
                        raise Problem(403, "Request forbidden by administrative rules: no User-Agent")
                    if not public:
                        self._require_headers(request)
                    return carry_out(request, *(unquote(part) for part in found.groups()))
            raise Problem(404, "Not Found")
        except Problem as problem:
            return _json(problem.status, problem.document)

    def _routes(self) -> list[tuple[str, str, Callable[..., Reply], bool]]:
        base, pages = f"/repos/{self.repository}", f"/repos/{self.repository}/releases"
        return [
            ("GET", f"{base}/git/ref/tags/(.+)", self._ref, False),
            ("GET", f"{base}/git/tags/([0-9a-f]{{40}})", self._tag, False),
            ("GET", pages, self._list, False),
            ("POST", pages, self._create, False),
            ("GET", f"{pages}/latest", self._latest, False),
            ("GET", f"{pages}/tags/(.+)", self._by_tag, False),
            ("GET", rf"{pages}/(\d+)", self._get, False),
            ("PATCH", rf"{pages}/(\d+)", self._change, False),
            ("DELETE", rf"{pages}/(\d+)", self._delete, False),
            ("GET", rf"{pages}/(\d+)/assets", self._assets, False),
            ("GET", rf"{pages}/assets/(\d+)", self._asset, False),
            ("DELETE", rf"{pages}/assets/(\d+)", self._delete_asset, False),
            ("POST", rf"/uploads{pages}/(\d+)/assets", self._upload, False),
            ("GET", f"/{self.repository}/releases/download/([^/]+)/([^/]+)", self._download, True),
            ("HEAD", f"/{self.repository}/releases/download/([^/]+)/([^/]+)", self._download, True),
        ]

    def _require_headers(self, request: Request) -> None:
        if request.headers.get("x-github-api-version") not in VERSIONS:
            raise Problem(400, f"X-GitHub-Api-Version must be one of {', '.join(VERSIONS)}")
        accept = request.headers.get("accept", "")
        if accept not in _JSON and not (accept == _BYTES and "/releases/assets/" in request.path):
            raise Problem(415, f"Unsupported 'Accept' header: {accept}. Must accept 'application/json'.")
        if "authorization" not in request.headers:
            if request.method != "GET":
                raise Problem(401, "Requires authentication")
        elif not self._may_write(request):
            raise Problem(401, "Bad credentials")

    def _may_write(self, request: Request) -> bool:
        return hmac.compare_digest(request.headers.get("authorization", ""), f"Bearer {self.token}")

    def _page(self, request: Request, number: str) -> StoredPage:
        page = self.releases.pages.get(int(number))
        if page is None or (page.draft and not self._may_write(request)):
            raise Problem(404, "Not Found")
        return page

    def _ref(self, request: Request, name: str) -> Reply:
        _query(request)
        if (tag := self.releases.tags.get(name)) is None:
            raise Problem(404, "Not Found")
        return _json(200, github_documents.ref(self._base, name, tag))

    def _tag(self, request: Request, sha: str) -> Reply:
        _query(request)
        found = next(((name, tag) for name, tag in self.releases.tags.items() if tag.sha == sha != tag.commit), None)
        if found is None:
            raise Problem(404, "Not Found")
        return _json(200, github_documents.tag(self._base, *found))

    def _list(self, request: Request) -> Reply:
        shown = [page for page in self.releases.newest_first() if not page.draft or self._may_write(request)]
        return self._paged(request, [self._of_page(page) for page in shown])

    def _create(self, request: Request) -> Reply:
        _query(request)
        page = self.releases.create(_fields(request, _NEW, "tag_name"))
        return _json(201, self._of_page(page), {"Location": f"{self._base}/releases/{page.id}"})

    def _latest(self, request: Request) -> Reply:
        _query(request)
        if (page := self.releases.latest()) is None:
            raise Problem(404, "Not Found")
        return _json(200, self._of_page(page))

    def _by_tag(self, request: Request, tag: str) -> Reply:
        _query(request)
        if (page := self.releases.public(tag)) is None:
            raise Problem(404, "Not Found")
        return _json(200, self._of_page(page))

    def _get(self, request: Request, number: str) -> Reply:
        _query(request)
        return _json(200, self._of_page(self._page(request, number)))

    def _change(self, request: Request, number: str) -> Reply:
        _query(request)
        page = self._page(request, number)
        self.releases.change(page, _fields(request, _CHANGED))
        return _json(200, self._of_page(page))

    def _delete(self, request: Request, number: str) -> Reply:
        _query(request)
        self.releases.delete(self._page(request, number))
        return Reply(status=204)

    def _assets(self, request: Request, number: str) -> Reply:
        page = self._page(request, number)
        return self._paged(request, [self._of_asset(page, asset) for asset in page.assets])

    def _asset(self, request: Request, number: str) -> Reply:
        _query(request)
        page, asset = self._find_asset(request, number)
        if request.headers["accept"] == _BYTES:
            return Reply(status=200, body=asset.data, headers={"Content-Type": _BYTES})
        return _json(200, self._of_asset(page, asset))

    def _delete_asset(self, request: Request, number: str) -> Reply:
        _query(request)
        page, asset = self._find_asset(request, number)
        self.releases.delete_asset(page, asset)
        return Reply(status=204)

    def _find_asset(self, request: Request, number: str) -> tuple[StoredPage, StoredAsset]:
        for page in self.releases.pages.values():
            for asset in page.assets:
                if asset.id == int(number) and (not page.draft or self._may_write(request)):
                    return page, asset
        raise Problem(404, "Not Found")

    def _upload(self, request: Request, number: str) -> Reply:
        page = self._page(request, number)
        query = _query(request, "name", "label")
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or "transfer-encoding" in request.headers:
            raise Problem(411, "Content-Length is required")
        if not re.fullmatch(r"[\w.+-]+/[\w.+-]+", request.headers.get("content-type", "")):
            raise Problem(400, "Content-Type is required")
        if not query.get("name"):
            raise Problem(400, "Invalid name for request")
        whole = len(request.body) == int(length)
        asset = self.releases.upload(page, query["name"], query.get("label", ""), request.body, whole=whole)
        if not whole:
            return Reply(status=0, cut=-1)
        return _json(201, self._of_asset(page, asset))

    def _download(self, request: Request, tag: str, name: str) -> Reply:
        del request
        page = self.releases.public(tag)
        asset = next((one for one in page.assets if one.name == name and one.whole), None) if page else None
        if asset is None:
            raise Problem(404, "Not Found")
        return Reply(status=200, body=asset.data, headers={"Content-Type": _BYTES})

    @property
    def _base(self) -> str:
        return f"{self.origin}/repos/{self.repository}"

    def _of_page(self, page: StoredPage) -> dict[str, Any]:
        return github_documents.page(self.origin, self.repository, page, digests=self.releases.digests)

    def _of_asset(self, page: StoredPage, asset: StoredAsset) -> dict[str, Any]:
        return github_documents.asset(self.origin, self.repository, page, asset, digests=self.releases.digests)

    def _paged(self, request: Request, entries: list[dict[str, Any]]) -> Reply:
        """One page of a list, and the header `Link` that leads to the others."""
        query = _query(request, "per_page", "page")
        size, number = (query.get(name, default) for name, default in (("per_page", "30"), ("page", "1")))
        if not size.isdecimal() or not 1 <= int(size) <= 100 or not number.isdecimal() or int(number) < 1:
            raise Problem(422, "per_page is a number from 1 to 100, page one from 1")
        count, at = int(size), int(number)
        last = max(1, -(-len(entries) // count))
        wanted = {"prev": at - 1, "next": at + 1, "last": last, "first": 1}
        gone = ("prev", "first") if at == 1 else ("next", "last") if at >= last else ()
        links = [
            f'<{self.origin}{request.path}?{urlencode({"per_page": count, "page": page})}>; rel="{name}"'
            for name, page in wanted.items()
            if name not in gone and last > 1
        ]
        headers = {"Link": ", ".join(links)} if links else {}
        return _json(200, entries[(at - 1) * count : at * count], headers)


def _query(request: Request, *known: str) -> dict[str, str]:
    """The values of the query; an unknown or repeated name is refused."""
    for name, values in request.query.items():
        if name not in known or len(values) != 1:
            raise Problem(422, f"Invalid request. The query has {name}, which is not known or there twice.")
    return {name: values[0] for name, values in request.query.items()}


def _fields(request: Request, known: Mapping[str, type], *required: str) -> dict[str, Any]:
    """The fields of a document in the body; an unknown one, or one of another type, is refused."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise Problem(415, "Content-Type must be application/json")
    try:
        document = json.loads(request.body)
    except ValueError:
        raise Problem(400, "Problems parsing JSON") from None
    if not isinstance(document, dict):
        raise Problem(400, "Body should be a JSON object")
    for name, value in document.items():
        if name not in known:
            raise Problem(422, f'Invalid request. "{name}" is not a permitted key.')
        if type(value) is not known[name]:
            raise Problem(422, f"Invalid request. For 'properties/{name}', {value!r} is not a {known[name].__name__}.")
    for name in required:
        if name not in document:
            raise Problem(422, f'Invalid request. "{name}" wasn\'t supplied.')
    if document.get("make_latest", "true") not in ("true", "false", "legacy"):
        raise Problem(422, "Invalid request. make_latest is one of true, false, legacy.")
    return document


def _json(status: int, document: object, headers: Mapping[str, str] | None = None) -> Reply:
    content = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    return Reply(status=status, body=json.dumps(document).encode(), headers=content)
