"""CORS: which origins of web pages may call, as in an HTTP API of API Gateway with CORS configured.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html, https://fetch.spec.whatwg.org/#http-cors-protocol
"""

import re

from .header_fields import NAME_CHARACTERS, TOKEN
from .messages import HttpResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .messages import HttpRequest

ANY = "*"
MAX_AGE_S = 300
_LOOPBACK = re.compile(r"https?://(localhost|[a-z0-9.-]+\.localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[a-z0-9_.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?/?"
)
_DEFAULT_PORTS = {"http": 80, "https": 443}  # browsers leave them out
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_TOKENS = re.compile(rf"[, \t{NAME_CHARACTERS}]+")
_ALWAYS_EXPOSED = frozenset(
    ("cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma")
)


def normalize_origin(text: str) -> str:
    """An origin as browsers send it, in lower case; raises ValueError with the reason if it is not an origin."""
    if text in (ANY, "null"):
        return text
    found = _ORIGIN.fullmatch(text.lower())
    if found is None or int(found["port"] or 0) > 65535:
        raise ValueError(
            f"{text!r} is not an origin of web pages; give SCHEME://HOST or SCHEME://HOST:PORT, such as https://example.com"
        )
    scheme, host, port = found["scheme"], found["host"], found["port"]
    return (
        f"{scheme}://{host}"
        if not port or int(port) == _DEFAULT_PORTS.get(scheme)
        else f"{scheme}://{host}:{int(port)}"
    )


class Cors:
    """Answers preflight requests, and adds headers to responses that have none about CORS."""

    def __init__(self, origins: "tuple[str, ...]" = ()) -> None:
        """`origins`, from `normalize_origin`, may call in addition to those of this machine; `*` is any origin."""
        self.origins = frozenset(origins)

    def preflight(self, request: "HttpRequest") -> "HttpResponse | None":
        """The response to a preflight request, without headers if the origin may not call; None for other requests."""
        if request.method != "OPTIONS":
            return None
        origin = request.header("origin")
        method = request.header("access-control-request-method")
        if origin is None or method is None:
            return None
        response = HttpResponse(204)
        self._vary(response)
        if not self.allows(origin):
            return response
        self._allow(origin, response)
        methods = (*_METHODS, method) if method not in _METHODS and TOKEN.fullmatch(method) else _METHODS
        response.headers.append(("Access-Control-Allow-Methods", ", ".join(methods)))
        wanted = request.header("access-control-request-headers")
        if wanted and _TOKENS.fullmatch(wanted):
            response.headers.append(("Access-Control-Allow-Headers", wanted))
        if request.header("access-control-request-private-network"):
            response.headers.append(("Access-Control-Allow-Private-Network", "true"))
        response.headers.append(("Access-Control-Max-Age", str(MAX_AGE_S)))
        return response

    def add_headers(self, request: "HttpRequest", response: HttpResponse) -> None:
        """Let the page read the response, if its origin may call and the response says nothing about that itself."""
        origin = request.header("origin")
        names = {name.lower(): name for name, _ in response.headers}
        if "access-control-allow-origin" in names:
            return
        if ANY not in self.origins:
            if "vary" in names:
                self._vary(response)
            else:
                response.headers.append(("Vary", "Origin"))
        if origin is None or not self.allows(origin):
            return
        self._allow(origin, response)
        exposed = [name for key, name in names.items() if key not in _ALWAYS_EXPOSED and key != "set-cookie"]
        if exposed and "access-control-expose-headers" not in names:
            response.headers.append(("Access-Control-Expose-Headers", ", ".join(exposed)))

    def forbids(self, request: "HttpRequest") -> bool:
        """Whether a request comes from a page that may not call. Only browsers send the headers that show it."""
        origin = request.header("origin")
        if origin is None:  # the request for an image, for example, or a link
            return (request.header("sec-fetch-site") or "").lower() == "cross-site" and ANY not in self.origins
        return not self.allows(origin)

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin may call."""
        return ANY in self.origins or origin.lower() in self.origins or _LOOPBACK.fullmatch(origin) is not None

    def _allow(self, origin: str, response: HttpResponse) -> None:
        """With `*`, no credentials are allowed: browsers accept them for a named origin only."""
        if ANY in self.origins:
            response.headers.append(("Access-Control-Allow-Origin", ANY))
            return
        response.headers.append(("Access-Control-Allow-Origin", origin))
        response.headers.append(("Access-Control-Allow-Credentials", "true"))

    def _vary(self, response: HttpResponse) -> None:
        """Add `Vary: Origin`, also for requests without an origin, because caches keep their responses too."""
        if ANY in self.origins:
            return
        headers = response.headers
        at = next((at for at, (name, _) in enumerate(headers) if name.lower() == "vary"), None)
        if at is None:
            headers.append(("Vary", "Origin"))
        elif not {"origin", "*"} & {name.strip() for name in headers[at][1].lower().split(",")}:
            headers[at] = (headers[at][0], f"{headers[at][1]}, Origin")
