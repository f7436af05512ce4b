"""The stand-in for GitHub refuses what GitHub refuses, and describes things as GitHub's OpenAPI description says."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from ci.publish.rehearse.github_pages import StoredAsset, StoredPage
from tests.publish.github_support import COMMIT, FILES, REPOSITORY, TAG, TAG_OBJECT, TOKEN, Rehearsal, rehearsal

RELEASES = f"/repos/{REPOSITORY}/releases"
HEADERS = {
    "Accept": "application/vnd.github+json",
    "Authorization": f"Bearer {TOKEN}",
    "X-GitHub-Api-Version": "2026-03-10",
}
UPLOAD = {**HEADERS, "Content-Type": "application/octet-stream"}
TEXT, WHOLE, TRUTH, NOTHING = str, int, bool, type(None)

# The fields that the OpenAPI description of 2026-03-10 requires, and their types.
USER: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(
        ("avatar_url", "events_url", "followers_url", "following_url", "gists_url", "html_url", "node_id", "login",
         "organizations_url", "received_events_url", "repos_url", "starred_url", "subscriptions_url", "type", "url"),
        (TEXT,),
    ),
    "gravatar_id": (TEXT, NOTHING), "id": (WHOLE,), "site_admin": (TRUTH,),
}  # fmt: skip
FILE: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("name", "content_type", "state", "url", "node_id", "browser_download_url", "created_at",
                     "updated_at"), (TEXT,)),
    **dict.fromkeys(("id", "size", "download_count"), (WHOLE,)),
    "digest": (TEXT, NOTHING), "label": (TEXT, NOTHING), "uploader": (dict, NOTHING),
}  # fmt: skip
PAGE: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("assets_url", "upload_url", "created_at", "node_id", "html_url", "tag_name", "target_commitish",
                     "url"), (TEXT,)),
    **dict.fromkeys(("tarball_url", "zipball_url", "published_at", "name"), (TEXT, NOTHING)),
    **dict.fromkeys(("draft", "prerelease"), (TRUTH,)),
    "id": (WHOLE,), "author": (dict,), "assets": (list,),
}  # fmt: skip
PAGE_OPTIONAL: dict[str, tuple[type, ...]] = {
    "body": (TEXT, NOTHING), "immutable": (TRUTH,), "updated_at": (TEXT, NOTHING),
}  # fmt: skip


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Rehearsal]:
    with rehearsal(tmp_path) as found:
        yield found


def ask(at: Rehearsal, method: str, path: str, headers: Mapping[str, str] = HEADERS, **more: Any) -> requests.Response:
    return requests.request(method, at.server.origin + path, headers=headers, timeout=30, **more)


def make_draft(at: Rehearsal) -> StoredPage:
    return at.releases.create({"tag_name": TAG, "draft": True})


def require(document: Mapping[str, Any], fields: Mapping[str, tuple[type, ...]], *optional: str) -> None:
    assert fields.keys() <= document.keys() <= fields.keys() | set(optional)
    wrong = {name: document[name] for name, kinds in fields.items() if type(document[name]) not in kinds}
    assert wrong == {}


def test_documents_have_the_fields_of_the_description(at: Rehearsal) -> None:
    draft = make_draft(at)
    at.releases.upload(draft, "a.txt", "", b"a", whole=True)
    at.releases.upload(draft, "b.txt", "", b"b", whole=False)
    listed = ask(at, "GET", RELEASES).json()
    assert [one["draft"] for one in listed] == [True, False]
    for page in listed:
        require(page, PAGE, *PAGE_OPTIONAL)
        require({name: page[name] for name in PAGE_OPTIONAL}, PAGE_OPTIONAL)
        require(page["author"], USER)
        for asset in page["assets"]:
            require(asset, FILE)
            require(asset["uploader"], USER)
    assets = ask(at, "GET", f"{RELEASES}/{draft.id}/assets").json()
    assert assets == listed[0]["assets"]
    assert [asset["state"] for asset in assets] == ["uploaded", "starter"]
    assert [asset["digest"] for asset in assets] == [f"sha256:{hashlib.sha256(b'a').hexdigest()}", None]
    assert ask(at, "GET", f"{RELEASES}/assets/{assets[0]['id']}").json() == assets[0]


def test_a_tag_has_a_reference_and_an_object(at: Rehearsal) -> None:
    reference = ask(at, "GET", f"/repos/{REPOSITORY}/git/ref/tags/{TAG}").json()
    assert reference["ref"] == f"refs/tags/{TAG}"
    assert (reference["object"]["type"], reference["object"]["sha"]) == ("tag", TAG_OBJECT)
    found = requests.get(reference["object"]["url"], headers=HEADERS, timeout=30).json()
    assert (found["tag"], found["object"]["type"], found["object"]["sha"]) == (TAG, "commit", COMMIT)
    for path in ("git/ref/tags/v0.2", "git/ref/tags/v9", f"git/tags/{COMMIT}"):
        assert ask(at, "GET", f"/repos/{REPOSITORY}/{path}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", RELEASES, {"X-GitHub-Api-Version": None}, b"", 400),
        ("GET", RELEASES, {"X-GitHub-Api-Version": "2021-01-01"}, b"", 400),
        ("GET", RELEASES, {"Accept": "text/html"}, b"", 415),
        ("GET", RELEASES, {"Accept": "application/octet-stream"}, b"", 415),
        ("GET", RELEASES, {"User-Agent": ""}, b"", 403),
        ("GET", RELEASES, {"Authorization": "Bearer another"}, b"", 401),
        ("GET", RELEASES, {"Authorization": TOKEN}, b"", 401),
        ("POST", RELEASES, {"Authorization": None, "Content-Type": "application/json"}, b'{"tag_name": "v1"}', 401),
        ("POST", RELEASES, {}, b'{"tag_name": "v1"}', 415),
        ("POST", RELEASES, {"Content-Type": "application/json"}, b'{"tag_name"', 400),
        ("POST", RELEASES, {"Content-Type": "application/json"}, b'["v1"]', 400),
        ("POST", RELEASES, {"Content-Type": "application/json"}, b"{}", 422),
        ("POST", RELEASES, {"Content-Type": "application/json"}, b'{"tag_name": "v 1"}', 422),
        ("POST", RELEASES, {"Content-Type": "application/json"}, b'{"tag_name": "v1", "title": "v1"}', 422),
        ("POST", RELEASES, {"Content-Type": "application/json"}, b'{"tag_name": "v1", "draft": "true"}', 422),
        ("POST", RELEASES, {"Content-Type": "application/json"}, b'{"tag_name": "v1", "draft": 1}', 422),
        ("POST", RELEASES, {"Content-Type": "application/json"}, b'{"tag_name": "v1", "make_latest": true}', 422),
        ("POST", RELEASES, {"Content-Type": "application/json"}, b'{"tag_name": "v1", "make_latest": "yes"}', 422),
        ("POST", f"{RELEASES}?draft=true", {"Content-Type": "application/json"}, b'{"tag_name": "v1"}', 422),
        ("POST", f"{RELEASES}/1/assets?name=a", {"Content-Type": "text/plain"}, b"a", 404),
        ("GET", f"{RELEASES}?per_page=101", {}, b"", 422),
        ("GET", f"{RELEASES}?page=0", {}, b"", 422),
        ("GET", f"{RELEASES}?page=1&page=2", {}, b"", 422),
        ("GET", f"{RELEASES}?state=draft", {}, b"", 422),
        ("GET", f"{RELEASES}/999", {}, b"", 404),
        ("GET", "/repos/another/name/releases", {}, b"", 404),
        ("PUT", RELEASES, {}, b"", 404),
    ],
)
def test_what_is_refused(
    at: Rehearsal, method: str, path: str, headers: Mapping[str, Any], body: bytes, status: int
) -> None:
    before = at.end_state()
    answer = ask(at, method, path, {**HEADERS, **headers}, data=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["message"]
    assert answer.json()["status"] == str(status)
    assert at.end_state() == before


def test_drafts_are_for_those_who_may_write_and_have_no_tag(at: Rehearsal) -> None:
    draft = make_draft(at)
    asset = at.releases.upload(draft, "a.txt", "", b"a", whole=True)
    strangers = {name: value for name, value in HEADERS.items() if name != "Authorization"}
    assert ask(at, "GET", f"{RELEASES}/{draft.id}").json()["html_url"].rpartition("/")[2].startswith("untagged-")
    assert ask(at, "GET", f"{RELEASES}/tags/{TAG}").status_code == 404
    assert ask(at, "GET", f"{RELEASES}/latest").json()["tag_name"] == "v0.1.0"
    for path in (f"{RELEASES}/{draft.id}", f"{RELEASES}/{draft.id}/assets", f"{RELEASES}/assets/{asset.id}"):
        assert ask(at, "GET", path).status_code == 200
        assert ask(at, "GET", path, strangers).status_code == 404
    assert len(ask(at, "GET", RELEASES, strangers).json()) == 1
    assert requests.get(ask(at, "GET", f"{RELEASES}/{draft.id}/assets").json()[0]["browser_download_url"],
                        timeout=30).status_code == 404  # fmt: skip


def test_lists_are_paged(at: Rehearsal) -> None:
    for number in range(64):
        at.publish_version(f"0.0.{number}")
    first = ask(at, "GET", RELEASES)
    assert len(first.json()) == 30
    assert set(first.links) == {"next", "last"}
    second = requests.get(first.links["next"]["url"], headers=HEADERS, timeout=30)
    assert set(second.links) == {"prev", "next", "last", "first"}
    last = requests.get(second.links["last"]["url"], headers=HEADERS, timeout=30)
    assert set(last.links) == {"prev", "first"}
    assert len(last.json()) == 5
    assert ask(at, "GET", f"{RELEASES}?per_page=100").links == {}
    assert ask(at, "GET", f"{RELEASES}?page=4").json() == []


def upload(at: Rehearsal, page: StoredPage, query: str, headers: Mapping[str, Any] = UPLOAD, data: Any = b"a") -> Any:
    path = f"/uploads{RELEASES}/{page.id}/assets{query}"
    return ask(at, "POST", path, headers, data=data)


def test_uploads_want_a_name_a_type_and_a_length(at: Rehearsal) -> None:
    draft = make_draft(at)
    assert upload(at, draft, "?name=a", HEADERS).status_code == 400
    assert upload(at, draft, "").status_code == 400
    assert upload(at, draft, "?name=").status_code == 400
    assert upload(at, draft, "?name=a&size=1").status_code == 422
    assert upload(at, draft, "?name=a", data=iter([b"a"])).status_code == 411
    assert upload(at, draft, "?name=a", {**UPLOAD, "Authorization": None}).status_code == 401
    assert draft.assets == []
    assert upload(at, draft, "?name=a&label=A").json()["label"] == "A"
    again = upload(at, draft, "?name=a", data=b"b")
    assert again.status_code == 422
    assert again.json()["errors"] == [{"resource": "ReleaseAsset", "code": "already_exists", "field": "name"}]
    assert [asset.data for asset in draft.assets] == [b"a"]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("a-1.2~rc1-1.noarch.rpm", "a-1.2.rc1-1.noarch.rpm"),
        ("1:2.zst", "1.2.zst"),
        ("a%20b", "a.b"),
        ("a+b", "a.b"),
        ("a%2Bb_c@d", "a+b_c@d"),
        (".a.", "a"),
        ("%C3%A9.txt", "txt"),
    ],
)
def test_odd_names_are_changed_without_a_word(at: Rehearsal, sent: str, stored: str) -> None:
    answer = upload(at, make_draft(at), f"?name={sent}")
    assert (answer.status_code, answer.json()["name"]) == (201, stored)


def test_a_broken_off_upload_holds_the_name(at: Rehearsal) -> None:
    draft = make_draft(at)
    parts = urlsplit(at.server.origin)
    head = "".join(f"{name}: {value}\r\n" for name, value in {**UPLOAD, "User-Agent": "a"}.items())
    with socket.create_connection((parts.hostname, parts.port or 0), timeout=30) as connection:
        line = f"POST /uploads{RELEASES}/{draft.id}/assets?name=a HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        connection.sendall(f"{line}{head}Content-Length: 100\r\n\r\nhalf".encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1000) == b""
    (asset,) = ask(at, "GET", f"{RELEASES}/{draft.id}/assets").json()
    assert (asset["name"], asset["state"], asset["size"], asset["digest"]) == ("a", "starter", 0, None)
    assert upload(at, draft, "?name=a").status_code == 422
    assert ask(at, "DELETE", f"{RELEASES}/assets/{asset['id']}").status_code == 204
    assert ask(at, "DELETE", f"{RELEASES}/assets/{asset['id']}").status_code == 404
    assert upload(at, draft, "?name=a").status_code == 201


def test_there_is_room_for_a_thousand_files(at: Rehearsal) -> None:
    draft = make_draft(at)
    draft.assets = [StoredAsset(1000 + number, f"file-{number}", "", b"") for number in range(999)]
    assert upload(at, draft, "?name=a").status_code == 201
    answer = upload(at, draft, "?name=b")
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (422, "file_count limited to 1000")


def change(at: Rehearsal, page: StoredPage, **fields: Any) -> requests.Response:
    return ask(at, "PATCH", f"{RELEASES}/{page.id}", json=fields)


def test_what_is_published_is_frozen(at: Rehearsal) -> None:
    draft = make_draft(at)
    asset = at.releases.upload(draft, "a.txt", "", b"a", whole=True)
    assert change(at, draft, draft=False).status_code == 422  # its tag would be lost
    assert change(at, draft, draft=False, tag_name=TAG, immutable=False).status_code == 422
    answer = change(at, draft, draft=False, tag_name=TAG)
    assert (answer.status_code, answer.json()["immutable"]) == (200, True)
    refused = upload(at, draft, "?name=b.txt")
    assert refused.status_code == 422
    assert refused.json()["message"] == "Cannot upload assets to an immutable release."
    assert ask(at, "DELETE", f"{RELEASES}/assets/{asset.id}").status_code == 422
    assert change(at, draft, tag_name="v0.2.1").status_code == 422
    assert change(at, draft, draft=True).status_code == 422
    assert change(at, draft, name="T", body="B", prerelease=True, make_latest="false").status_code == 200
    assert change(at, draft, make_latest="true").status_code == 422  # a prerelease cannot be the latest
    assert ask(at, "GET", f"{RELEASES}/latest").json()["tag_name"] == "v0.1.0"
    assert change(at, draft, prerelease=False, make_latest="true").status_code == 200
    assert ask(at, "GET", f"{RELEASES}/latest").json()["name"] == "T"
    assert requests.get(answer.json()["assets"][0]["browser_download_url"], timeout=30).content == b"a"


def test_a_repository_without_the_switch_freezes_nothing(at: Rehearsal) -> None:
    at.releases.immutable = False
    page = at.releases.create({"tag_name": TAG})
    assert upload(at, page, "?name=a").json()["browser_download_url"].endswith(f"/releases/download/{TAG}/a")


def test_the_tag_of_a_deleted_release_is_burned(at: Rehearsal) -> None:
    page = at.releases.create({"tag_name": TAG})
    assert ask(at, "DELETE", f"{RELEASES}/{page.id}").status_code == 204
    draft = make_draft(at)
    answer = change(at, draft, draft=False, tag_name=TAG)
    assert answer.status_code == 422
    assert "tag_name was used by an immutable release" in [one["message"] for one in answer.json()["errors"]]
    assert draft.draft
    again = ask(at, "POST", RELEASES, json={"tag_name": TAG})
    assert again.status_code == 422


def test_a_tag_that_is_not_there_is_made_on_the_default_branch(at: Rehearsal) -> None:
    page = at.releases.create({"tag_name": "v7", "draft": True})
    assert "v7" not in at.releases.tags
    assert change(at, page, draft=False, tag_name="v7").status_code == 200
    assert at.releases.tags["v7"] == at.releases.default_branch


def test_two_drafts_may_have_one_tag_and_two_releases_may_not(at: Rehearsal) -> None:
    drafts = [make_draft(at), make_draft(at)]
    assert change(at, drafts[0], draft=False, tag_name=TAG).status_code == 200
    answer = change(at, drafts[1], draft=False, tag_name=TAG)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "already_exists")


def test_downloads_know_no_other_names(at: Rehearsal) -> None:
    page = make_draft(at)
    for name, data in FILES.items():
        at.releases.upload(page, name, "", data, whole=True)
    at.releases.change(page, {"draft": False, "tag_name": TAG})
    base = f"{at.server.origin}/{REPOSITORY}/releases/download"
    assert requests.head(f"{base}/{TAG}/SHA256SUMS", timeout=30).status_code == 200
    assert json.loads(requests.get(f"{base}/{TAG}/sha256sums", timeout=30).content)["message"] == "Not Found"
    assert requests.get(f"{base}/v0.1.0/SHA256SUMS", timeout=30).status_code == 404
