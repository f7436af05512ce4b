"""Requests over real sockets: what is repeated and what is not, limits, redirects, tokens, and every way to fail."""

from __future__ import annotations

import email.utils
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ci.core.errors import HostError, ReleaseError, UnavailableError, UsageError
from ci.core.secrets import register
from ci.core.server_words import said
from ci.core.web import Refusal, UnknownOutcome, Web
from ci.publish.rehearse.server import Reply, Request, Server
from tests.waiting import pause

NOW = 1_800_000_000.0
TOKEN = "token-0123456789-planted"
OK = Reply(status=200, body=b"well")
FAULT = Reply(status=500, body=b"oops")
HANGS_UP = Reply(status=200, cut=-1)


@dataclass(kw_only=True)
class PauselessWeb:
    """A `Web` whose pauses are only written down."""

    said: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def web(self, **more: Any) -> Web:
        return Web(name="target", say=self.said.append, sleep=self.slept.append, now=lambda: NOW, **more)

    def ask(self, url: str, method: str = "GET", *, body: bytes | None = None, **more: Any) -> Any:
        with self.web(**more) as web:
            return web.ask(method, url, "the thing", body=body)

    def refused(self, kind: type[ReleaseError], url: str, *parts: str, method: str = "GET", **more: Any) -> Any:
        """What is raised: its message says what it was about and has the parts; its hint says what to do."""
        with pytest.raises(ReleaseError) as raised:
            self.ask(url, method, **more)
        assert type(raised.value) is kind
        assert str(raised.value).startswith("the thing: ")
        assert raised.value.hint
        for part in parts:
            assert part in str(raised.value)
        return raised.value


@pytest.fixture
def client() -> PauselessWeb:
    return PauselessWeb()


@contextmanager
def serving(*replies: Reply, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server that gives one reply after the other, and the last one for good. `requests` are in `Server.seen`."""
    waiting = list(replies)
    with Server(lambda request: waiting.pop(0) if len(waiting) > 1 else waiting[0], context) as server:
        yield server


@contextmanager
def speaking(words: bytes, read: Callable[[socket.socket], object] = lambda link: link.recv(65536)) -> Iterator[str]:
    """A server that says something to whoever has asked, and then waits until he goes away; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)

        def run() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                with link:
                    read(link)
                    link.sendall(words)
                    while words[-1:] != b"\0" and link.recv(65536):
                        pass

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


# What is repeated.


@pytest.mark.parametrize("reply", [FAULT, HANGS_UP], ids=["500", "hangs up"])
@pytest.mark.parametrize(
    ("method", "repeatable", "times"),
    [
        ("GET", None, 5), ("HEAD", None, 5), ("PUT", None, 5), ("DELETE", None, 5), ("POST", None, 1),
        ("PATCH", None, 1), ("POST", True, 5), ("PUT", False, 1),
    ],
)  # fmt: skip
def test_what_may_be_repeated_is(
    client: PauselessWeb, reply: Reply, method: str, repeatable: bool | None, times: int
) -> None:
    with serving(reply) as server, client.web() as web:
        with pytest.raises(UnknownOutcome) as raised:
            web.ask(method, f"{server.origin}/x", "the thing", repeatable=repeatable)
        assert server.seen == [f"{method} /x"] * times
        assert web.requests == [f"{method} {server.origin}/x"] * times
    assert client.slept == [1, 2, 4, 8][: times - 1]
    assert str(raised.value).startswith("the thing: ")
    assert "run the same command again" in raised.value.hint


def test_it_goes_on_when_the_server_does(client: PauselessWeb) -> None:
    with serving(FAULT, HANGS_UP, OK) as server:
        assert client.ask(f"{server.origin}/x").body == b"well"
    assert client.said == [
        "target: the thing: 500, oops; again in 1 s",
        f"target: the thing: no answer from {server.origin[7:]}: the connection ended before the answer was complete; "
        "again in 2 s",
    ]


def test_a_fault_of_what_authorises_is_not_repeated(client: PauselessWeb) -> None:
    def fails(origin: str) -> Mapping[str, str]:
        raise HostError("no token to be had", hint="ask for one")

    with serving(OK) as server:
        with pytest.raises(HostError, match="no token to be had"):
            client.ask(server.origin, trusted=[server.origin], authorize=fails)
        assert (server.seen, client.slept) == ([], [])


