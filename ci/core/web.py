"""Requests to servers that a release is published to: tokens, limits, repetitions, and what a refusal means.

A token is sent to the origins that it is for and to nobody else, also not where a redirect leads. What may be repeated
is repeated with growing pauses; what may not be (a POST) is not, and its caller asks the server what came of it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any
from urllib.parse import urljoin, urlsplit

from ci.core import web_session
from ci.core.errors import HostError, ReleaseError, UnavailableError, UsageError
from ci.core.masking import PROCESS
from ci.core.rate_limits import seconds_to_wait
from ci.core.server_words import said

SECONDS = (10.0, 60.0)  # to connect, and to wait for the next bytes, in either direction
_PAUSES_S = (1.0, 2.0, 4.0, 8.0)
_LONGEST_WAIT_S = 900.0
_REPEATABLE = ("GET", "HEAD", "PUT", "DELETE")
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_MOST_BYTES = 2_147_483_648
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(?:[/?#][!-~]*)?", re.IGNORECASE)  # without the name of a user
_LOOK = "look at the address by hand"
_AGAIN = "run the same command again: it goes on from where the server is"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A server's answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def json(self, what: str) -> Any:
        """The document in the body; `Refusal` if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Refusal(
                f"{what}: the answer of {host_of(self.url)} is not JSON",
                self,
                hint=f"perhaps a proxy has answered; {_LOOK}",
            ) from None


