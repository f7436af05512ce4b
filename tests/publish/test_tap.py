"""The formula in a tap on a real git server: one commit, only upwards, and yanked when it must be."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.core.errors import HostError, ReleaseError, UnavailableError, UsageError, VerificationError
from ci.core.run import Runner
from ci.core.secrets import Secret, register
from ci.manifest.versions import parse
from ci.publish.formula import version_of
from ci.publish.rehearse.git_server import git_server, make_repository
from ci.publish.rehearse.server import Reply, Request
from ci.publish.target import Item, State
from tests import leaks
from tests.publish import taps
from tests.publish.taps import TOKEN, Served
from tests.publish.yank_time import YANKED_AT
from tests.support import ROOT

PATH = "Formula/faas-runtime.rb"
REQUESTS = 7  # of an undisturbed publication
PUSH = 5  # the number of the one that changes the tap


@pytest.fixture
def token() -> Secret:
    return register("TAP_TOKEN", TOKEN)


@pytest.fixture
def box(tmp_path: Path, token: Secret) -> Iterator[Served]:
    with taps.served(tmp_path, token) as found:
        yield found


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that 0.1.0 was published to."""
    folder = tmp_path_factory.mktemp("first")
    with taps.served(folder, Secret("TAP_TOKEN", TOKEN)) as box:
        box.tap("0.1.0").publish()
    return box.repository


@pytest.fixture
def published(tmp_path: Path, token: Secret, first: Path) -> Iterator[Served]:
    """A tap that has 0.1.0."""
    with taps.served(tmp_path, token, first) as box:
        box.tap("0.1.0")
        yield box


def test_the_first_formula_of_an_empty_tap(box: Served) -> None:
    target = box.tap("0.1.0")
    assert not target.preflight()
    file = target._file()
    push = f"git push {box.url} faas-runtime 0.1.0 to main"
    assert target.state() == [Item(name=PATH, state=State.MISSING, requests=(push,), size=file.size)]
    assert box.everything() == ""  # nothing was changed
    target.publish()
    assert target.state() == [Item(name=PATH, state=State.THERE, size=file.size)]
    assert box.formula() == file.path.read_text()
    assert box.subjects() == ["faas-runtime 0.1.0"]
    assert box.git("log", "--format=%an <%ae> %at %ct", "main") == "Maintainers <> 1795392000 1795392000"
    assert [line.partition(" in ")[0] for line in box.said] == [f"tap: {PATH}: 0.1.0, {file.size} bytes"]
    before = box.everything()
    target.publish()
    assert box.everything() == before


def test_the_next_version_is_one_commit_beside_other_files(published: Served) -> None:
    published.push_file("README.md", "About this tap\n")
    published.tap("0.2.0").publish()
    assert published.subjects() == ["faas-runtime 0.2.0", "Change README.md", "faas-runtime 0.1.0"]
    assert published.git("show", "--stat=80", "--format=", "main").splitlines()[0].split()[0] == PATH
    assert published.git("show", "main:README.md") == "About this tap"


def test_the_requests_of_a_publication_are_counted(published: Served) -> None:
    published.tap("0.2.0").publish()
    assert len(published.server.seen) == REQUESTS
    assert published.server.seen[PUSH - 1] == f"POST /{published.repository.name}/git-receive-pack"


def test_an_older_version_or_a_pre_release_moves_nothing(published: Served) -> None:
    published.push_file(PATH, taps.FORMULA.format(version="0.2.0", about="", zeros=""))
    before = published.everything()
    for version in ("0.1.1", "0.3.0rc1"):
        target = published.tap(version)
        target.publish()
        (item,) = target.state()
        assert (item.state, item.requests) == (State.THERE, ())
        assert "moves nothing" in item.name
        assert "moves nothing" in published.said[-1]
        assert not target.preflight()
    assert published.everything() == before