# Limits.


def at(seconds: float, zone: str = "GMT") -> str:
    return email.utils.formatdate(NOW + seconds).replace("-0000", zone)


@pytest.mark.parametrize(
    ("status", "headers", "body", "waits"),
    [
        (429, {"Retry-After": "7"}, b"", 7),
        (429, {"Retry-After": " 7 "}, b"", 7),
        (429, {"Retry-After": "0"}, b"", 1),  # not at once: the pause counts that would have been made
        (429, {"Retry-After": at(90)}, b"", 90),
        (429, {"Retry-After": at(90, "-0000")}, b"", 90),
        (429, {"Retry-After": at(-90)}, b"", 1),
        (429, {"Retry-After": "soon"}, b"", 60),
        (429, {"Retry-After": "-5"}, b"", 60),
        (429, {}, b"", 60),
        (429, {"Retry-After": "5", "x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW + 30))}, b"", 5),
        (403, {"Retry-After": "5"}, b"", 5),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW + 30))}, b"", 30),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW - 30))}, b"", 1),
        (403, {}, b'{"message": "You have exceeded a secondary rate limit."}', 60),
        (503, {"Retry-After": "5"}, b"", 5),
    ],
)
def test_limits_are_obeyed(
    client: PauselessWeb,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    headers: dict[str, str],
    body: bytes,
    waits: float,
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        with serving(Reply(status=status, headers=headers, body=body), OK) as server:
            assert client.ask(server.origin, "GET" if status == 503 else "POST").status == 200
    finally:
        monkeypatch.undo()
        time.tzset()
    assert client.slept == [waits]
    assert f"{status}" in client.said[0]
    assert client.said[0].endswith(f"again in {waits} s")


@pytest.mark.parametrize(
    ("status", "headers"),
    [(403, {}), (403, {"x-ratelimit-remaining": "12", "x-ratelimit-reset": str(int(NOW + 30))})],
)
def test_a_403_that_is_no_limit(client: PauselessWeb, status: int, headers: dict[str, str]) -> None:
    with serving(Reply(status=status, headers=headers)) as server:
        client.refused(Refusal, server.origin, "the token may not do this (403)")
    assert client.slept == []


def test_a_limit_that_does_not_end(client: PauselessWeb) -> None:
    with serving(Reply(status=429, headers={"Retry-After": "3"})) as server:
        client.refused(HostError, server.origin, "requests are limited (429) until 08:00:03 UTC, for 3 s")
        assert len(server.seen) == 5
    assert client.slept == [3, 3, 4, 8]


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"Retry-After": "901"}, "until 08:15:01 UTC, for 901 s"),
        ({"Retry-After": at(3600)}, "until 09:00:00 UTC, for 3600 s"),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW + 1800))}, "until 08:30:00 UTC, for 1800 s"),
        ({"Retry-After": "9" * 400}, "for 31622400 s"),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 30}, "for 31622400 s"),
    ],
)
def test_a_limit_that_is_too_long_is_told_with_the_time_left(
    client: PauselessWeb, headers: dict[str, str], told: str
) -> None:
    with serving(Reply(status=429, headers=headers)) as server:
        error = client.refused(HostError, server.origin, "requests are limited (429)", told)
        assert len(server.seen) == 1
    assert error.hint.startswith("run the same command again")
    assert client.slept == []


def test_what_was_perhaps_carried_out_is_not_repeated_by_a_limit(client: PauselessWeb) -> None:
    with serving(Reply(status=503, headers={"Retry-After": "5"})) as server:
        client.refused(
            UnknownOutcome, server.origin, "the server has a fault (503); it asks to wait for 5 s", method="POST"
        )
        assert len(server.seen) == 1


