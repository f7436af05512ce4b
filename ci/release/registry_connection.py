"""Requests to one repository of a registry: tokens, redirects, limits, and what each refusal means.

A token is sent to the registry itself and to nobody else, also not where a redirect leads.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ci.core import web_session
from ci.core.errors import HostError, ReleaseError, UnavailableError
from ci.core.secrets import Secret, register
from ci.core.web import address_of, host_of, is_loopback, is_secure, origin_of, unreachable
from ci.manifest.text import shown

if TYPE_CHECKING:
    import requests

SECONDS = (10.0, 20.0)  # to connect, and to wait for the next bytes
_LONGEST_ANSWER_SECONDS = 60.0
_MOST_BYTES = 4 * 1024 * 1024  # what registries must accept for a manifest at least, and what most accept at all
_MOST_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_PARAMETER = re.compile(r'([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_WITHOUT_LOGIN = "this tooling does not log in: use a base that anybody may pull"


@dataclass(frozen=True, kw_only=True)
class RegistryBody:
    """The body of an answer, and what its header says about it."""

    body: bytes
    media_type: str
    digest: str


class Connection:
    """A connection to a repository. `origin` is the registry's scheme, host and port."""

    def __init__(self, repository: str, origin: str) -> None:
        self._repository = repository
        self._origin = origin
        self._token: Secret | None = None
        self._session = web_session.new()
        self._session.headers["User-Agent"] = "faas-runtime-release"

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._session.close()

    def ask(self, method: str, path: str, accept: Sequence[str], what: str) -> RegistryBody:
        """The registry's answer; `what` names for people what is asked for. Any other answer than 200 is an error."""
        url = f"{self._origin}{path}"
        for _ in range(_MOST_REDIRECTS + 1):
            response = self._send(method, url, accept)
            with response:
                if response.status_code == 401 and origin_of(url) == self._origin and self._token is None:
                    self._token = self._new_token(response.headers.get("WWW-Authenticate", ""))
                    continue
                if response.status_code in _REDIRECTS:
                    url = self._redirected(url, response.headers.get("Location", ""))
                    continue
                if response.status_code != 200:
                    raise _refusal(response.status_code, response.headers, self._beginning(response), what)
                return RegistryBody(
                    body=b"" if method == "HEAD" else self._body(response),
                    media_type=response.headers.get("Content-Type", "").partition(";")[0].strip(),
                    digest=response.headers.get("Docker-Content-Digest", ""),
                )
        raise UnavailableError(f"{what}: it was sent from one address to the next more than {_MOST_REDIRECTS} times")

    def _send(self, method: str, url: str, accept: Sequence[str]) -> requests.Response:
        headers = {"Accept": ", ".join(accept), "Accept-Encoding": "identity"}
        if self._token is not None and origin_of(url) == self._origin:
            headers["Authorization"] = f"Bearer {self._token.reveal()}"
        return self._request(method, url, headers=headers)

    def _request(self, method: str, url: str, **more: Any) -> requests.Response:
        import requests

        if is_loopback(url):  # which no proxy can reach
            more["proxies"] = {"no_proxy": urlsplit(url).hostname}
        try:
            return self._session.request(method, url, timeout=SECONDS, allow_redirects=False, stream=True, **more)
        except requests.exceptions.RequestException as error:
            raise _no_answer(url, error) from None

    def _body(self, response: requests.Response) -> bytes:
        """The body as it was sent. A slow sender is not waited for without end, and too much is not read."""
        import requests
        import urllib3

        deadline = time.monotonic() + _LONGEST_ANSWER_SECONDS
        parts, size = [], 0
        try:
            while part := response.raw.read1(65536, decode_content=False):
                parts.append(part)
                size += len(part)
                if size > _MOST_BYTES:
                    raise UnavailableError(f"its answer is longer than {_MOST_BYTES} bytes, which no manifest is")
                if time.monotonic() > deadline:
                    raise HostError(f"its answer took longer than {_LONGEST_ANSWER_SECONDS:.0f} s", hint=_AGAIN)
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _no_answer(response.url, error) from None
        return b"".join(parts)

    def _beginning(self, response: requests.Response) -> bytes:
        """The body of a refusal; that it cannot be read is of no importance."""
        try:
            return self._body(response)
        except ReleaseError:
            return b""

    def _redirected(self, url: str, location: str) -> str:
        target = address_of(url, location)
        parts = urlsplit(target)
        if not location or parts.scheme not in ("http", "https") or not parts.hostname:
            raise UnavailableError(f"{host_of(url)} redirects to {shown(location)}, which is not an address")
        if urlsplit(url).scheme == "https" and parts.scheme != "https":
            raise UnavailableError(
                f"{host_of(url)} redirects to {shown(host_of(target))} without TLS, which is refused"
            )
        return target

    def _new_token(self, challenge: str) -> Secret:
        """Fetch a token from where the registry says that one is given out."""
        scheme, _, rest = challenge.strip().partition(" ")
        values = {
            name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in _PARAMETER.findall(rest)
        }
        realm = values.get("realm", "")
        if scheme.lower() != "bearer" or not realm:
            raise UnavailableError(f"the registry refuses without a login (401 {shown(scheme)})", hint=_WITHOUT_LOGIN)
        if not is_secure(realm, self._origin):
            raise UnavailableError(f"the registry names {shown(realm)} for tokens, which is not an address with TLS")
        wanted = {"scope": values.get("scope") or f"repository:{self._repository}:pull"}
        if "service" in values:
            wanted["service"] = values["service"]
        with self._request("GET", realm, params=wanted, headers={"Accept": "application/json"}) as response:
            if response.status_code != 200:
                body = self._beginning(response)
                raise _refusal(response.status_code, response.headers, body, f"a token from {host_of(realm)}")
            return _token(self._body(response), host_of(realm))


