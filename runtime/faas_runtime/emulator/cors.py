"""CORS: which origins of web pages may call the function, as of an HTTP API that was configured so.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html, https://fetch.spec.whatwg.org/#http-cors-protocol
"""

import re

from .messages import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .messages import Request

ANY = "*"
MAX_AGE_S = 300
_LOOPBACK = re.compile(r"https?://(localhost|[a-z0-9.-]+\.localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?/?"
)
_PORTS = {"http": 80, "https": 443}  # which browsers leave out
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TOKENS = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z, \t-]+")
_ALWAYS_EXPOSED = frozenset(
    ("cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma")
)


def normal(text: str) -> str:
    """An origin as browsers send it, but in lower case; raises ValueError, with what is wrong, if it is none."""
    if text in (ANY, "null"):
        return text
    found = _ORIGIN.fullmatch(text.lower())
    if found is None or int(found["port"] or 0) > 65535:
        raise ValueError(
            f"{text!r} is no origin of web pages; give SCHEME://HOST or SCHEME://HOST:PORT, such as https://example.com"
        )
    scheme, host, port = found["scheme"], found["host"], found["port"]
    return f"{scheme}://{host}" if not port or int(port) == _PORTS.get(scheme) else f"{scheme}://{host}:{int(port)}"


class Cors:
    """Answers preflights, and adds headers to answers; what the function says itself about it goes before."""

    def __init__(self, origins: "tuple[str, ...]" = ()) -> None:
        """`origins` as `normal` returns them, beside all on this machine; `*` is any."""
        self.origins = frozenset(origins)

    def preflight(self, request: "Request") -> "Answer | None":
        """The answer to a preflight, or None if the request is none; without leave it has no headers."""
        origin = request.header("origin")
        method = request.header("access-control-request-method")
        if request.method != "OPTIONS" or origin is None or method is None:
            return None
        answer = Answer(204)
        if not self.allows(origin):
            return answer
        self._allow(origin, answer)
        methods = (*_METHODS, method) if method not in _METHODS and _TOKEN.fullmatch(method) else _METHODS
        answer.headers.append(("Access-Control-Allow-Methods", ", ".join(methods)))
        wanted = request.header("access-control-request-headers")
        if wanted and _TOKENS.fullmatch(wanted):
            answer.headers.append(("Access-Control-Allow-Headers", wanted))
        if request.header("access-control-request-private-network"):
            answer.headers.append(("Access-Control-Allow-Private-Network", "true"))
        answer.headers.append(("Access-Control-Max-Age", str(MAX_AGE_S)))
        return answer

    def add(self, request: "Request", answer: Answer) -> None:
        """Let the page that asked read the answer, if it may and the function has not decided about it."""
        origin = request.header("origin")
        if origin is None or not self.allows(origin):
            return
        if any(name.lower() == "access-control-allow-origin" for name, _ in answer.headers):
            return
        exposed = {name.lower(): name for name, _ in answer.headers}
        self._allow(origin, answer)
        names = [name for key, name in exposed.items() if key not in _ALWAYS_EXPOSED and key != "set-cookie"]
        if names and "access-control-expose-headers" not in exposed:
            answer.headers.append(("Access-Control-Expose-Headers", ", ".join(names)))

    def forbids(self, request: "Request") -> bool:
        """Whether it comes from a page that may not call: only browsers send these headers."""
        origin = request.header("origin")
        if origin is None:  # an image, say, or a link
            return (request.header("sec-fetch-site") or "").lower() == "cross-site" and ANY not in self.origins
        return not self.allows(origin)

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin may call."""
        return ANY in self.origins or origin.lower() in self.origins or _LOOPBACK.fullmatch(origin) is not None

    def _allow(self, origin: str, answer: Answer) -> None:
        """Any origin means without credentials: a browser accepts them for a named one only."""
        if ANY in self.origins:
            answer.headers.append(("Access-Control-Allow-Origin", ANY))
            return
        answer.headers.append(("Access-Control-Allow-Origin", origin))
        answer.headers.append(("Access-Control-Allow-Credentials", "true"))
        answer.headers.append(("Vary", "Origin"))