# Refusals.


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, "answered 400, Field x is wrong"),
        (401, "the token is not accepted (401, Field x is wrong)"),
        (403, "the token may not do this (403, Field x is wrong)"),
        (404, "it is not there, or the token may not see it (404, Field x is wrong)"),
        (409, "answered 409, Field x is wrong"),
        (418, "answered 418, Field x is wrong"),
        (422, "answered 422, Field x is wrong"),
        (204, "answered 204"),
    ],
)
def test_refusals(client: PauselessWeb, method: str, status: int, told: str) -> None:
    reply = Reply(status=status, body=b"" if status == 204 else b'{"message": "Field x is wrong"}')
    with serving(reply) as server:
        error = client.refused(Refusal, server.origin, told, method=method)
        assert len(server.seen) == 1
    assert error.answer.status == status
    assert isinstance(error, UnavailableError)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"message": "Validation Failed", "errors": [{"code": "already_exists"}]}', "Validation Failed"),
        (b'{"message": "A", "errors": [{"message": "B"}]}', "A: B"),
        (b'{"errors": [{"code": "DENIED", "message": "no"}]}', "no"),
        (b'{"errors": [{"code": "DENIED"}]}', "DENIED"),
        (b'{"errors": ["B"]}', "B"),
        (b'{"errors": "B", "message": {"x": 1}}', ""),
        (b"[1]", ""),
        (b"[" * 100_000, "[" * 200),
        (b"plain words\n", "plain words"),
        (b"a\x1b[31mred\x07\r\nx\xe2\x80\xaey\xff", "a [31mred x y\ufffd"),
        (b'{"message": "a\\u001b]0;title\\u0007"}', "a ]0;title"),
        (b"<html><head><title>\n 502 Bad&nbsp;Gateway </title></head><body>nginx</body>", "502 Bad Gateway"),
        (b"<!DOCTYPE html><html><body><p>no title</p>", ""),
        (b"<html><title>" + b"x" * 5000, ""),
        (b"x" * 5000, "x" * 200),
        (b"", ""),
    ],
)
def test_what_a_server_says_in_one_line(body: bytes, words: str) -> None:
    assert said(body) == words


def test_a_page_of_a_proxy(client: PauselessWeb) -> None:
    page = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body></html>"
    with serving(Reply(status=502, body=page)) as server:
        client.refused(UnknownOutcome, server.origin, "the server has a fault (502, Bad Gateway)", method="POST")


def test_a_page_where_a_document_is_expected(client: PauselessWeb) -> None:
    for body in (b"<html>Please log in", b"[" * 100_000, b"\xff\xfe"):
        with serving(Reply(status=200, body=body)) as server:
            answer = client.ask(server.origin)
            with pytest.raises(Refusal, match=r"^the thing: the answer of 127.0.0.1:\d+ is not JSON$") as raised:
                answer.json("the thing")
        assert "a proxy" in raised.value.hint


# Answers that do not come, or not whole.


@pytest.mark.parametrize(
    "words",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\0",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab\0",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\0",
        b"HTTP/1.1 2\0",
        b"SSH-2.0-OpenSSH_9.2\r\n\0",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n\0",
    ],
    ids=["length", "chunk", "no chunk", "head", "no HTTP", "long line"],
)
def test_an_answer_that_is_not_whole(client: PauselessWeb, words: bytes) -> None:
    with speaking(words) as url:
        client.refused(UnknownOutcome, url, "the connection ended before the answer was complete", method="POST")


def test_a_body_that_breaks_off_is_asked_for_again(client: PauselessWeb) -> None:
    with serving(Reply(status=200, body=b"whole body", cut=3), Reply(status=200, body=b"whole body")) as server:
        assert client.ask(server.origin).body == b"whole body"
    assert client.slept == [1]


@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"], ids=["none", "half"])
def test_a_server_that_does_not_go_on(client: PauselessWeb, words: bytes) -> None:
    with speaking(words) as url:
        host = url.split("/")[2]
        client.refused(UnknownOutcome, url, f"no answer from {host} in time", method="POST", seconds=(5.0, 0.2))


def test_a_long_body_has_time_to_be_sent(client: PauselessWeb) -> None:
    """A server that takes more than the time-out for all of it, and much less for each piece, is no fault."""
    body = bytes(range(256)) * 49152  # more than the system takes at once
    came = bytearray()

    def slowly(link: socket.socket) -> None:
        while len(came) < len(body) + 100:
            came.extend(link.recv(65536))
            pause(0.01)
            if came.endswith(body):
                return

    with speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n\0", slowly) as url:
        begun = time.monotonic()
        client.ask(url, "POST", body=body, seconds=(0.7, 30.0))
        assert time.monotonic() - begun > 0.7
    head, _, sent = bytes(came).partition(b"\r\n\r\n")
    assert sent == body
    assert f"content-length: {len(body)}".encode() in head.lower()
    assert b"transfer-encoding" not in head.lower()


