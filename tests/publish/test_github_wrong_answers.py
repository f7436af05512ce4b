"""GitHub answers wrongly, at each step in turn: nothing goes wrong there, and the message says what to do.

Whatever happened, the next run ends as one that nobody disturbed.
"""

from __future__ import annotations

import dataclasses
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci.core import web
from ci.core.errors import HostError, ReleaseError
from ci.publish.rehearse.github_pages import StoredAsset
from ci.publish.rehearse.server import Reply, Request
from tests.publish.github_support import FILES, REPOSITORY, TAG, Rehearsal, rehearsal

ALWAYS = 1000
BASE = f"/repos/{REPOSITORY}"

# The requests of a publication, by the step that they belong to.
STEPS = {
    "look for the release": f"GET {BASE}/releases/tags/{TAG}",
    "look for the draft": f"GET {BASE}/releases",
    "make the draft": f"POST {BASE}/releases",
    "list the files": rf"GET {BASE}/releases/\d+/assets",
    "send a file": rf"POST /uploads{BASE}/releases/\d+/assets",
    "delete a broken-off upload": rf"DELETE {BASE}/releases/assets/\d+",
    "hash a file": rf"GET {BASE}/releases/assets/\d+",
    "look for the tag": f"GET {BASE}/git/ref/tags/{TAG}",
    "look for the latest": f"GET {BASE}/releases/latest",
    "make it public": rf"PATCH {BASE}/releases/\d+",
}


@dataclass(frozen=True)
class WrongGithubAnswer:
    """A wrong answer: what the server says, whether it carries the request out first, and how often it does so.

    `words` are in the message or its advice; empty if the publication ends well all the same.
    """

    name: str
    reply: Callable[[Reply], Reply]
    words: str = ""
    times: int = ALWAYS
    carried_out: bool = False


def says(status: int, message: str, *errors: dict[str, str], **headers: str) -> Callable[[Reply], Reply]:
    body = json.dumps({"message": message, "errors": list(errors)}).encode()
    return lambda _: Reply(status=status, body=body, headers={n.replace("_", "-"): v for n, v in headers.items()})


def cut(reply: Reply) -> Reply:
    return dataclasses.replace(reply, cut=len(reply.body) // 2 if reply.body else -1)


def hang_up(reply: Reply) -> Reply:
    return dataclasses.replace(reply, cut=-1)


EXISTS = {"resource": "ReleaseAsset", "code": "already_exists", "field": "name"}
BURNED = {"resource": "Release", "code": "custom", "message": "tag_name was used by an immutable release"}
TABLE = [
    WrongGithubAnswer(
        "401", says(401, "Bad credentials"), "the token is not accepted .401, Bad credentials.*not expired"
    ),
    WrongGithubAnswer(
        "403", says(403, "Resource not accessible"), "the token may not do this .403.*give it the right to write"
    ),
    WrongGithubAnswer("404", says(404, "Not Found"), "it is not there, or the token may not see it .404"),
    WrongGithubAnswer("409", says(409, "Conflict"), "409, Conflict.*wait, then run the same command again"),
    WrongGithubAnswer("422", says(422, "Validation Failed"), "422, Validation Failed.*look at what GitHub says"),
    WrongGithubAnswer("422 exists", says(422, "Validation Failed", EXISTS), "a file of this name is in the way"),
    WrongGithubAnswer(
        "422 immutable", says(422, "Cannot upload assets to an immutable release."), "take the next version"
    ),
    WrongGithubAnswer(
        "422 burned", says(422, "Validation Failed", BURNED), "can never be used again: take the next version"
    ),
    WrongGithubAnswer("429 once", says(429, "You have exceeded a limit", Retry_After="7"), times=1),
    WrongGithubAnswer(
        "429",
        says(429, "You have exceeded a limit", Retry_After="7000"),
        "requests are limited .429.* for 7000 s.*run the same command again",
    ),
    WrongGithubAnswer(
        "403 limit", says(403, "API rate limit exceeded", Retry_After="7000"), "requests are limited .403"
    ),
    WrongGithubAnswer("500 once", says(500, "Oops"), times=1),
    WrongGithubAnswer("500", says(500, "Oops"), "the server has a fault .500, Oops.*run the same command again"),
    WrongGithubAnswer("502 once, carried out", says(502, "Bad Gateway"), times=1, carried_out=True),
    WrongGithubAnswer("truncated once", cut, times=1, carried_out=True),
    WrongGithubAnswer("no answer once", hang_up, times=1),
    WrongGithubAnswer("no answer once, carried out", hang_up, times=1, carried_out=True),
    WrongGithubAnswer(
        "no answer", hang_up, "the connection ended before the answer was complete.*run the same command again"
    ),
    WrongGithubAnswer("a redirect to nowhere", lambda _: Reply(status=302), "to another address|what is no address"),
    WrongGithubAnswer(
        "a moved repository",
        lambda _: Reply(status=307, headers={"Location": "/repos/an-owner/another-name/releases"}),
        "the repository has another name now: write that one below targets",
    ),
    WrongGithubAnswer(
        "not JSON",
        lambda reply: Reply(status=reply.status, body=b"<html>a proxy</html>"),
        "is not JSON.*look at the address by hand",
        carried_out=True,
    ),
    WrongGithubAnswer(
        "another document",
        lambda reply: Reply(status=reply.status, body=b'{"id": "one"}'),
        "has no [a-z_]+ that can be used.*look at the address by hand",
        carried_out=True,
    ),
]

# Where a wrong answer means something else, or nothing.
ELSEWHERE = {
    ("look for the release", "404"): "",  # there is none yet
    ("look for the latest", "404"): 'the mark "latest" is at no release',
    ("look for the tag", "404"): f"the tag {TAG} is .* here, and not there in .*push the tag",
    ("make the draft", "404"): "workflows, it needs the right for that, too",
    ("send a file", "404"): "may the token write there",
    ("make it public", "404"): "workflows, it needs the right for that, too",
    ("delete a broken-off upload", "404"): "a file of this name is in the way",  # it says it is gone, and it is not
    ("look for the draft", "a moved repository"): "it is not there, or the token may not see it",
    ("look for the release", "a moved repository"): "",
    ("look for the latest", "a moved repository"): 'the mark "latest" is at no release',
    ("look for the tag", "a moved repository"): "push the tag",
    ("list the files", "a moved repository"): "it is not there, or the token may not see it",
    ("hash a file", "a moved repository"): "it is not there, or the token may not see it",
    ("delete a broken-off upload", "not JSON"): "",  # nobody reads that answer
    ("delete a broken-off upload", "another document"): "",
    ("hash a file", "not JSON"): "has other bytes there|got other bytes",
    ("hash a file", "another document"): "has other bytes there|got other bytes",
}
# At these steps only a few of the wrong answers are tried in the normal tests.
SELDOM = ("delete a broken-off upload", "hash a file", "look for the tag", "look for the latest")
FEW = ("401", "404", "500 once", "no answer")
CASES = [
    pytest.param(
        step, wrong, id=f"{step}-{wrong.name}",
        marks=[pytest.mark.long] if step in SELDOM and wrong.name not in FEW else [],
    )
    for step in STEPS for wrong in TABLE
]  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> object:
    with rehearsal(tmp_path_factory.mktemp("undisturbed")) as at:
        at.target().publish()
        return at.end_state()


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Rehearsal]:
    with rehearsal(tmp_path) as found:
        yield found


