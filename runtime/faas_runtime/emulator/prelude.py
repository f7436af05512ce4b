"""Streams with the content type application/vnd.awslambda.http-integration-response.

Such a stream begins with a JSON document about the answer, then come eight NUL bytes, then the body.
https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html
"""

from .answers import BadAnswer, document, mapped, several

CONTENT_TYPE = "application/vnd.awslambda.http-integration-response"
SEPARATOR = bytes(8)
LIMIT = 16384  # bytes until the separator has to be there, as API Gateway has it


class Prelude:
    """Takes a stream apart while it comes; `head` is status and headers, once they are known."""

    def __init__(self) -> None:
        self.head: tuple[int, list[tuple[str, str]]] | None = None
        self._received = bytearray()

    def feed(self, piece: bytes) -> bytes:
        """Take the next piece of the stream; returns what there is in it of the body."""
        if self.head is not None:
            return piece
        searched = max(0, len(self._received) - len(SEPARATOR) + 1)
        self._received += piece
        end = self._received.find(SEPARATOR, searched, LIMIT)
        if end < 0:
            if len(self._received) >= LIMIT:
                raise BadAnswer(f"no eight NUL bytes end the prelude within the first {LIMIT} bytes of the stream")
            return b""
        self.head = _head(bytes(self._received[:end]))
        body = bytes(self._received[end + len(SEPARATOR) :])
        self._received.clear()
        return body

    def end(self) -> None:
        """The stream has ended; a `BadAnswer` if that was too early."""
        if self.head is None:
            raise BadAnswer("the stream ended before the eight NUL bytes that end its prelude")


def _head(prelude: bytes) -> "tuple[int, list[tuple[str, str]]]":
    found = document(prelude)
    if not isinstance(found, dict):
        raise BadAnswer("the prelude of the stream is JSON, and no object")
    more = several(found)
    names = {name.lower() for name, _ in more}
    status, headers = mapped(found, status=200)
    headers = more + [(name, value) for name, value in headers if name.lower() not in names or name == "Set-Cookie"]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/octet-stream"))
    return status, headers