def test_nobody_listens(client: PauselessWeb) -> None:
    with serving(OK) as server:
        pass
    client.refused(UnknownOutcome, server.origin, "no answer from 127.0.0.1", "Connection refused")
    client.refused(UnknownOutcome, "http://registry.invalid/", "no answer from registry.invalid: ", method="POST")


def test_a_body_that_is_too_long(client: PauselessWeb) -> None:
    with serving(Reply(status=200, body=b"x" * 10)) as server:
        assert client.ask(server.origin, most_bytes=10).body == b"x" * 10
        client.refused(Refusal, server.origin, f"the answer of {server.origin[7:]} has more than 9 bytes", most_bytes=9)
        assert len(server.seen) == 2


# TLS.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key in one file."""
    folder = tmp_path_factory.mktemp("tls")
    key, made = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
            "-keyout", key, "-out", made,
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    made.write_bytes(key.read_bytes() + made.read_bytes())
    return made


@pytest.fixture
def context(certificate: Path) -> ssl.SSLContext:
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(certificate)
    return found


def test_a_certificate_that_nobody_vouches_for(client: PauselessWeb, context: ssl.SSLContext) -> None:
    with serving(OK, context=context) as server:
        error = client.refused(HostError, server.origin, "TLS: certificate verify failed: self-signed certificate")
        assert server.seen == []
    assert "REQUESTS_CA_BUNDLE" in error.hint
    assert client.slept == []  # asking again changes nothing