def _token(body: bytes, host: str) -> Secret:
    try:
        document = json.loads(body)
        value = document.get("token") or document.get("access_token")
    except (ValueError, AttributeError, RecursionError):
        value = None
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9._~+/=-]{8,16384}", value):
        raise UnavailableError(f"{host} answered without a token", hint="perhaps a proxy has answered")
    return register("the registry's token", value)


_AGAIN = "run it again later; the digests in release.yaml have not changed"


def _refusal(status: int, headers: Mapping[str, str], body: bytes, what: str) -> ReleaseError:
    """What an answer other than 200 means, and what to do about it."""
    said = _said(body)
    if status in (401, 403):
        return UnavailableError(f"{what}: the registry refuses to hand it out ({status}{said})", hint=_WITHOUT_LOGIN)
    if status == 404:
        return UnavailableError(
            f"{what}: the registry does not have it (404{said})", hint="look for typing errors in release.yaml"
        )
    if status == 429:
        return HostError(f"{what}: the registry limits requests (429{said}); {_wait(headers)}", hint=_AGAIN)
    if status >= 500:
        return HostError(f"{what}: the registry has a fault ({status}{said}); {_wait(headers)}", hint=_AGAIN)
    return UnavailableError(f"{what}: the registry answered {status}{said}")


def _wait(headers: Mapping[str, str]) -> str:
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return f"it asks to wait for {int(value)} s"
    return f"it asks to wait until {shown(value)}" if value else "it does not say for how long"


def _said(body: bytes) -> str:
    """The code and the text of the first error in a registry's answer, after a comma; empty if there is none."""
    try:
        first = json.loads(body)["errors"][0]
        text = ": ".join(str(first[key]) for key in ("code", "message") if first.get(key))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""
    return f", {shown(text)}" if text else ""


def _no_answer(url: str, error: Exception) -> HostError:
    found = unreachable(url, error)
    return HostError(str(found), hint=found.hint or _AGAIN)