class Refusal(UnavailableError):
    """A server has answered, and not as it should; `answer` is what it said."""

    def __init__(self, message: str, answer: Answer, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.answer = answer


class UnknownOutcome(HostError):
    """Nobody knows whether the server has carried a request out: it gave no answer, half of one, or a 5xx.

    A caller whose request may not be repeated asks the server what came of it.
    """


class _NoAnswer(Exception):
    """One attempt has brought no whole answer; `error` says why in people's words, `final` that no other one will."""

    def __init__(self, error: HostError, *, final: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.final = final


Authorize = Callable[[str], Mapping[str, str]]
"""From the origin of a request to the headers that authorise it; called for the origins of `Web.trusted` alone."""


@dataclass(kw_only=True)
class Web:
    """Connections to the servers of one target. `name` is the target's, for messages.

    `trusted` are the origins that `authorize` is asked for: scheme, host and port. An origin without TLS raises
    `UsageError`, except on the loopback. `say` is called with a text before each pause. `requests` lists what was sent,
    in order: method and address. `seconds` limits the time until a connection is made, and until the next bytes come or
    go. An answer has at most `most_bytes`.
    """

    name: str
    say: Callable[[str], None]
    trusted: Collection[str] = ()
    authorize: Authorize | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time
    seconds: tuple[float, float] = SECONDS
    most_bytes: int = _MOST_BYTES
    requests: list[str] = field(default_factory=list)
    _session: Any = None

    def __post_init__(self) -> None:
        for origin in self.trusted:
            if not (origin.startswith("https://") or is_loopback(origin)):
                raise UsageError(
                    f"{self.name}: {origin}: a token is sent with TLS alone", hint="write https:// in release.yaml"
                )

    def __enter__(self) -> Web:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._session is not None:
            self._session.close()

    def ask(
        self,
        method: str,
        url: str,
        what: str,
        *,
        expect: Collection[int] = (200,),
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
    ) -> Answer:
        """Send a request, and return an answer whose status is among `expect`; `what` names for people what it is for.

        Another status raises `Refusal`. No answer and a 5xx raise `UnknownOutcome`, once the request was repeated, if
        it may be (by default GET, HEAD, PUT and DELETE). What a limit has refused with 403 or 429 was not carried out,
        so it is repeated whatever it is; a limit that lasts too long raises `HostError`, and so does a server without
        TLS or with a certificate that nobody vouches for. Only GET and HEAD follow redirects.
        """
        may_repeat = method in _REPEATABLE if repeatable is None else repeatable
        for pause in (*_PAUSES_S, None):
            try:
                answer = self._followed(method, url, what, body, headers or {})
            except _NoAnswer as failure:
                kind = HostError if failure.final else UnknownOutcome
                if pause is None or failure.final or not may_repeat:
                    raise kind(f"{what}: {failure}", hint=failure.error.hint or _AGAIN) from None
                self._wait(pause, f"{what}: {failure}")
                continue
            if answer.status in expect:
                return answer
            waits = self._limit(answer)
            limited = waits is not None and (may_repeat or answer.status != 503)
            if pause is None or not (limited or (answer.status >= 500 and may_repeat)):
                raise self._refusal(answer, method, what)
            if (waits or 0) > _LONGEST_WAIT_S:
                raise self._refusal(answer, method, what)
            self._wait(max(pause, waits or 0), f"{what}: {_status_of(answer)}")
        raise AssertionError("the last pause ends the loop")

    def _wait(self, seconds: float, why: str) -> None:
        self.say(f"{self.name}: {PROCESS.mask(why)}; again in {seconds:.0f} s")
        self.sleep(seconds)

    def _limit(self, answer: Answer) -> float | None:
        return seconds_to_wait(answer.status, answer.headers, said(answer.body), self.now())

    def _followed(self, method: str, url: str, what: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._send(method, url, what, body, headers)
            if answer.status not in _REDIRECTS or method not in ("GET", "HEAD"):
                return answer
            url = _redirected(answer, what)
        raise Refusal(f"{what}: {host_of(url)} sends from one address to the next without end", answer, hint=_LOOK)

    def _send(self, method: str, url: str, what: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        import requests  # a fifth of a second, which other sessions do without
        import urllib3

        if self._session is None:
            self._session = web_session.new()
        sent = {"User-Agent": "faas-runtime-release", "Accept-Encoding": "identity", **self.headers, **headers}
        if self.authorize is not None and origin_of(url) in self.trusted:
            sent.update(self.authorize(origin_of(url)))
        more: dict[str, Any] = {"data": web_session.Pieces(body)} if body else {"data": body}
        if is_loopback(url):  # which no proxy can reach
            more["proxies"] = {"no_proxy": urlsplit(url).hostname}
        self.requests.append(f"{method} {url}")
        try:
            with self._session.request(
                method, url, headers=sent, timeout=self.seconds, allow_redirects=False, stream=True, **more
            ) as response:
                found = Answer(
                    status=response.status_code,
                    headers={name.lower(): value for name, value in response.headers.items()},
                    body=b"",
                    url=url,
                )
                # The empty body of HEAD is read as well: the connection is only kept when all was read.
                return replace(found, body=web_session.body(response, self.most_bytes))
        except web_session.TooLong:
            raise Refusal(
                f"{what}: the answer of {host_of(url)} has more than {self.most_bytes} bytes",
                found,
                hint=f"nothing in a release is that long; {_LOOK}",
            ) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            insecure = isinstance(error, requests.exceptions.SSLError) and "EOF" not in str(error)
            raise _NoAnswer(unreachable(url, error), final=insecure) from None

    def _refusal(self, answer: Answer, method: str, what: str) -> ReleaseError:
        """What an answer means that nobody expected, and what to do about it."""
        status = _status_of(answer)
        waits = self._limit(answer)
        if answer.status >= 500:
            rest = "" if waits is None else f"; it asks to wait for {waits:.0f} s"
            return UnknownOutcome(f"{what}: the server has a fault ({status}){rest}", hint=f"wait, then {_AGAIN}")
        if waits is not None:
            until = time.strftime("%H:%M:%S UTC", time.gmtime(self.now() + waits))
            return HostError(f"{what}: requests are limited ({status}) until {until}, for {waits:.0f} s", hint=_AGAIN)
        if answer.status in _REDIRECTS:
            return Refusal(
                f"{what}: {host_of(answer.url)} sends this {method} to another address ({status}), which is refused",
                answer,
                hint="write the address that the server has now below targets in release.yaml",
            )
        meaning, hint = _MEANINGS.get(answer.status, ("", ""))
        if meaning:
            return Refusal(f"{what}: {meaning} ({status})", answer, hint=hint)
        hint = f"do what the answer asks for, if it names anything, then {_AGAIN}"
        return Refusal(f"{what}: {host_of(answer.url)} answered {status}", answer, hint=hint)


_MEANINGS = {
    401: ("the token is not accepted", "is it whole, and not expired?"),
    403: ("the token may not do this", "give it the right to write there"),
    404: (
        "it is not there, or the token may not see it",
        "look for typing errors below targets in release.yaml, and at the token's rights",
    ),
}


def _redirected(answer: Answer, what: str) -> str:
    host = host_of(answer.url)
    try:
        target = urljoin(answer.url, answer.headers["location"])
        parts = urlsplit(target)
        valid = parts.hostname and parts.port != 0 and _ADDRESS.fullmatch(target)
    except (KeyError, ValueError):
        valid = None
    if not valid:
        raise Refusal(f"{what}: {host} redirects to what is no address", answer, hint=_LOOK)
    if urlsplit(answer.url).scheme == "https" and parts.scheme != "https":
        raise Refusal(
            f"{what}: {host} redirects to {host_of(target)} without TLS, which is refused",
            answer,
            hint=f"{_LOOK}: is it the server's own?",
        )
    return target


def _status_of(answer: Answer) -> str:
    """The status, and the first words in which the server explains it."""
    words = said(answer.body).removeprefix(f"{answer.status} ")
    return f"{answer.status}, {words}" if words else str(answer.status)


def unreachable(url: str, error: Exception) -> HostError:
    """Why there was no answer, in few words; those of the libraries have many."""
    import requests
    import urllib3

    text = str(error)
    if isinstance(error, requests.exceptions.SSLError | urllib3.exceptions.SSLError):
        found = re.search(r"\] ([^(]+?)(?: \(_ssl|\()", text)
        why = f"TLS: {found[1] if found else 'the connection is not secure'}"
        hint = "if a proxy of yours has a certificate of its own, name its file in REQUESTS_CA_BUNDLE"
        return HostError(f"no answer from {host_of(url)}: {why}", hint=hint)
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return HostError(f"no answer from {host_of(url)} in time")
    found = re.search(r"\[Errno -?\d+\] ([^'\")]+)", text)
    why = found[1] if found else "the connection ended before the answer was complete"
    if isinstance(error, requests.exceptions.ProxyError):
        hint = "look at the variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY"
        return HostError(f"no answer from {host_of(url)}: the proxy does not let it through: {why}", hint=hint)
    return HostError(f"no answer from {host_of(url)}: {why}")


def address_of(base: str, place: str) -> str:
    """The address that a server's text means, which may be relative to `base`; empty if it is none (RFC 3986)."""
    try:
        address = urljoin(base, place)
        _ = urlsplit(address).port  # which is checked only when it is asked for
    except ValueError:
        return ""
    return address


def origin_of(url: str) -> str:
    """Scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def host_of(url: str) -> str:
    """Host and port of an address, without a user's name."""
    return urlsplit(url).netloc.rpartition("@")[2]


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine's loopback."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def is_secure(url: str, origin: str) -> bool:
    """Whether an address that a server names has TLS, or is on this machine's loopback, as the server itself is."""
    address = address_of("", url)
    return address.startswith("https://") or (is_loopback(address) and is_loopback(origin))