def test_a_certificate_of_a_proxy_can_be_named(
    client: PauselessWeb, context: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with serving(OK, context=context) as server:
        assert client.ask(server.origin).body == b"well"
        name = server.origin.replace("127.0.0.1", "localhost")
        client.refused(HostError, name, "TLS: ")
        assert len(server.seen) == 1


def test_plain_http_where_tls_is_expected(client: PauselessWeb) -> None:
    with serving(OK) as server:
        client.refused(HostError, server.origin.replace("http://", "https://"), "TLS: ")
        assert (server.seen, client.slept) == ([], [])


def test_a_redirect_out_of_tls(
    client: PauselessWeb, context: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with serving(OK) as plain, serving(to(f"{plain.origin}/y"), context=context) as server:
        client.refused(Refusal, server.origin, f"redirects to {plain.origin[7:]} without TLS, which is refused")
        assert plain.seen == []


# Redirects.


def to(location: str, status: int = 302) -> Reply:
    return Reply(status=status, headers={"Location": location})


def authorize(origin: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {TOKEN}"}


@contextmanager
def noting(*replies: Reply) -> Iterator[tuple[Server, list[Request]]]:
    """A server, and the requests that it gets."""
    waiting, came = list(replies), []

    def answer(request: Request) -> Reply:
        came.append(request)
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    with Server(answer) as server:
        yield server, came


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_origin_gets_no_token(client: PauselessWeb, method: str, status: int) -> None:
    with noting(OK) as (other, at_other), noting(to(f"{other.origin}/y?a=b", status)) as (server, at_server):
        client.ask(f"{server.origin}/x", method, trusted=[server.origin], authorize=authorize)
    assert [request.headers.get("authorization") for request in at_server] == [f"Bearer {TOKEN}"]
    assert [(str(request), request.query, request.headers.get("authorization")) for request in at_other] == [
        (f"{method} /y", {"a": ["b"]}, None)
    ]


def test_a_redirect_within_an_origin_keeps_the_token(client: PauselessWeb) -> None:
    with noting(to("../y"), OK) as (server, came):
        client.ask(f"{server.origin}/a/x", trusted=[server.origin], authorize=authorize)
    assert [(str(request), request.headers["authorization"]) for request in came] == [
        ("GET /a/x", f"Bearer {TOKEN}"),
        ("GET /y", f"Bearer {TOKEN}"),
    ]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_changes_something_is_not_redirected(client: PauselessWeb, method: str) -> None:
    with serving(OK) as other, serving(to(f"{other.origin}/y", 307)) as server:
        error = client.refused(Refusal, server.origin, f"sends this {method} to another address (307)", method=method)
        assert other.seen == []
        assert len(server.seen) == 1
    assert "release.yaml" in error.hint


def test_a_redirect_without_end(client: PauselessWeb) -> None:
    with serving(to("/x")) as server:
        client.refused(Refusal, server.origin, "sends from one address to the next without end")
        assert len(server.seen) == 6


@pytest.mark.parametrize(
    "location",
    [
        None, "ftp://example.org/x", "http://[::1/", "http://127.0.0.1:99999/", "http://127.0.0.1:0/",
        "http://user:password@127.0.0.1/", "http://127.0.0.1\\@example.org/", "http://127.0.0.1/\x1b[31m", "//a b/",
        "file:///etc/passwd", "http://b\xfccher.example/",
    ],
)  # fmt: skip
def test_a_redirect_to_what_is_no_address(client: PauselessWeb, location: str | None) -> None:
    with serving(Reply(status=302) if location is None else to(location)) as server:
        client.refused(Refusal, server.origin, "redirects to what is no address")


# Tokens, passwords, proxies.


def test_a_token_goes_to_trusted_origins_alone(client: PauselessWeb) -> None:
    asked = []

    def noted(origin: str) -> Mapping[str, str]:
        asked.append(origin)
        return authorize(origin)

    with noting(OK) as (trusted, at_trusted), noting(OK) as (other, at_other):
        with client.web(trusted=[trusted.origin], authorize=noted) as web:
            for url in (trusted.origin, other.origin, trusted.origin.replace("//", "//a@")):
                web.ask("GET", url, "the thing")
        assert asked == [trusted.origin]
    tokens = [request.headers.get("authorization") for request in at_trusted + at_other]
    assert tokens == [f"Bearer {TOKEN}", None, None]


@pytest.mark.parametrize("origin", ["http://upload.example", "http://127.example.org", "ftp://127.0.0.1x"])
def test_no_token_without_tls(client: PauselessWeb, origin: str) -> None:
    with pytest.raises(UsageError, match="a token is sent with TLS alone") as raised:
        client.web(trusted=[origin], authorize=authorize)
    assert raised.value.hint
    client.web(trusted=["https://upload.example", "http://127.0.0.1:80", "http://localhost", "http://[::1]:80"])


def test_a_token_that_a_server_says_is_masked(client: PauselessWeb) -> None:
    register("TOKEN", TOKEN)
    for status, kind in ((400, Refusal), (500, UnknownOutcome)):
        client.said.clear()
        body = json.dumps({"message": f"{'x' * 185} {TOKEN} is no good"}).encode()
        with serving(Reply(status=status, body=body)) as server:
            error = client.refused(kind, server.origin, "x ***")
        assert "planted" not in f"{error}{error.hint}{client.said}"
        assert TOKEN[:8] not in f"{error}{error.hint}{client.said}"


def test_no_proxy_is_asked_for_this_machine(client: PauselessWeb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:3128")
    monkeypatch.setenv("no_proxy", "")
    with serving(OK) as server:
        assert client.ask(server.origin).body == b"well"
        assert client.ask(server.origin.replace("127.0.0.1", "localhost")).body == b"well"


def test_a_proxy_that_does_not_answer_is_named(client: PauselessWeb, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(OK) as server:
        pass
    monkeypatch.setenv("http_proxy", server.origin)
    error = client.refused(
        UnknownOutcome, "http://192.0.2.1/", "the proxy does not let it through: Connection refused", method="POST"
    )
    assert "HTTPS_PROXY" in error.hint


def test_nothing_is_sent_that_was_not_asked_for(
    client: PauselessWeb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No password from ~/.netrc, none from the address, and no cookies."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password something-secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with noting(Reply(status=200, headers={"Set-Cookie": "a=b"})) as (server, came), client.web() as web:
        for url in (server.origin, server.origin.replace("//", "//someone:password@")):
            web.ask("GET", url, "the thing")
    assert [set(request.headers) for request in came] == [
        {"host", "user-agent", "accept", "accept-encoding", "connection"}
    ] * 2
