"""The part of a registry that gives out tokens, and asks for them.

https://distribution.github.io/distribution/spec/auth/token/
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field

from ci.publish.rehearse.server import Reply, Request

PATH = "/token"
_SERVICE = "rehearsal"


@dataclass(kw_only=True)
class TokenOffice:
    """Gives a token for a repository to a user with the right password, for so many requests (`uses`).

    A token that is used up is answered like one that has expired, so no test has to wait for a clock.
    """

    user: str
    password: str
    uses: int = 1_000_000
    _given: dict[str, tuple[str, int]] = field(default_factory=dict)

    def give(self, request: Request) -> Reply:
        """Answer a request for a token."""
        wanted = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {wanted}":
            return _refused("the user or the password is wrong", {})
        scope = request.query.get("scope", [""])[0]
        if request.query.get("service") != [_SERVICE]:
            return Reply(status=400, body=b"{}")
        token = secrets.token_urlsafe(24)
        self._given[token] = (scope, self.uses)
        body = json.dumps({"token": token, "expires_in": 60}).encode()
        return Reply(status=200, body=body, headers={"Content-Type": "application/json"})

    def refusal(self, request: Request, repository: str, scheme: str) -> Reply | None:
        """The 401 for a request without a token that is good for it; None if it has one."""
        action = "pull" if request.method in ("GET", "HEAD") else "pull,push"
        scheme_sent, _, token = request.headers.get("authorization", "").partition(" ")
        scope, left = self._given.get(token, ("", 0))
        kind, _, rest = scope.partition(":")
        named, _, actions = rest.rpartition(":")
        may = kind == "repository" and named == repository and set(action.split(",")) <= set(actions.split(","))
        if scheme_sent == "Bearer" and left > 0 and (may or not repository):
            self._given[token] = (scope, left - 1)
            return None
        realm = f"{scheme}://{request.headers['host']}{PATH}"
        wanted = f',scope="repository:{repository}:{action}"' if repository else ""
        challenge = f'Bearer realm="{realm}",service="{_SERVICE}"{wanted}'
        return _refused("a token is required, or it has expired", {"WWW-Authenticate": challenge})


def _refused(message: str, headers: dict[str, str]) -> Reply:
    body = json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": message}]}).encode()
    return Reply(status=401, body=body, headers={"Content-Type": "application/json", **headers})
