"""A registry of cargo answers wrongly, at each step in turn: nothing wrong gets there, and the message gives advice."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci.core.errors import HostError, ReleaseError, UnavailableError, VerificationError
from ci.core.web import Refusal, UnknownOutcome
from ci.publish.rehearse.server import Reply, Request
from tests.publish.crates_fixtures import FILE, INDEX, NAME, NEW, VERSION, YANK, ServedRegistry, built_crate, registry

__all__ = ["built_crate", "registry"]

STEPS = ("first look", "send", "last look")
"""The requests of an undisturbed publication, in order."""

OF_A_YANK = ("first look", "yank", "last look")
CHANGES = ("send", "yank")


@dataclass(frozen=True, kw_only=True)
class CrateOutcome:
    """What is raised, with some of its message and of its hint."""

    kind: type[ReleaseError]
    told: str
    advice: str


@dataclass(frozen=True, kw_only=True)
class WrongAnswer:
    """A wrong answer, and what comes of it where the index is asked and where something is changed; None is success."""

    reply: Reply
    look: CrateOutcome | None
    send: CrateOutcome | None
    pauses: bool = True  # whether a success took some


def refused(status: int, words: str) -> Reply:
    return Reply(status=status, body=json.dumps({"errors": [{"detail": words}]}).encode())


def line(name: str = NAME, version: str = VERSION, cksum: object = "0" * 64) -> Reply:
    entry = {"name": name, "vers": version, "cksum": cksum, "deps": [], "features": {}, "yanked": False}
    return Reply(status=200, body=json.dumps(entry).encode() + b"\n")


def refusal(told: str, advice: str = "") -> CrateOutcome:
    return CrateOutcome(kind=Refusal, told=told, advice=advice)


AGAIN = "run the same command again"
NEW_VERSION = "publish a new version"
NO_INDEX = "the address of the index"
TOKEN_REFUSED = refusal("the token is not accepted (401, Who are you?)", "is it whole, and not expired?")
FORBIDDEN = refusal("the token may not do this (403, Not yours)", "the right to write")
CONFLICT = refusal("answered 409, Conflict", AGAIN)
NOT_JSON = refusal("is not JSON", "a proxy")
LIMITED = CrateOutcome(kind=HostError, told="for 3600 s", advice=AGAIN)
WRONG = {
    "401": WrongAnswer(reply=refused(401, "Who are you?"), look=TOKEN_REFUSED, send=TOKEN_REFUSED),
    "403": WrongAnswer(reply=refused(403, "Not yours"), look=FORBIDDEN, send=FORBIDDEN),
    "404": WrongAnswer(
        reply=refused(404, "Not Found"),
        look=None,
        send=refusal("it is not there, or the token may not see it (404", "typing errors"),
        pauses=False,
    ),
    "409": WrongAnswer(reply=refused(409, "Conflict"), look=CONFLICT, send=CONFLICT),
    "uploaded": WrongAnswer(
        reply=refused(400, "crate version `0.1.0` is already uploaded"),
        look=refusal("answered 400, crate version"),
        send=refusal("is already uploaded", "look at the page of the crate"),
    ),
    "refused with 200": WrongAnswer(
        reply=refused(200, "it is not to our taste"),
        look=CrateOutcome(kind=UnavailableError, told="is not a file of an index", advice=NO_INDEX),
        send=refusal("refuses it: it is not to our taste", "do what the answer asks for"),
    ),
    "e-mail": WrongAnswer(
        reply=refused(400, "A verified email address is required to publish crates to crates.io."),
        look=refusal("verified email"),
        send=refusal("verified email", "verify its e-mail address"),
    ),
    "owner": WrongAnswer(
        reply=refused(200, "this crate exists but you don't seem to be an owner."),
        look=CrateOutcome(kind=UnavailableError, told="is not a file of an index", advice=NO_INDEX),
        send=refusal("to be an owner", "let an owner of the crate invite the account"),
    ),
    "size": WrongAnswer(
        reply=refused(413, "max upload size is: 10485760"),
        look=refusal("answered 413"),
        send=refusal("max upload size", "leave files out of the crate"),
    ),
    "fields": WrongAnswer(
        reply=refused(400, "missing or empty metadata fields: description"),
        look=refusal("answered 400"),
        send=refusal("metadata fields", "add them to runtime/crate/Cargo.toml"),
    ),
    "limited": WrongAnswer(reply=Reply(status=429, headers={"Retry-After": "7"}), look=None, send=None),
    "limited until": WrongAnswer(
        reply=Reply(status=429, headers={"Retry-After": "Fri, 15 Jan 2027 08:01:00 GMT"}), look=None, send=None
    ),
    "limited for long": WrongAnswer(
        reply=Reply(status=429, headers={"Retry-After": "3600"}), look=LIMITED, send=LIMITED
    ),
    "500": WrongAnswer(reply=refused(500, "Oops"), look=None, send=None),
    "503": WrongAnswer(reply=Reply(status=503, headers={"Retry-After": "7"}), look=None, send=None),
    "cut": WrongAnswer(reply=Reply(status=200, body=b"x" * 100, cut=10), look=None, send=None),
    "hangs up": WrongAnswer(reply=Reply(status=200, cut=-1), look=None, send=None),
    "another crate": WrongAnswer(
        reply=line("other"),
        look=CrateOutcome(kind=UnavailableError, told="it is about 'other'", advice=NO_INDEX),
        send=None,
    ),
    "no hash": WrongAnswer(
        reply=line(cksum="md5"),
        look=CrateOutcome(kind=UnavailableError, told="'0.1.0' has no sha256", advice=NO_INDEX),
        send=None,
    ),
    "no line": WrongAnswer(
        reply=Reply(status=200, body=b"[1]\n"),
        look=CrateOutcome(kind=UnavailableError, told="something is missing, or of another type", advice=NO_INDEX),
        send=refusal("refuses it: it does not say why"),
    ),
    "no text": WrongAnswer(
        reply=Reply(status=200, body=b"\xff\xfe"),
        look=CrateOutcome(kind=UnavailableError, told="is not a file of an index", advice=NO_INDEX),
        send=NOT_JSON,
    ),
    "a page": WrongAnswer(
        reply=Reply(status=200, body=b"<html>Log in"),
        look=CrateOutcome(kind=UnavailableError, told="is not a file of an index", advice=NO_INDEX),
        send=NOT_JSON,
    ),
    "another version": WrongAnswer(reply=line(version="0.0.9"), look=None, send=None, pauses=False),
    "redirect": WrongAnswer(
        reply=Reply(status=307, headers={"Location": INDEX}),
        look=None,
        send=refusal("to another address (307)", "release.yaml"),
        pauses=False,
    ),
    "redirect to nowhere": WrongAnswer(
        reply=Reply(status=302, headers={"Location": "ftp://x"}),
        look=refusal("redirects to what is no address"),
        send=refusal("to another address (302)"),
    ),
}
# A change that the registry says it has made, and has not: the index tells.
SAYS_YES = ("another crate", "no hash", "another version")


def at(step: str, steps: tuple[str, ...], reply: Callable[[Request], Reply]) -> Callable[[int, Request], Reply | None]:
    """Answer wrongly at a step, once."""
    return lambda number, request: reply(request) if number == steps.index(step) + 1 else None


def outcome_of(wrong: str, step: str, action: str) -> CrateOutcome | None:
    if step not in CHANGES:
        return WRONG[wrong].look
    if wrong in SAYS_YES:
        return CrateOutcome(kind=HostError, told="does not show it after 120 s", advice=AGAIN)
    found = WRONG[wrong].send
    if action == "yank" and found and found.advice not in ("", AGAIN):
        return CrateOutcome(kind=found.kind, told=found.told, advice="")  # what it means is said of a publication
    return found


def check(registry: ServedRegistry, folder: Path, step: str, wrong: str, action: str) -> None:
    steps = STEPS if action == "publish" else OF_A_YANK
    target = registry.target(folder)

    def act() -> None:
        if action == "publish":
            target.publish()
        else:
            target.yank("broken")

    registry.server.before = at(step, steps, lambda request: WRONG[wrong].reply)
    outcome = outcome_of(wrong, step, action)
    if action == "yank" and step == "first look" and wrong in ("404", "another version"):
        assert "nothing to yank" in target.yank("broken")
    elif outcome is None:
        act()
        waits = step == "last look" and not WRONG[wrong].reply.headers
        assert bool(registry.slept) == (WRONG[wrong].pauses or waits)
    else:
        with pytest.raises(ReleaseError) as raised:
            act()
        assert type(raised.value) is outcome.kind
        assert outcome.told in str(raised.value)
        assert raised.value.hint
        assert outcome.advice in raised.value.hint
    registry.server.before = None
    act()


def require_right(registry: ServedRegistry, folder: Path, *, yanked: bool = False) -> None:
    """The registry has what an undisturbed run brings there, and nothing else."""
    assert list(registry.has) == [(NAME, VERSION)]
    (stored,) = registry.crates.crates.values()
    assert stored.content == (folder / "crates" / FILE).read_bytes()
    assert stored.entry["yanked"] is yanked


def test_an_undisturbed_publication(registry: ServedRegistry, built_crate: Path) -> None:
    registry.target(built_crate).publish()
    assert registry.server.seen == [f"GET {INDEX}", f"PUT {NEW}", f"GET {INDEX}"]
    registry.server.seen.clear()
    registry.target(built_crate).yank("broken")
    assert registry.server.seen == [f"GET {INDEX}", f"DELETE {YANK}", f"GET {INDEX}"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_answers(registry: ServedRegistry, built_crate: Path, step: str, wrong: str) -> None:
    check(registry, built_crate, step, wrong, "publish")
    require_right(registry, built_crate)
    assert registry.crates.changes == 1


@pytest.mark.parametrize("step", OF_A_YANK)
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_answers_to_a_yank(registry: ServedRegistry, built_crate: Path, step: str, wrong: str) -> None:
    registry.target(built_crate).publish()
    registry.server.seen.clear()
    check(registry, built_crate, step, wrong, "yank")
    require_right(registry, built_crate, yanked=True)
    assert registry.crates.changes == 2


@pytest.mark.parametrize("step", STEPS)
def test_other_bytes_at_any_step(registry: ServedRegistry, built_crate: Path, step: str) -> None:
    if step == "send":
        return
    registry.server.before = at(step, STEPS, lambda request: line())
    with pytest.raises(VerificationError, match="has other bytes of this version: sha256 0000") as raised:
        registry.target(built_crate).publish()
    assert NEW_VERSION in raised.value.hint


@pytest.mark.parametrize("carried_out", [False, True])
def test_a_time_out(registry: ServedRegistry, built_crate: Path, carried_out: bool) -> None:
    """The server says nothing until the client has given up; what came of the crate is asked of the index."""
    gave_up = threading.Event()
    registry.told = lambda line: gave_up.set() if "in time" in line else None

    def silent(request: Request) -> Reply:
        if carried_out:
            registry.crates.answer(request)
        gave_up.wait(30)
        return Reply(status=200, cut=-1)

    registry.server.before = at("send", STEPS, silent)
    registry.target(built_crate, seconds=0.5).publish()
    assert gave_up.is_set()
    assert registry.server.seen.count(f"PUT {NEW}") == (1 if carried_out else 2)
    assert any("what came of it is asked of the index" in line for line in registry.said)
    require_right(registry, built_crate)


@pytest.mark.parametrize("reply", [refused(500, "Oops"), Reply(status=200, cut=-1)], ids=["500", "hangs up"])
def test_a_fault_that_does_not_end(registry: ServedRegistry, built_crate: Path, reply: Reply) -> None:
    """The crate is sent three times at most."""
    registry.server.before = lambda number, request: reply if request.method == "PUT" else None
    with pytest.raises(UnknownOutcome) as raised:
        registry.target(built_crate).publish()
    assert str(raised.value).startswith(f"{FILE}: ")
    assert AGAIN in raised.value.hint
    assert registry.server.seen.count(f"PUT {NEW}") == 3
    assert registry.crates.crates == {}


def lagging(registry: ServedRegistry, looks: int, page: Reply) -> None:
    """Let the index show an old page so many times."""
    old = iter([page] * looks)
    registry.server.before = lambda number, request: next(old, None) if request.path == INDEX else None


def test_a_version_that_is_there_with_our_bytes_though_the_index_did_not_say_so(
    registry: ServedRegistry, built_crate: Path
) -> None:
    registry.target(built_crate).publish()
    lagging(registry, 4, Reply(status=404))
    registry.target(built_crate).publish()
    assert any("its sha256 is asked of the index" in line for line in registry.said)
    assert registry.crates.changes == 1
    require_right(registry, built_crate)


def test_a_version_of_somebody_else_though_the_index_did_not_say_so(
    registry: ServedRegistry, built_crate: Path
) -> None:
    def taken(number: int, request: Request) -> Reply | None:
        if request.method == "PUT":
            return refused(200, "crate version `0.1.0` is already uploaded")
        return Reply(status=404) if number < 4 else line()

    registry.server.before = taken
    with pytest.raises(VerificationError, match="has other bytes of this version: sha256 000") as raised:
        registry.target(built_crate).publish()
    assert NEW_VERSION in raised.value.hint
    assert registry.crates.crates == {}
