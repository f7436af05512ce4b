"""What authorises requests to a registry: a token for minutes, which is asked for with the one that was given to us.

https://distribution.github.io/distribution/spec/auth/token/
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from ci.core.errors import UnavailableError, UsageError
from ci.core.secrets import Secret, register
from ci.core.web import Answer, Web, host_of, is_loopback, is_secure, origin_of

_PARAMETER = re.compile(r'([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{8,16384}")


class Login:
    """The rights to one repository. `user` and `token` are those that the registry gave out; without, it is anonymous.

    `headers` is what a `Web` calls. The long-lived token goes to nobody but the place that gives out the others, or
    to the registry itself where that asks for it (`Basic`).
    """

    def __init__(self, origin: str, repository: str, user: str, token: Secret | None) -> None:
        if not (origin.startswith("https://") or is_loopback(origin)):
            raise UsageError(f"{origin}: tokens are sent over TLS only", hint="name an address with https://")
        self._origin = origin
        self._scope = f"repository:{repository}:pull,push"
        self._basic = f"Basic {base64.b64encode(f'{user}:{token.reveal()}'.encode()).decode()}" if token else ""
        self._sent = ""
        self._asking = ""

    def headers(self, origin: str) -> Mapping[str, str]:
        """The header for a request to an origin; none before the registry has asked for one."""
        if self._asking:
            return {"Authorization": self._basic} if self._basic and origin == self._asking else {}
        return {"Authorization": self._sent} if self._sent and origin == self._origin else {}

    def renew(self, web: Web, answer: Answer) -> None:
        """Get what the registry asked for with its 401; what it does not ask for in a known way is left to the caller.

        A refusal of the place that gives out tokens raises `Refusal`.
        """
        scheme, _, rest = answer.headers.get("www-authenticate", "").strip().partition(" ")
        values = {
            name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in _PARAMETER.findall(rest)
        }
        if scheme.lower() == "basic":
            self._sent = self._basic
        elif scheme.lower() == "bearer" and values.get("realm"):
            self._sent = f"Bearer {self._new_token(web, values['realm'], values.get('service', '')).reveal()}"

    def _new_token(self, web: Web, realm: str, service: str) -> Secret:
        if not is_secure(realm, self._origin) or "@" in urlsplit(realm).netloc:
            raise UnavailableError(
                f"{host_of(self._origin)} sends to {realm[:200]!a} for tokens, which is no address with TLS",
                hint="look for typing errors in the registry's address",
            )
        wanted = {"scope": self._scope, **({"service": service} if service else {})}
        self._asking, before = origin_of(realm), web.trusted
        web.trusted = (self._origin, self._asking)
        try:
            url = f"{realm}{'&' if urlsplit(realm).query else '?'}{urlencode(wanted)}"
            answer = web.ask("GET", url, f"a token from {host_of(realm)}")
        finally:
            self._asking, web.trusted = "", before
        document = answer.json("the token")
        value = (document.get("token") or document.get("access_token")) if isinstance(document, dict) else None
        if not isinstance(value, str) or not _TOKEN.fullmatch(value):
            raise UnavailableError(f"{host_of(realm)} answered without a token", hint="perhaps a proxy has answered")
        return register("the registry's token", value)
