"""A complete HTTP request, and the response to one."""

from .header_fields import HeaderFields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class HttpRequest:
    """A request (RFC 9110) with its complete body."""

    __slots__ = ("body", "fields", "method", "path", "peer", "query", "version")

    def __init__(
        self,
        method: str,
        target: str,
        headers: "list[tuple[str, str]] | HeaderFields",
        body: bytes = b"",
        *,
        peer: str = "127.0.0.1",
        version: str = "HTTP/1.1",
    ) -> None:
        """`target` is in origin form, still percent-encoded; `headers` are as sent, decoded as Latin-1."""
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.fields = headers if isinstance(headers, HeaderFields) else HeaderFields(headers)
        self.body = body
        self.peer = peer
        """The client's IP address."""
        self.version = version

    @property
    def headers(self) -> "list[tuple[str, str]]":
        """Names and values as they were sent."""
        return self.fields.pairs

    def header(self, name: str) -> "str | None":
        """The first value of a header, whose name is in lower case; None if it is absent."""
        return self.fields.first(name)

    def header_values(self, name: str) -> "list[str]":
        """All values of a header, whose name is in lower case, in the order in which they were sent."""
        return self.fields.all(name)


class BodyIncomplete(Exception):
    """A streamed body ends early. Whoever produces the body has reported the reason already."""


class StreamedBody:
    """A body that is sent piece by piece. Its user calls `discard` at the end, even if no piece was ever taken."""

    __slots__ = ("_pieces", "discard")

    def __init__(self, pieces: "AsyncIterator[bytes]", discard: "Callable[[], None]") -> None:
        """`discard` lets the producer of the pieces run to its end; it may be called more than once."""
        self._pieces = pieces
        self.discard = discard

    def __aiter__(self) -> "AsyncIterator[bytes]":
        return self._pieces


class HttpResponse:
    """A response. A streamed body is sent piece by piece, each piece when the client has room for it."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        status: int,
        body: "bytes | StreamedBody" = b"",
        headers: "list[tuple[str, str]] | None" = None,
    ) -> None:
        """`headers` are without those that frame the message; the server adds them."""
        self.status = status
        self.body = body
        self.headers = headers if headers is not None else []
