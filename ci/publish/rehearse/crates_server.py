"""A stand-in for a registry of cargo: its API, its sparse index, and the files.

It is stricter than crates.io: the metadata must say what the manifest in the file says, and a field that nobody knows
is refused.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ci.core import crate_file
from ci.core.cargo_registry import CRATES_IO
from ci.publish.rehearse.crates_rules import NotPublished, check
from ci.publish.rehearse.server import Reply, Request

_JSON = "application/json"
_VERSION = re.compile(r"/api/v1/crates/(?P<name>[\w-]+)/(?P<version>[\w.+-]+)/(?P<what>download|yank|unyank)")


@dataclass(kw_only=True)
class StoredCrate:
    """A version of a crate: the metadata that came with it, the bytes of its file, and its line in the index."""

    metadata: Mapping[str, Any]
    content: bytes
    entry: dict[str, Any]


@dataclass(kw_only=True)
class CratesServer:
    """The registry; `answer` is given to a `Server`, whose address `origin` then is. The index is at `/index/`.

    `token` is the one that may publish. `crates` are all versions, by name and version; none of them ever goes.
    `warnings` are what it says of each crate that is published. `changes` counts what was really changed.
    """

    token: str
    origin: str = ""
    crates: dict[tuple[str, str], StoredCrate] = field(default_factory=dict)
    warnings: Mapping[str, list[str]] = field(default_factory=dict)
    changes: int = 0

    @property
    def index(self) -> str:
        """The address of the index."""
        return f"{self.origin}/index"

    def answer(self, request: Request) -> Reply:
        """Carry a request out."""
        try:
            if request.path.startswith("/index/"):
                return self._index(request)
            if request.path == "/api/v1/crates/new":
                return self._publish(request)
            if found := _VERSION.fullmatch(request.path):
                return self._version(request, found)
        except NotPublished as refused:
            return _document({"errors": [{"detail": str(refused)}]}, refused.status)
        return _document({"errors": [{"detail": "Not Found"}]}, 404)

    def _index(self, request: Request) -> Reply:
        _require_method(request, "GET", "HEAD")
        path = request.path.removeprefix("/index/")
        if path == "config.json":
            return _document({"dl": f"{self.origin}/api/v1/crates", "api": self.origin})
        lines = [json.dumps(one.entry) for (name, _), one in self.crates.items() if crate_file.index_path(name) == path]
        if not lines:
            raise NotPublished(404, "there is no such crate")
        body = "".join(f"{line}\n" for line in lines).encode()
        return Reply(status=200, body=body, headers={"Content-Type": "text/plain"})

    def _require_token(self, request: Request) -> None:
        if not hmac.compare_digest(request.headers.get("authorization", ""), self.token):
            raise NotPublished(403, "authentication failed")

    def _publish(self, request: Request) -> Reply:
        _require_method(request, "PUT")
        self._require_token(request)
        published = check(request.body)
        found = published.found
        plain = found.version.partition("+")[0]  # versions that differ in what comes after it are the same
        taken = [version for name, version in self.crates if _same(name, found.name)]
        if any(name != found.name and _same(name, found.name) for name, _ in self.crates):
            raise NotPublished(400, f"crate was previously named differently: {found.name}")
        if plain in {version.partition("+")[0] for version in taken}:
            raise NotPublished(400, f"crate version `{found.version}` is already uploaded")
        self.crates[found.name, found.version] = StoredCrate(
            metadata=published.metadata,
            content=published.content,
            entry=crate_file.index_entry(found, CRATES_IO),
        )
        self.changes += 1
        nothing: Mapping[str, list[str]] = {"invalid_categories": [], "invalid_badges": [], "other": []}
        return _document({"crate": {"name": found.name}, "warnings": {**nothing, **self.warnings}})

    def _version(self, request: Request, found: re.Match[str]) -> Reply:
        stored, what = self.crates.get((found["name"], found["version"])), found["what"]
        if what == "download":
            _require_method(request, "GET", "HEAD")
        else:
            _require_method(request, {"yank": "DELETE", "unyank": "PUT"}[what])
            self._require_token(request)
        if stored is None:
            raise NotPublished(404, f"crate `{found['name']}` does not have a version `{found['version']}`")
        if what == "download":
            return Reply(status=200, body=stored.content, headers={"Content-Type": "application/gzip"})
        self.changes += stored.entry["yanked"] != (what == "yank")
        stored.entry["yanked"] = what == "yank"
        return _document({"ok": True})


def _same(one: str, other: str) -> bool:
    """Whether two names are too much alike for two crates."""
    return one.lower().replace("_", "-") == other.lower().replace("_", "-")


def _require_method(request: Request, *methods: str) -> None:
    if request.method not in methods:
        raise NotPublished(405, "Method Not Allowed")


def _document(document: object, status: int = 200) -> Reply:
    return Reply(status=status, body=json.dumps(document).encode(), headers={"Content-Type": _JSON})
