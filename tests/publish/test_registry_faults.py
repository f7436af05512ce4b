"""A registry that answers wrongly, at each step in turn: nothing wrong is left there, and the message says what to do.

Afterwards the registry is well again, the command is run again, and all is there.
"""

from __future__ import annotations

import copy
import json
import re
import ssl
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ci.core.errors import HostError, ReleaseError, VerificationError
from ci.publish.rehearse.registry_server import RegistryServer, RepositoryContents
from ci.publish.rehearse.server import Reply, Request, Server
from tests.publish import image_sets
from tests.publish.registry_support import REPOSITORY, end_state, target

VERSION = "0.1.1"
STEPS = {
    "HEAD version tag": ("HEAD", "/manifests/0.1.1-micro"),
    "HEAD blob": ("HEAD", "/blobs/sha256:"),
    "POST upload": ("POST", "/blobs/uploads/"),
    "PUT upload": ("PUT", "/blobs/uploads/"),
    "PUT image": ("PUT", "/manifests/sha256:"),
    "PUT version tag": ("PUT", "/manifests/0.1.1-micro"),
    "GET version tag": ("GET", "/manifests/0.1.1-micro"),
    "GET referrers": ("GET", "/referrers/"),
    "GET tags": ("GET", "/tags/list"),
    "PUT floating tag": ("PUT", "/manifests/latest"),
}


@dataclass(frozen=True, kw_only=True)
class WrongReply:
    """A wrong answer, and how often it is given.

    `fault` is what the message matches, and `at` what it matches at single steps, or where something is read or
    written. An empty text means that the publication succeeds all the same.
    """

    reply: Reply
    fault: str = ""
    at: Mapping[str, str] = field(default_factory=dict)
    times: int = 1_000

    def expected(self, step: str) -> str:
        kind = "read" if step.startswith(("GET", "HEAD")) else "write"
        return self.at.get(step, self.at.get(kind, self.fault))