def spoil(at: Rehearsal, step: str, wrong: WrongGithubAnswer) -> list[str]:
    """Let the server answer wrongly at a step; returns the requests that were spoilt."""
    spoilt: list[str] = []

    def answer(request: Request, right: Callable[[Request], Reply]) -> Reply:
        if not re.fullmatch(STEPS[step], str(request)) or len(spoilt) >= wrong.times:
            return right(request)
        spoilt.append(str(request))
        return wrong.reply(right(request) if wrong.carried_out else Reply(status=200, body=b"{}"))

    at.spoil = answer
    return spoilt


def prepare(at: Rehearsal, step: str) -> None:
    """Some steps only come when something is in the way."""
    if step == "delete a broken-off upload":
        page = at.releases.create({"tag_name": TAG, "draft": True})
        at.releases.upload(page, "SHA256SUMS", "", b"the", whole=False)
    at.releases.digests = step != "hash a file"


def publish_again(at: Rehearsal, undisturbed: object) -> None:
    """Without any more faults it ends as if there had been none."""
    at.spoil = None
    at.target().publish()
    assert at.end_state() == undisturbed


def require_nothing_wrong(at: Rehearsal) -> None:
    """All that is stored is right, and what is public is whole."""
    for page in (page for page in at.releases.pages.values() if page.tag == TAG):
        whole = {asset.name: asset.data for asset in page.assets if asset.whole}
        assert whole.items() <= FILES.items()
        assert page.draft or (whole == FILES and len(page.assets) == len(FILES))


@pytest.mark.parametrize(("step", "wrong"), CASES)
def test_a_wrong_answer(at: Rehearsal, undisturbed: object, step: str, wrong: WrongGithubAnswer) -> None:
    prepare(at, step)
    spoilt = spoil(at, step, wrong)
    words = ELSEWHERE.get((step, wrong.name), wrong.words)
    if words:
        with pytest.raises(ReleaseError) as failed:
            at.target().publish()
        assert re.search(words, f"{failed.value}\n{failed.value.hint}", re.DOTALL), (failed.value, failed.value.hint)
    else:
        at.target().publish()
    assert spoilt
    require_nothing_wrong(at)
    publish_again(at, undisturbed)


