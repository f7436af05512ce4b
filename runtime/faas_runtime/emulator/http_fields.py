"""What events of all HTTP formats say about a request: its fields as text, its host, its time and its body.

Where AWS's pages say nothing, this is as users report it of API Gateway: bodies of type text/*, JSON, XML and
JavaScript are text; all others, including forms and bodies without a type, are in base64.
"""

import base64
import time
from urllib.parse import parse_qsl, unquote

from .text import decode_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..http_server.messages import HttpRequest

API_ID = "local"
COMPACT = (",", ":")
"""The separators of JSON in events."""
_TEXT_TYPES = ("application/json", "application/javascript", "application/xml")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def decoded_path(request: "HttpRequest") -> str:
    """The path, decoded."""
    return unquote(decode_text(request.path), errors="replace")


def parameters(query: str) -> "dict[str, list[str]]":
    """The parameters of a query, decoded and in their order."""
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        values.setdefault(name, []).append(value)
    return values


def headers_in_lower_case(request: "HttpRequest") -> "dict[str, list[str]]":
    """All values of each header, with those that a proxy adds."""
    values: dict[str, list[str]] = {}
    for name, value in request.headers:
        values.setdefault(name.lower(), []).append(decode_text(value))
    values.setdefault("x-forwarded-for", []).append(request.peer)
    values.setdefault("x-forwarded-proto", ["http"])
    values.setdefault("x-forwarded-port", [host_and_port(request)[1]])
    return values


def host_and_port(request: "HttpRequest") -> "tuple[str, str]":
    """The host and the port in the header Host."""
    host = decode_text(request.header("host") or "localhost")
    name, colon, port = host.rpartition(":")
    return (name, port) if colon and port.isdigit() else (host, "80")


def time_text(now: float) -> str:
    """The time as API Gateway writes it; `now` is in seconds since the epoch."""
    at = time.gmtime(now)
    return f"{at.tm_mday:02}/{_MONTHS[at.tm_mon - 1]}/{at.tm_year}:{time.strftime('%H:%M:%S', at)} +0000"


def body_text(request: "HttpRequest") -> "tuple[str, bool]":
    """The body as text or in base64, and whether it is in base64."""
    media_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if media_type.startswith("text/") or media_type in _TEXT_TYPES:
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass  # its type is wrong; nothing of it may be lost
    return base64.b64encode(request.body).decode(), bool(request.body)
