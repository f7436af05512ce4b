"""PyPI answers wrongly, at each step in turn: nothing wrong gets there, and the message says what to do."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci.core.errors import HostError, ReleaseError, UnavailableError, VerificationError
from ci.core.web import Refusal, UnknownOutcome
from ci.publish.rehearse.server import Reply, Request, Server
from tests.publish.pypi_fixtures import TARBALL, WHEEL, Site, built_files, site

__all__ = ["built_files", "site"]

STEPS = ("first look", "look before the wheel", "wheel", "look before the tarball", "tarball", "last look")
"""The requests of an undisturbed publication, in order."""

SENDS = ("wheel", "tarball")


@dataclass(frozen=True, kw_only=True)
class Raised:
    """What is raised, with some of its message and of its hint."""

    kind: type[ReleaseError]
    told: str
    advice: str


@dataclass(frozen=True, kw_only=True)
class WrongPypiAnswer:
    """A wrong answer, and what comes of it where the index is asked and where a file is sent; None is success."""

    reply: Reply
    look: Raised | None
    send: Raised | None
    pauses: bool = True  # whether a success took some


def titled(status: int, words: str) -> Reply:
    return Reply(status=status, body=f"<html><head><title>{status} {words}</title></head></html>".encode())


def page(name: str = "faas-runtime", *files: tuple[str, str]) -> Reply:
    listed = [{"filename": file, "hashes": {"sha256": sha256}, "url": "x"} for file, sha256 in files]
    body = {"meta": {"api-version": "1.1"}, "name": name, "files": listed}
    return Reply(status=200, body=json.dumps(body).encode())


def refusal(told: str, advice: str = "") -> Raised:
    return Raised(kind=Refusal, told=told, advice=advice)


AGAIN = "run the same command again"
NEW = "publish a new version"
NOT_LISTED = Raised(kind=HostError, told="does not show it after 120 s", advice=AGAIN)
TOKEN_REFUSED = refusal("the token is not accepted (401, Who are you?)", "is it whole, and not expired?")
FORBIDDEN = refusal("the token may not do this (403, Not yours)", "the right to write")
NOT_THERE = refusal("it is not there, or the token may not see it (404", "typing errors")
CONFLICT = refusal("answered 409, Conflict", AGAIN)
INVALID = refusal("answered 422, Not so", AGAIN)
WRONG = {
    "401": WrongPypiAnswer(reply=titled(401, "Who are you?"), look=TOKEN_REFUSED, send=TOKEN_REFUSED),
    "403": WrongPypiAnswer(reply=titled(403, "Not yours"), look=FORBIDDEN, send=FORBIDDEN),
    "404": WrongPypiAnswer(reply=titled(404, "Not Found"), look=None, send=NOT_THERE, pauses=False),
    "409": WrongPypiAnswer(reply=titled(409, "Conflict"), look=CONFLICT, send=CONFLICT),
    "422": WrongPypiAnswer(reply=titled(422, "Not so"), look=INVALID, send=INVALID),
    "exists": WrongPypiAnswer(
        reply=titled(400, "File already exists ('x')."),
        look=refusal("answered 400, File already exists"),
        send=refusal("answered 400, File already exists", "look at its sha256 on the page of the project"),
    ),
    "name used up": WrongPypiAnswer(
        reply=titled(400, "This filename has previously been used, you should use a different version."),
        look=refusal("previously been used"),
        send=refusal("previously been used", NEW),
    ),
    "closed": WrongPypiAnswer(
        reply=titled(400, "Uploading new files to releases older than 14 days is not allowed."),
        look=refusal("older than 14 days"),
        send=refusal("older than 14 days", NEW),
    ),
    "field": WrongPypiAnswer(
        reply=titled(400, "'x' is an invalid value for Summary."),
        look=refusal("answered 400, 'x' is an invalid value", AGAIN),
        send=refusal("answered 400, 'x' is an invalid value", AGAIN),
    ),
    "limited": WrongPypiAnswer(reply=Reply(status=429, headers={"Retry-After": "7"}), look=None, send=None),
    "limited for long": WrongPypiAnswer(
        reply=Reply(status=429, headers={"Retry-After": "3600"}),
        look=Raised(kind=HostError, told="for 3600 s", advice=AGAIN),
        send=Raised(kind=HostError, told="for 3600 s", advice=AGAIN),
    ),
    "500": WrongPypiAnswer(reply=titled(500, "Oops"), look=None, send=None),
    "503": WrongPypiAnswer(reply=Reply(status=503, headers={"Retry-After": "7"}), look=None, send=None),
    "cut": WrongPypiAnswer(reply=Reply(status=200, body=b"x" * 100, cut=10), look=None, send=None),
    "hangs up": WrongPypiAnswer(reply=Reply(status=200, cut=-1), look=None, send=None),
    "wrong digest": WrongPypiAnswer(
        reply=page("faas-runtime", (WHEEL, "0" * 64), (TARBALL, "1" * 64)),
        look=Raised(kind=VerificationError, told="has other bytes under this name: sha256", advice=NEW),
        send=NOT_LISTED,
    ),
    "another name": WrongPypiAnswer(
        reply=page("other"),
        look=Raised(kind=UnavailableError, told="it is about 'other'", advice="the address of the index"),
        send=NOT_LISTED,
    ),
    "no digest": WrongPypiAnswer(
        reply=page("faas-runtime", (WHEEL, "md5")),
        look=Raised(kind=UnavailableError, told=f"'{WHEEL}' has no sha256", advice="the address of the index"),
        send=NOT_LISTED,
    ),
    "other document": WrongPypiAnswer(
        reply=Reply(status=200, body=b'{"meta": [], "name": 1}'),
        look=Raised(kind=UnavailableError, told="not a page of the simple API", advice="the address of the index"),
        send=NOT_LISTED,
    ),
    "no document": WrongPypiAnswer(
        reply=Reply(status=200, body=b"<html>Log in"),
        look=refusal("is not JSON", "a proxy"),
        send=NOT_LISTED,
    ),
    "missing from the list": WrongPypiAnswer(reply=page(), look=None, send=NOT_LISTED, pauses=False),
    "redirect": WrongPypiAnswer(
        reply=Reply(status=307, headers={"Location": "/simple/faas-runtime/"}),
        look=None,
        send=refusal("sends this POST to another address (307)", "release.yaml"),
        pauses=False,
    ),
    "redirect to nowhere": WrongPypiAnswer(
        reply=Reply(status=302, headers={"Location": "ftp://x"}),
        look=refusal("redirects to what is no address"),
        send=refusal("sends this POST to another address (302)"),
    ),
}  # fmt: skip


def at(step: str, reply: Callable[[Request], Reply]) -> Callable[[int, Request], Reply | None]:
    """Answer wrongly at a step, once."""
    return lambda number, request: reply(request) if number == STEPS.index(step) + 1 else None


def require_right(site: Site, folder: Path) -> None:
    """After another run without a fault, the index has what an undisturbed run brings there, and nothing else."""
    wrong = {name for name, file in site.pypi.files.items() if file.upload.content != (folder / name).read_bytes()}
    assert wrong == set()
    site.server.before = None
    site.target(folder).publish()
    assert sorted(site.has) == [WHEEL, TARBALL] == sorted(site.pypi.used)
    assert len(site.pypi.begun) == 1


def check(site: Site, folder: Path, step: str, wrong: WrongPypiAnswer) -> None:
    site.server.before = at(step, lambda request: wrong.reply)
    outcome = wrong.send if step in SENDS else wrong.look
    if outcome is None:
        site.target(folder).publish()
        assert bool(site.slept) == (wrong.pauses or (step == "last look" and not wrong.reply.headers))
    else:
        with pytest.raises(ReleaseError) as raised:
            site.target(folder).publish()
        assert type(raised.value) is outcome.kind
        assert outcome.told in str(raised.value)
        assert raised.value.hint
        assert outcome.advice in raised.value.hint
    require_right(site, folder)


def test_an_undisturbed_publication(site: Site, built_files: Path) -> None:
    site.target(built_files).publish()
    expected = ["POST /legacy/" if step in SENDS else "GET /simple/faas-runtime/" for step in STEPS]
    assert site.server.seen == expected


@pytest.mark.parametrize("step", ["wheel", "last look"])
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_answers(site: Site, built_files: Path, step: str, wrong: str) -> None:
    check(site, built_files, step, WRONG[wrong])


@pytest.mark.long
@pytest.mark.parametrize("step", [step for step in STEPS if step not in ("wheel", "last look")])
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_answers_at_each_other_step(site: Site, built_files: Path, step: str, wrong: str) -> None:
    check(site, built_files, step, WRONG[wrong])


@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize("step", SENDS)
def test_a_time_out(site: Site, built_files: Path, step: str, carried_out: bool) -> None:
    """The server says nothing until the client has given up; what came of the file is asked of the index."""
    gave_up = threading.Event()
    site.told = lambda line: gave_up.set() if "in time" in line else None

    def silent(request: Request) -> Reply:
        if carried_out:
            site.pypi.answer(request)
        gave_up.wait(30)
        return Reply(status=200, cut=-1)

    site.server.before = at(step, silent)
    site.target(built_files, seconds=0.5).publish()
    assert gave_up.is_set()
    if carried_out:
        assert site.server.seen.count("POST /legacy/") == 2
    assert any("what came of it is asked of the index" in line for line in site.said)
    require_right(site, built_files)


def test_a_time_out_of_the_index(site: Site, built_files: Path) -> None:
    gave_up = threading.Event()
    site.told = lambda line: gave_up.set() if "in time" in line else None

    def silent(request: Request) -> Reply:
        gave_up.wait(30)
        return Reply(status=200, cut=-1)

    site.server.before = at("last look", silent)
    site.target(built_files, seconds=0.5).publish()
    require_right(site, built_files)


@pytest.mark.parametrize("reply", [titled(500, "Oops"), Reply(status=200, cut=-1)], ids=["500", "hangs up"])
def test_a_fault_that_does_not_end(site: Site, built_files: Path, reply: Reply) -> None:
    """A file is sent three times at most."""
    site.server.before = lambda number, request: reply if request.method == "POST" else None
    with pytest.raises(UnknownOutcome) as raised:
        site.target(built_files).publish()
    assert str(raised.value).startswith(f"{WHEEL}: ")
    assert AGAIN in raised.value.hint
    assert site.server.seen.count("POST /legacy/") == 3
    assert site.pypi.files == {}
    require_right(site, built_files)


def test_a_file_that_exists_with_other_bytes_though_the_index_did_not_say_so(site: Site, built_files: Path) -> None:
    """The index lags behind somebody else's upload."""
    theirs = page("faas-runtime", (WHEEL, "0" * 64))

    def taken(number: int, request: Request) -> Reply | None:
        if request.method == "POST":
            return titled(400, "File already exists ('x').")
        return page() if number < 5 else theirs

    site.server.before = taken
    with pytest.raises(VerificationError, match="has other bytes under this name: sha256 000") as raised:
        site.target(built_files).publish()
    assert NEW in raised.value.hint
    assert site.pypi.files == {}


def test_a_file_that_exists_with_our_bytes_though_the_index_did_not_say_so(site: Site, built_files: Path) -> None:
    site.target(built_files).publish()
    site.server.seen.clear()
    old = iter([page()] * 4)

    def lagging(number: int, request: Request) -> Reply | None:
        return next(old, None) if request.method == "GET" else titled(400, "File already exists ('x').")

    site.server.before = lagging
    site.target(built_files).publish()
    require_right(site, built_files)


def test_an_upload_address_with_a_certificate_that_nobody_vouches_for(
    site: Site, built_files: Path, tmp_path: Path
) -> None:
    key, made = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", key, "-out", made],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    with Server(site.pypi.answer, context) as server:
        with pytest.raises(
            HostError, match=f"^{WHEEL}: no answer from 127.0.0.1:.*: TLS: certificate verify"
        ) as raised:
            site.target(built_files, upload=f"{server.origin}/legacy/").publish()
        assert server.seen == []
    assert "REQUESTS_CA_BUNDLE" in raised.value.hint
    assert site.slept == []
    require_right(site, built_files)
