"""The JSON documents in which GitHub describes tags, release pages and their files."""

from __future__ import annotations

import base64
import functools
import hashlib
from typing import Any
from urllib.parse import quote

from ci.publish.rehearse.github_pages import StoredAsset, StoredPage, StoredTag

_USER = "a-user"


def ref(base: str, name: str, tag: StoredTag) -> dict[str, Any]:
    """A tag's reference."""
    kind = "commit" if tag.sha == tag.commit else "tag"
    target = {"type": kind, "sha": tag.sha, "url": f"{base}/git/{kind}s/{tag.sha}"}
    url = f"{base}/git/refs/tags/{quote(name)}"
    return {"ref": f"refs/tags/{name}", "node_id": _node("Ref", name), "url": url, "object": target}


def tag(base: str, name: str, found: StoredTag) -> dict[str, Any]:
    """A tag's object."""
    return {
        "node_id": _node("Tag", found.sha),
        "tag": name,
        "sha": found.sha,
        "url": f"{base}/git/tags/{found.sha}",
        "message": f"{name}\n",
        "tagger": {"date": "2026-01-01T00:00:00Z", "email": "a-user@example.org", "name": _USER},
        "object": {"type": "commit", "sha": found.commit, "url": f"{base}/git/commits/{found.commit}"},
    }


def page(origin: str, repository: str, found: StoredPage, *, digests: bool) -> dict[str, Any]:
    """A release page, or a draft, which has an address without its tag and no archives."""
    url = f"{origin}/repos/{repository}/releases/{found.id}"
    archive = None if found.draft else f"{origin}/repos/{repository}"
    return {
        "url": url,
        "assets_url": f"{url}/assets",
        "upload_url": f"{origin}/uploads/repos/{repository}/releases/{found.id}/assets{{?name,label}}",
        "html_url": f"{origin}/{repository}/releases/tag/{_address_of(found)}",
        "id": found.id,
        "author": _user(origin),
        "node_id": _node("Release", str(found.id)),
        "tag_name": found.tag,
        "target_commitish": found.target,
        "name": found.title,
        "body": found.notes,
        "draft": found.draft,
        "immutable": found.immutable,
        "prerelease": found.prerelease,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "published_at": None if found.draft else "2026-01-01T00:00:00Z",
        "assets": [asset(origin, repository, found, one, digests=digests) for one in found.assets],
        "tarball_url": archive and f"{archive}/tarball/{found.tag}",
        "zipball_url": archive and f"{archive}/zipball/{found.tag}",
    }


def asset(origin: str, repository: str, on: StoredPage, found: StoredAsset, *, digests: bool) -> dict[str, Any]:
    """A file of a release page."""
    address = f"{origin}/{repository}/releases/download/{_address_of(on)}/{quote(found.name)}"
    digest = _digest(found.data) if digests and found.whole else None
    return {
        "url": f"{origin}/repos/{repository}/releases/assets/{found.id}",
        "id": found.id,
        "node_id": _node("ReleaseAsset", str(found.id)),
        "name": found.name,
        "label": found.label,
        "uploader": _user(origin),
        "content_type": "application/octet-stream",
        "state": "uploaded" if found.whole else "starter",
        "size": len(found.data) if found.whole else 0,
        "digest": digest,
        "download_count": 0,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "browser_download_url": address,
    }


@functools.lru_cache(maxsize=1_000)
def _digest(data: bytes) -> str:
    """GitHub has computed it once when a list of files asks for it, however large they are."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _address_of(found: StoredPage) -> str:
    return f"untagged-{found.id:020x}" if found.draft else quote(found.tag)


def _node(kind: str, name: str) -> str:
    return base64.b64encode(f"{kind}:{name}".encode()).decode()


def _user(origin: str) -> dict[str, Any]:
    """The user that everything here is made by."""
    url = f"{origin}/users/{_USER}"
    parts = {
        "followers_url": "/followers",
        "following_url": "/following{/other_user}",
        "gists_url": "/gists{/gist_id}",
        "starred_url": "/starred{/owner}{/repo}",
        "subscriptions_url": "/subscriptions",
        "organizations_url": "/orgs",
        "repos_url": "/repos",
        "events_url": "/events{/privacy}",
        "received_events_url": "/received_events",
    }
    return {
        "login": _USER,
        "id": 1,
        "node_id": _node("User", "1"),
        "avatar_url": f"{origin}/avatars/1",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{origin}/{_USER}",
        **{name: url + path for name, path in parts.items()},
        "type": "User",
        "site_admin": False,
    }