# What the tap has, and why this version cannot be put there.
OTHER = {
    "other bytes": (taps.FORMULA.format(version="0.2.0", about="Other", zeros=""), "0.2.0 is there with other bytes"),
    "no version": ("class FaasRuntime < Formula\nend\n", "the version of the formula that is there cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHER)
def test_other_bytes_are_never_overwritten(published: Served, case: str) -> None:
    text, message = OTHER[case]
    published.push_file(PATH, text)
    before, target = published.everything(), published.tap("0.2.0")
    with pytest.raises(VerificationError, match=message) as refused:
        target.publish()
    assert refused.value.hint
    assert target.state()[0].state == State.OTHER
    assert [message in fault.what for fault in target.preflight()] == [True]
    assert published.everything() == before


def test_a_changed_formula_in_the_set_is_refused(published: Served) -> None:
    target = published.tap("0.2.0")
    target._file().path.write_text("other bytes")
    with pytest.raises(VerificationError, match="its bytes have changed since the set was checked"):
        target.publish()
    assert published.subjects() == ["faas-runtime 0.1.0"]


def test_a_repository_without_the_branch(published: Served) -> None:
    published.git("branch", "-m", "main", "trunk")
    target = published.tap("0.2.0")
    with pytest.raises(UnavailableError, match="it has no branch main, only trunk"):
        target.publish()
    assert published.git("branch", "--format=%(refname:short)") == "trunk"


@pytest.mark.parametrize(("times", "method"), [(1, "GET"), (2, "POST"), (3, "GET")])
def test_somebody_else_pushes_meanwhile(published: Served, times: int, method: str) -> None:
    pushed = 0

    def before(number: int, request: Request) -> None:
        nonlocal pushed
        if request.method == method and "git-receive-pack" in f"{request.path} {request.query}" and pushed < times:
            pushed += 1
            published.push_file("README.md", f"{pushed}\n")

    published.server.before = before
    if times == 3:
        with pytest.raises(HostError, match="the branch has moved meanwhile") as stopped:
            published.tap("0.2.0").publish()
        assert "run the same command again" in stopped.value.hint
        assert published.subjects() == [*["Change README.md"] * 3, "faas-runtime 0.1.0"]
    else:
        published.tap("0.2.0").publish()
        assert published.subjects().count("faas-runtime 0.2.0") == 1
        assert published.git("show", "main:README.md") == str(times)


def test_two_publications_at_once(published: Served) -> None:
    other = taps.tap(
        taps.make_set(published.scratch / "twin", "0.2.0"),
        published.url,
        published.scratch / "twin",
        published.token,
        published.said,
    )
    threads = [threading.Thread(target=one.publish) for one in (published.tap("0.2.0"), other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert published.subjects() == ["faas-runtime 0.2.0", "faas-runtime 0.1.0"]


def test_yank_brings_the_earlier_formula_back(published: Served) -> None:
    published.tap("0.2.0").publish()
    target = published.tap("0.2.0")
    assert target.yank("It crashes\non start.", YANKED_AT) == "the formula is that of 0.1.0 again"
    assert published.formula() == published.tap("0.1.0")._file().path.read_text()
    message = published.git("log", "-1", "--format=%B", "main")
    assert message == "faas-runtime 0.2.0 is yanked\n\nIt crashes on start."
    assert published.git("log", "-1", "--format=%ct %at", "main") == f"{YANKED_AT} {YANKED_AT}"
    before = published.everything()
    assert target.yank("It crashes.", YANKED_AT) == "0.1.0 is there: there was nothing to yank"
    assert published.everything() == before
    assert target.state()[0].state == State.OTHER
    published.tap("0.1.1").publish()  # the next version goes up again
    assert version_of(published.formula()) == parse("0.1.1")


@pytest.mark.parametrize("later", ["", "0.3.0"], ids=["yanked", "and a later one is there"])
def test_a_yanked_version_is_never_published_or_promoted_again(published: Served, later: str) -> None:
    published.tap("0.2.0").publish()
    target = published.tap("0.2.0")
    target.yank("It crashes.", YANKED_AT)
    if later:
        published.tap(later).publish()
    before = published.everything()
    for step in (target.publish, target.promote):
        with pytest.raises(VerificationError, match=r"0\.2\.0 was yanked"):
            step()
    for faults in (target.preflight(), target.preflight_promotion()):
        (fault,) = faults
        assert "0.2.0 was yanked" in fault.what
        assert (fault.advice, fault.warning) == ("take the next version", False)
    assert published.everything() == before


def test_yank_passes_over_what_was_yanked_before(published: Served) -> None:
    for version in ("0.2.0", "0.3.0"):
        published.tap(version).publish()
        if version == "0.2.0":
            published.tap(version).yank("It crashes.", YANKED_AT)
    published.tap("0.3.0").yank("It crashes, too.", YANKED_AT)
    assert version_of(published.formula()) == parse("0.1.0")
    assert published.tap("0.1.0").yank("And this one.", YANKED_AT) == "the formula is removed: no earlier one is left"
    assert published.git("ls-tree", "-r", "--name-only", "main") == ""
    published.tap("0.1.0").yank("Again.", YANKED_AT)
    assert len(published.subjects()) == 6
    with pytest.raises(VerificationError, match="was yanked"):
        published.tap("0.3.0").publish()
    published.tap("0.4.0").publish()
    assert version_of(published.formula()) == parse("0.4.0")


def test_yank_of_a_version_that_was_never_there_changes_nothing(published: Served) -> None:
    published.tap("0.2.0").publish()
    before = published.everything()
    assert published.tap("0.3.0").yank("It crashes.", YANKED_AT) == "0.2.0 is there: there was nothing to yank"
    assert published.said[-1] == f"tap: {PATH}: 0.2.0 is there, nothing to yank"
    assert published.everything() == before


def test_a_version_that_was_yanked_behind_a_newer_one_does_not_come_back(published: Served) -> None:
    for version in ("0.2.0", "0.3.0"):
        published.tap(version).publish()
    formula = published.formula()
    done = published.tap("0.2.0").yank("It crashes.", YANKED_AT)
    assert done == "0.3.0 is there, and 0.2.0 does not come back"
    assert published.formula() == formula
    assert published.git("log", "-1", "--format=%B", "main") == "faas-runtime 0.2.0 is yanked\n\nIt crashes."
    before = published.everything()
    assert published.tap("0.2.0").yank("It crashes.", YANKED_AT) == "0.3.0 is there: there was nothing to yank"
    assert published.everything() == before
    with pytest.raises(VerificationError, match=r"0\.2\.0 was yanked"):
        published.tap("0.2.0").publish()
    assert published.tap("0.3.0").yank("It crashes, too.", YANKED_AT) == "the formula is that of 0.1.0 again"
    assert version_of(published.formula()) == parse("0.1.0")


def test_yank_brings_back_what_was_corrected_in_the_tap(published: Served) -> None:
    corrected = taps.FORMULA.format(version="0.1.0", about="With a bottle", zeros="")
    published.push_file(PATH, corrected)
    published.tap("0.2.0").publish()
    published.tap("0.2.0").yank("It crashes.", YANKED_AT)
    assert published.formula() == corrected


# What the server answers in place of one request, and the error that this ends in; None if it is repeated.
SERVER_FAULTS: dict[str, tuple[Reply, str | None]] = {
    "401": (Reply(status=401, headers={"WWW-Authenticate": "Basic"}), r"the token is not accepted \(401\)"),
    "403": (Reply(status=403), r"the token may not do this \(403\)"),
    "404": (Reply(status=404), r"it is not there, or the token may not see it \(404\)"),
    "409": (Reply(status=409), None),
    "422": (Reply(status=422), None),
    "429": (Reply(status=429, headers={"Retry-After": "7"}), None),
    "500": (Reply(status=500), None),
    "truncated": (Reply(status=200, body=b"001e# service=git-upload-pack\n", cut=10), None),
    "garbage": (Reply(status=200, body=b"<html>Hello</html>", headers={"Content-Type": "text/html"}), None),
    "no answer": (Reply(status=200, cut=-1), None),
    "redirect": (Reply(status=302, headers={"Location": "http://127.0.0.2:9/"}), "it redirects to another address"),
}  # fmt: skip


def answer_wrongly(published: Served, fault: str, step: int) -> None:
    reply, message = SERVER_FAULTS[fault]
    published.server.before = lambda number, request: reply if number == step else None
    if message is None or step > REQUESTS:
        published.tap("0.2.0").publish()
    else:
        with pytest.raises(UnavailableError, match=message) as refused:
            published.tap("0.2.0").publish()
        assert refused.value.hint
        published.server.before = None
        published.tap("0.2.0").publish()
    assert published.subjects() == ["faas-runtime 0.2.0", "faas-runtime 0.1.0"]
    assert published.formula() == published.tap("0.2.0")._file().path.read_text()


@pytest.mark.parametrize("fault", SERVER_FAULTS)
def test_a_wrong_answer_to_the_push(published: Served, fault: str) -> None:
    answer_wrongly(published, fault, PUSH)


@pytest.mark.long
@pytest.mark.parametrize("step", range(1, REQUESTS + 1))
@pytest.mark.parametrize("fault", SERVER_FAULTS)
def test_a_wrong_answer_at_each_step(published: Served, fault: str, step: int) -> None:
    answer_wrongly(published, fault, step)


@pytest.mark.parametrize("fault", ["429", "500", "no answer"])
def test_a_fault_that_stays_is_told(published: Served, fault: str) -> None:
    published.server.before = lambda number, request: SERVER_FAULTS[fault][0]
    with pytest.raises(HostError) as stopped:
        published.tap("0.2.0").publish()
    assert "run the same command again" in stopped.value.hint
    assert len(published.server.seen) == 4
    assert [line.rpartition("again in ")[2] for line in published.said] == (
        ["60 s", "60 s", "60 s"] if fault == "429" else ["1 s", "2 s", "4 s"]
    )
    (known,) = published.tap("0.2.0").preflight()
    assert known.what == str(stopped.value)
    assert published.tap("0.1.0")._file().path.read_text() == published.formula()


def test_a_push_that_was_carried_out_and_not_answered_is_not_repeated(published: Served) -> None:
    def after(number: int, request: Request) -> None:
        if number == PUSH:
            raise ConnectionError

    published.server.after = after
    published.tap("0.2.0").publish()
    # libcurl itself repeats it once, and is refused, because the branch has moved.
    assert published.server.seen.count(f"POST /{published.repository.name}/git-receive-pack") <= 2
    assert published.subjects() == ["faas-runtime 0.2.0", "faas-runtime 0.1.0"]


def test_a_server_that_says_nothing(published: Served) -> None:
    end = threading.Event()

    def silent(number: int, request: Request) -> Reply | None:
        if number == 1:
            end.wait(30)
            return Reply(status=500)
        return None

    published.server.before = silent
    published.server._guard = threading.Semaphore(9)  # type: ignore[assignment]
    try:
        published.tap("0.2.0").publish()
    finally:
        end.set()
    assert "again in 1 s" in published.said[0]
    assert published.subjects() == ["faas-runtime 0.2.0", "faas-runtime 0.1.0"]


def test_a_tap_that_takes_pushes_and_does_not_show_them(published: Served) -> None:
    before = published.git("rev-parse", "main")

    def undo(number: int, request: Request) -> None:
        if request.path.endswith("git-receive-pack"):
            published.git("update-ref", "refs/heads/main", before)

    published.server.after = undo
    with pytest.raises(VerificationError, match="it takes pushes, and does not show them"):
        published.tap("0.2.0").publish()


def test_a_branch_with_rules(published: Served) -> None:
    hook = published.repository / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho only reviewed changes >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(UnavailableError, match=r"the server refuses it: .*pre-receive hook declined") as refused:
        published.tap("0.2.0").publish()
    assert refused.value.hint == "look at the rules for this branch"


def test_a_wrong_token(published: Served) -> None:
    published.token = register("TAP_TOKEN", "another-token-of-the-tests")
    target = published.tap("0.2.0")
    with pytest.raises(UnavailableError, match="the token is not accepted"):
        target.publish()
    assert ["the token is not accepted" in fault.what for fault in target.preflight()] == [True]


def test_preflight_asks_whether_it_may_push(published: Served) -> None:
    def refuse(number: int, request: Request) -> Reply | None:
        return Reply(status=403) if "git-receive-pack" in str(request.query) else None

    published.server.before = refuse
    (fault,) = published.tap("0.2.0").preflight()
    assert "pushing to 127.0.0.1" in fault.what
    assert fault.advice == "give it the right to write there"


@pytest.mark.parametrize(
    "url", ["http://example.org/tap.git", "https://x:y@example.org/tap.git", "/tmp/tap.git", "git@x:y"]
)
def test_an_address_that_is_not_secure(box: Served, url: str) -> None:
    target = taps.tap(taps.make_set(box.scratch / "set", "0.1.0"), url, box.scratch, box.token)
    with pytest.raises(UsageError, match="it must be an https address without a user's name"):
        target.publish()


def test_a_certificate_that_nobody_knows(tmp_path: Path, token: Secret) -> None:
    words = "req -x509 -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -days 9"
    pem = tmp_path / "key.pem"
    command = ["openssl", *words.split(), "-keyout", str(pem), "-out", str(tmp_path / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", pem)
    run = Runner(log=tmp_path / "server.log")
    make_repository(tmp_path / "git" / "tap.git", run)
    with git_server(tmp_path / "git", TOKEN, run, context) as server:
        target = taps.tap(taps.make_set(tmp_path / "set", "0.1.0"), f"{server.origin}/tap.git", tmp_path, token)
        with pytest.raises(UnavailableError, match="the connection is not secure") as refused:
            target.publish()
        assert "GIT_SSL_CAINFO" in refused.value.hint
        assert not server.seen


def test_the_token_is_seen_nowhere(published: Served) -> None:
    masks = leaks.masks_of({"TAP_TOKEN": TOKEN})
    with leaks.Processes(masks) as processes:
        published.tap("0.2.0").publish()
        published.tap("0.2.0").yank("It crashes.", YANKED_AT)
        items = published.tap("0.2.0").state()
    # The program that reaches the server has it in its environment, which no other user can read.
    assert {one for one in processes.found if one.startswith("arguments")} == set()
    assert not leaks.in_files(masks, published.scratch.parent)
    assert not masks.found_in("\n".join([*published.said, *map(str, items)]))
    published.server.before = lambda number, request: Reply(status=500, body=TOKEN.encode())
    with pytest.raises(ReleaseError) as stopped:
        published.tap("0.3.0").publish()
    assert not masks.found_in(f"{stopped.value} {stopped.value.hint}")


def test_nothing_of_the_user_is_read(published: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[url "http://127.0.0.1:1/"]\n\tinsteadOf = {published.server.origin}/\n[broken')
    (home / ".netrc").write_text("machine 127.0.0.1 login x password wrong\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    published.tap("0.2.0").publish()
    assert published.subjects()[0] == "faas-runtime 0.2.0"


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ('url "https://example.org/v0.1.0/faas_runtime-0.1.0rc1.tar.gz"', "0.1.0rc1"),
        ('url "https://example.org/v0.2.0.zip"', "0.2.0"),
        ('url "https://example.org/latest.tar.gz"\n  version "0.3.0"', "0.3.0"),
        ('url "https://example.org/faas_runtime-0.1.0.dev1.tar.gz"\n  version "0.1.0a0.a1"', "0.1.0.dev1"),
        ('url "https://example.org/latest.tar.gz"\n  version "new"', None),
        ('  url "https://example.org/resource-0.1.0.tar.gz"', None),
        ("", None),
    ],
)
def test_the_version_of_a_formula(line: str, version: str | None) -> None:
    assert version_of(f"class FaasRuntime < Formula\n  {line}\nend\n") == (version and parse(version))


class KilledAtRequest:
    """Kills a process at a request, and runs it again."""

    def __init__(self, tmp_path: Path, token: Secret, first: Path, action: str) -> None:
        self._tmp_path, self._token, self._action = tmp_path, token, action
        self._count, self._first = 0, first
        if action == "yank":
            (tmp_path / "second").mkdir()
            with taps.served(tmp_path / "second", token, first) as box:
                box.tap("0.2.0").publish()
            self._first = box.repository
        self.undisturbed, self.requests = self._once(0, "")

    def _once(self, number: int, moment: str) -> tuple[str, int]:
        self._count += 1
        folder = self._tmp_path / str(self._count)
        folder.mkdir()
        with taps.served(folder, self._token, self._first) as box:
            box.tap("0.2.0")
            argv = [self._action, str(box.scratch / "0.2.0-Functions"), box.url, str(box.scratch / "killed")]
            (box.scratch / "killed").mkdir()
            if number:
                self._kill(box, argv, number, moment)
            box.server.before = box.server.after = None
            assert start(argv).wait() == 0
            found = box.everything()
            return found, len(box.server.seen)

    def _kill(self, box: Served, argv: list[str], number: int, moment: str) -> None:
        children: list[subprocess.Popen[bytes]] = []
        started = threading.Event()

        def strike(at: int, request: Request) -> None:
            if at == number:
                started.wait()
                taps.kill(children[0].pid)

        setattr(box.server, moment, strike)
        children.append(start(argv))
        started.set()
        assert children[0].wait() != 0

    def at(self, number: int, moment: str) -> None:
        assert self._once(number, moment)[0] == self.undisturbed


def start(argv: list[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.publish.tap_program", *argv]
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "TAP_TOKEN": TOKEN}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def test_killed_at_some_requests(tmp_path: Path, token: Secret, first: Path) -> None:
    killed = KilledAtRequest(tmp_path, token, first, "publish")
    assert killed.requests == REQUESTS
    killed.at(PUSH - 1, "after")
    killed.at(PUSH, "before")
    killed.at(PUSH, "after")


@pytest.mark.long
@pytest.mark.parametrize("action", ["publish", "yank"])
def test_killed_at_every_request(tmp_path: Path, token: Secret, first: Path, action: str) -> None:
    killed = KilledAtRequest(tmp_path, token, first, action)
    assert killed.requests >= REQUESTS
    for number in range(1, killed.requests + 1):
        for moment in ("before", "after"):
            killed.at(number, moment)
