"""What `ci.core.web` asks of requests: a session that keeps nothing, and bodies that are sent and read in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests

_SENT_BYTES = 262_144
_READ_BYTES = 1_048_576


class TooLong(Exception):
    """An answer is longer than anybody wants to read."""


class Pieces:
    """The body of a request in pieces. What is sent at once has to be gone within one time-out, however long it is."""

    def __init__(self, body: bytes) -> None:
        self._body = memoryview(body)

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[memoryview]:
        for start in range(0, len(self._body), _SENT_BYTES):
            yield self._body[start : start + _SENT_BYTES]


def new() -> requests.Session:
    """A session that sends nothing that it was not told to: no password from ~/.netrc, and no cookies.

    It takes no notice of redirects either: even one that is not to follow them reads their bodies without a limit, and
    fails on some addresses with errors of Python's own.
    """
    from http.cookiejar import DefaultCookiePolicy

    import requests  # a fifth of a second, which other sessions do without

    class Session(requests.Session):
        def get_redirect_target(self, resp: requests.Response) -> None:
            return None

    session = Session()
    session.auth = lambda request: request
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def body(response: requests.Response, most_bytes: int) -> bytes:
    """The body of an answer as it was sent.

    One that is shorter than announced raises what urllib3 raises, a longer one than `most_bytes` raises `TooLong`.
    """
    parts, size = [], 0
    while part := response.raw.read1(_READ_BYTES, decode_content=False):
        parts.append(part)
        size += len(part)
        if size > most_bytes:
            raise TooLong
    return b"".join(parts)
