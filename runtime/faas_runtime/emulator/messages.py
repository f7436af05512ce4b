"""An HTTP request that was read whole, and the answer to one."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Request:
    """A request (RFC 9110): its target as it was sent, its body whole."""

    __slots__ = ("body", "headers", "method", "path", "peer", "query", "version")

    def __init__(
        self,
        method: str,
        target: str,
        headers: "list[tuple[str, str]]",
        body: bytes = b"",
        *,
        peer: str = "127.0.0.1",
        version: str = "HTTP/1.1",
    ) -> None:
        """`target` is the origin form, still percent-encoded; `headers` are as sent, decoded as Latin-1."""
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.headers = headers
        self.body = body
        self.peer = peer
        """The IP address of the client."""
        self.version = version

    def header(self, name: str) -> "str | None":
        """The first value of a header, whatever the case of its name."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> "list[str]":
        """All values of a header, in the order in which they were sent."""
        name = name.lower()
        return [value for key, value in self.headers if key.lower() == name]


class Pieces:
    """A body piece by piece; whoever gets one calls `drop` in the end, even if no piece of it was ever taken."""

    __slots__ = ("_pieces", "drop")

    def __init__(self, pieces: "AsyncIterator[bytes]", drop: "Callable[[], None]") -> None:
        """`drop` lets the one who makes the pieces go on to its end; it may be called more than once."""
        self._pieces = pieces
        self.drop = drop

    def __aiter__(self) -> "AsyncIterator[bytes]":
        return self._pieces


class Answer:
    """What is answered; a body in pieces is sent piece by piece, each when the client has room for it."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        status: int,
        body: "bytes | Pieces" = b"",
        headers: "list[tuple[str, str]] | None" = None,
    ) -> None:
        """`headers` come without the ones that frame the message, which the server adds."""
        self.status = status
        self.body = body
        self.headers = headers if headers is not None else []