def said(status: int, message: str, **headers: str) -> Reply:
    body = json.dumps({"errors": [{"code": "CODE", "message": message}]}).encode()
    return Reply(status=status, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


NOT_THERE = {  # where it is no fault of the request, it means: this is missing
    "HEAD version tag": "",
    "HEAD blob": "is not there",
    "GET version tag": "it was sent, and is not there",
    "GET referrers": "it is not in the list of referrers",
    "GET tags": r"the registry's list of tags is not complete: 0\.1-micro is there, and not in it",
}
OTHER = {"Docker-Content-Digest": f"sha256:{'0' * 64}"}
ELSEWHERE = r"sends this (PUT|POST) to another address \(307\), which is refused"
NO_ANSWER = "no answer from 127.*: the connection ended before the answer was complete"
WRONG = {
    "401": WrongReply(reply=said(401, "who"), fault=r"the token is not accepted \(401"),
    "403": WrongReply(reply=said(403, "no"), fault=r"the token may not do this \(403"),
    "404": WrongReply(reply=said(404, "what"), fault="it is not there, or the token may not see it", at=NOT_THERE),
    "409": WrongReply(reply=said(409, "busy"), fault="answered 409"),
    "422": WrongReply(
        reply=said(422, "already exists"), fault="answered 422", at={"write": "answered 422, already exists"}
    ),
    "immutable": WrongReply(
        reply=said(412, "immutable"), fault="answered 412", at={"write": "answered 412, immutable"}
    ),
    "429, soon over": WrongReply(reply=said(429, "slow", Retry_After="7"), times=1),
    "429": WrongReply(reply=said(429, "slow", Retry_After="3600"), fault=r"requests are limited \(429.*for 3600 s"),
    "500 once": WrongReply(reply=said(500, "oh"), times=1),
    "500": WrongReply(reply=said(500, "oh"), fault=r"the server has a fault \(500"),
    "no answer once": WrongReply(reply=Reply(status=200, cut=-1), times=1),
    "no answer": WrongReply(reply=Reply(status=200, cut=-1), fault=NO_ANSWER),
    "truncated once": WrongReply(
        reply=Reply(status=200, body=b"{" * 99, cut=9), times=1, at={"HEAD blob": "has 99 bytes there, and should have"}
    ),
    "truncated": WrongReply(
        reply=Reply(status=200, body=b"{" * 99, cut=9),
        fault=NO_ANSWER,
        at={"HEAD version tag": "", "HEAD blob": "has 99 bytes there, and should have"},
    ),
    "another digest": WrongReply(
        reply=Reply(status=201, headers=OTHER),
        at={"read": "answered 201", "POST upload": "answered 201", "write": "has it as 'sha256:0000"},
    ),
    "another digest back": WrongReply(
        reply=Reply(status=200, body=b"{}", headers=OTHER),
        at={
            "write": "answered 200",
            "HEAD version tag": "sha256:0{64} is there under this name.* it is left as it is",
            "HEAD blob": "has it as 'sha256:0000",
            "GET version tag": "sent other bytes than those of its digest",
            "GET referrers": "the answer is no index",
            "GET tags": "the list of tags is that of None",
        },
    ),
    "redirect": WrongReply(reply=Reply(status=307, headers={"Location": "/elsewhere"}), fault=ELSEWHERE, at=NOT_THERE),
    "redirect without end": WrongReply(
        reply=Reply(status=307, headers={"Location": ""}), fault=ELSEWHERE, at={"read": "without end"}
    ),
    "a page of a proxy": WrongReply(
        reply=Reply(status=200, body=b"<html>"),
        fault="is not JSON",
        at={
            "write": "answered 200",
            "HEAD version tag": "",
            "HEAD blob": "has 6 bytes there, and should have",
            "GET version tag": "is there under this name.* it is left as it is",
        },
    ),
}  # fmt: skip
TABLE = [(answer, step) for answer in WRONG for step in STEPS]
# In the normal tests, each answer comes at one of the steps.
SHORT = [(answer, list(STEPS)[(place * 3 + 3) % len(STEPS)]) for place, answer in enumerate(WRONG)]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    image_sets.make(folder / "0.1.0", "0.1.0", bare=True)
    image_sets.make(folder / VERSION, VERSION, bare=True)
    (folder / VERSION / "provenance.sigstore.json").write_bytes(image_sets.bundle("provenance", VERSION))
    return folder


@pytest.fixture(scope="module")
def start(sets: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RepositoryContents]:
    """What the registry has at first: the version before."""
    registry = RegistryServer()
    with Server(registry.answer) as server:
        target(image_sets.read(sets / "0.1.0"), server.origin, tmp_path_factory.mktemp("ledger") / "l").publish()
    return registry.repositories


@pytest.fixture(scope="module")
def undisturbed(
    sets: Path, start: dict[str, RepositoryContents], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    registry = RegistryServer(repositories=copy.deepcopy(start))
    with Server(registry.answer) as server:
        target(image_sets.read(sets / VERSION), server.origin, tmp_path_factory.mktemp("ledger") / "l").publish()
    return end_state(registry)


def check(
    answer: str, step: str, sets: Path, start: dict[str, RepositoryContents], whole: dict[str, Any], ledger: Path
) -> None:
    """Publish to a registry that gives a wrong answer at a step; then again to one that is well."""
    wrong, (method, part) = WRONG[answer], STEPS[step]
    registry = RegistryServer(repositories=copy.deepcopy(start))
    given: list[str] = []

    def instead(number: int, request: Request) -> Reply | None:
        if request.method != method or part not in request.path or len(given) == wrong.times:
            return None
        given.append(str(request))
        return wrong.reply

    message = hint = ""
    with Server(registry.answer) as server:
        server.before = instead
        try:
            target(image_sets.read(sets / VERSION), server.origin, ledger).publish()
        except ReleaseError as error:
            message, hint = str(error), error.hint
        assert given
        assert bool(message) == bool(hint) == bool(wrong.expected(step)), message
        assert re.search(wrong.expected(step), message), message
        now = registry.repositories[REPOSITORY].tags
        for tag, digest in now.items():  # each is as before, or as it shall be
            assert digest in (start[REPOSITORY].tags.get(tag), whole[REPOSITORY]["tags"][tag])
        if message:
            assert now["latest"] == start[REPOSITORY].tags["latest"]
        server.before = None
        target(image_sets.read(sets / VERSION), server.origin, ledger).publish()
        assert end_state(registry) == whole


@pytest.mark.parametrize(("answer", "step"), SHORT)
def test_a_wrong_answer(
    answer: str,
    step: str,
    sets: Path,
    start: dict[str, RepositoryContents],
    undisturbed: dict[str, Any],
    tmp_path: Path,
) -> None:
    check(answer, step, sets, start, undisturbed, tmp_path / "ledger")


@pytest.mark.long
@pytest.mark.parametrize(("answer", "step"), [one for one in TABLE if one not in SHORT])
def test_each_wrong_answer_at_each_step(
    answer: str,
    step: str,
    sets: Path,
    start: dict[str, RepositoryContents],
    undisturbed: dict[str, Any],
    tmp_path: Path,
) -> None:
    check(answer, step, sets, start, undisturbed, tmp_path / "ledger")


@pytest.mark.parametrize("step", ["POST upload", "PUT version tag", "GET referrers"])
def test_no_answer_in_time(step: str, sets: Path, tmp_path: Path) -> None:
    """The server sleeps until the client has given up and pauses."""
    registry, paused, waited, said_lines = RegistryServer(), threading.Event(), list[str](), list[str]()
    method, part = STEPS[step]

    def sleep(number: int, request: Request) -> None:
        if request.method == method and part in request.path and not waited:
            waited.append(str(request))
            paused.wait(20)

    with Server(registry.answer) as server:
        server.after = sleep
        publish = target(image_sets.read(sets / VERSION), server.origin, tmp_path / "ledger", say=said_lines.append)
        publish.web.seconds = (5.0, 0.3)
        publish.web.sleep = lambda seconds: paused.set()
        publish.publish()
    assert waited
    assert any("no answer from 127" in line and "in time" in line for line in said_lines)
    assert "latest" in registry.repositories[REPOSITORY].tags


def test_a_version_tag_that_a_head_request_does_not_show(sets: Path, tmp_path: Path) -> None:
    """It has other bytes there; a proxy that does not know HEAD must not let it be overwritten."""
    registry = RegistryServer()
    other = image_sets.make(tmp_path / "other", VERSION, salt="other", bare=True)
    with Server(registry.answer) as server:
        target(other, server.origin, tmp_path / "other.json").publish()
        before = dict(registry.repositories[REPOSITORY].tags)
        server.before = lambda _, request: Reply(status=404) if request.method == "HEAD" else None
        with pytest.raises(VerificationError, match="it is left as it is"):
            target(image_sets.read(sets / VERSION), server.origin, tmp_path / "ledger").publish()
        assert registry.repositories[REPOSITORY].tags == before


def test_a_page_is_missing_from_the_list_of_tags(sets: Path, tmp_path: Path) -> None:
    """The page that names 0.2.0: what means 0.2.0 then seems to mean something unknown, and is left alone."""
    registry = RegistryServer(page=1)
    newer = image_sets.make(tmp_path / "newer", "0.2.0", bare=True)
    with Server(registry.answer) as server:
        for release_set in (image_sets.read(sets / "0.1.0"), newer):
            target(release_set, server.origin, tmp_path / f"{release_set.version}.json").publish()
        before = dict(registry.repositories[REPOSITORY].tags)

        def skip(number: int, request: Request) -> Reply | None:
            if request.path.endswith("/tags/list") and request.query.get("last") == ["0.2-micro"]:
                return registry.answer(replace(request, query={**request.query, "last": ["0.2.0-micro"]}))
            return None

        server.before = skip
        with pytest.raises(VerificationError, match="no version in the registry's list") as caught:
            target(image_sets.read(sets / VERSION), server.origin, tmp_path / "ledger").publish()
        assert "find out by hand" in caught.value.hint
        assert registry.repositories[REPOSITORY].tags["latest"] == before["latest"]
        server.before = None
        target(image_sets.read(sets / VERSION), server.origin, tmp_path / "ledger").publish()
        assert registry.repositories[REPOSITORY].tags["latest"] == before["latest"]


@pytest.mark.parametrize("following", ["{path}?last=x", "https://["], ids=["a circle", "no address"])
def test_pages_that_lead_to_no_other_page(following: str, sets: Path, tmp_path: Path) -> None:
    registry = RegistryServer()
    with Server(registry.answer) as server:

        def circle(number: int, request: Request) -> Reply | None:
            if not request.path.endswith("/tags/list"):
                return None
            body = json.dumps({"name": REPOSITORY, "tags": ["0.1.1-micro"]}).encode()
            return Reply(
                status=200, body=body, headers={"Link": f'<{following.format(path=request.path)}>; rel="next"'}
            )

        server.before = circle
        with pytest.raises(ReleaseError, match="its pages lead in a circle"):
            target(image_sets.read(sets / VERSION), server.origin, tmp_path / "ledger").publish()


@pytest.mark.parametrize("location", ["http://registry.example/upload?x=1", "", "ftp://127.0.0.1/", "https://["])
def test_an_upload_address_elsewhere_without_tls(location: str, sets: Path, tmp_path: Path) -> None:
    with Server(RegistryServer().answer) as server:

        def elsewhere(number: int, request: Request) -> Reply | None:
            return Reply(status=202, headers={"Location": location}) if request.method == "POST" else None

        server.before = elsewhere
        with pytest.raises(ReleaseError):
            target(image_sets.read(sets / VERSION), server.origin, tmp_path / "ledger").publish()
        assert not [one for one in server.seen if one.startswith("PUT") and location]


def test_a_certificate_that_nobody_knows(sets: Path, tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-batch",
         "-subj", "/CN=127.0.0.1", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with Server(RegistryServer().answer, context) as server:
        with pytest.raises(HostError, match="TLS: certificate verify failed") as caught:
            target(image_sets.read(sets / VERSION), server.origin, tmp_path / "ledger").publish()
        assert "REQUESTS_CA_BUNDLE" in caught.value.hint
        assert not server.seen