@pytest.mark.parametrize("step", STEPS)
def test_no_answer_in_time(at: Rehearsal, undisturbed: object, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = threading.Event()
    told = web.unreachable

    def tell(url: str, error: Exception) -> HostError:
        given_up.set()
        return told(url, error)

    monkeypatch.setattr(web, "unreachable", tell)

    def wait(reply: Reply) -> Reply:
        given_up.wait(30)
        return hang_up(reply)

    prepare(at, step)
    spoilt = spoil(at, step, WrongGithubAnswer("time-out once", wait, times=1))
    target = at.target()
    dataclasses.replace(target, web=dataclasses.replace(target.web, seconds=(10.0, 0.2))).publish()
    assert spoilt
    assert given_up.is_set()
    assert at.end_state() == undisturbed


@pytest.mark.parametrize("stored", ["another name", "other bytes", "only part of it"])
@pytest.mark.parametrize("really", [True, False])
def test_a_file_that_was_stored_otherwise(at: Rehearsal, undisturbed: object, stored: str, really: bool) -> None:
    """The answer is about another file; the truth is what the list has."""

    def change(asset: StoredAsset) -> None:
        if stored == "another name":
            asset.name = f"{asset.name}.bin"
        else:
            asset.data = asset.data[:-1] + (b"" if stored == "only part of it" else b"?")

    def answer(request: Request, right: Callable[[Request], Reply]) -> Reply:
        reply = right(request)
        if request.method == "POST" and request.query.get("name") == ["SHA256SUMS"]:
            page, asset = next(
                (page, asset) for page in at.releases.pages.values() for asset in page.assets
                if asset.id == json.loads(reply.body)["id"]
            )  # fmt: skip
            shown = asset if really else dataclasses.replace(asset)
            change(shown)
            document = at.github._of_asset(page, shown)
            return dataclasses.replace(reply, body=json.dumps(document).encode())
        return reply

    at.spoil = answer
    if not really:
        at.target().publish()
        assert at.end_state() == undisturbed
        return
    words = "stored it as SHA256SUMS.bin" if stored == "another name" else "it got other bytes"
    with pytest.raises(ReleaseError, match=words) as failed:
        at.target().publish()
    assert "delete it from the draft http" in failed.value.hint
    at.spoil = None
    with pytest.raises(ReleaseError, match=r"SHA256SUMS(\.bin does not belong| has other bytes)"):
        at.target().publish()
    (page,) = [page for page in at.releases.pages.values() if page.tag == TAG]
    assert page.draft
    page.assets.clear()  # as the advice says
    publish_again(at, undisturbed)


def drop_link(reply: Reply) -> Reply:
    return dataclasses.replace(reply, headers={n: v for n, v in reply.headers.items() if n != "Link"})


def link_to(reply: Reply, address: str) -> Reply:
    return dataclasses.replace(reply, headers={**reply.headers, "Link": f'<{address}>; rel="next"'})


def skip_one(reply: Reply) -> Reply:
    link = reply.headers["Link"].replace('page=2>; rel="next"', 'page=3>; rel="next"')
    return dataclasses.replace(reply, headers={**reply.headers, "Link": link})


@pytest.mark.parametrize(
    ("number", "change", "words"),
    [
        ("1", drop_link, ""),
        ("1", skip_one, "leads past the next one"),
        ("1", lambda reply: link_to(reply, "https://["), ""),
        ("1", lambda reply: link_to(reply, f"https://x/?page={'9' * 5000}"), ""),
        ("2", lambda reply: dataclasses.replace(reply, body=b"[]"), "page 2 of 3 is empty"),
        ("2", lambda _: says(404, "Not Found")(Reply(status=0)), "it is not there"),
        ("3", lambda reply: dataclasses.replace(reply, body=b"[]"), "page 3 of 3 is empty"),
    ],
    ids=["no link", "a link past it", "no address", "no number", "empty", "not found", "the last one is empty"],
)
def test_a_page_that_is_missing_from_the_list(
    at: Rehearsal, number: str, change: Callable[[Reply], Reply], words: str
) -> None:
    draft = at.releases.create({"tag_name": TAG, "draft": True})
    for patch in range(1, 231):
        at.publish_version(f"0.1.{patch}")

    def answer(request: Request, right: Callable[[Request], Reply]) -> Reply:
        found = right(request)
        return change(found) if request.query.get("page") == [number] and "assets" not in request.path else found

    at.spoil = answer
    if words:
        with pytest.raises(ReleaseError, match=words):
            at.target().publish()
        assert draft.draft
        at.spoil = None
    at.target().publish()
    assert [page.id for page in at.releases.pages.values() if page.tag == TAG] == [draft.id]
    assert not draft.draft


def test_a_file_that_is_missing_from_the_list_is_not_sent_twice(at: Rehearsal, undisturbed: object) -> None:
    page = at.releases.create({"tag_name": TAG, "draft": True})
    at.releases.upload(page, "SHA256SUMS", "", FILES["SHA256SUMS"], whole=True)
    empty = WrongGithubAnswer("an empty list", lambda _: Reply(status=200, body=b"[]"), times=1)
    spoil(at, "list the files", empty)
    at.target().publish()
    assert at.end_state() == undisturbed


def test_a_release_that_is_public_by_the_list_alone_is_not_made_again(at: Rehearsal, undisturbed: object) -> None:
    at.target().publish()
    spoil(at, "look for the release", WrongGithubAnswer("404", says(404, "Not Found")))
    at.target().publish()
    assert at.end_state() == undisturbed
