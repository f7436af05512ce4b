"""Streams with the content type application/vnd.awslambda.http-integration-response.

Such a stream begins with a prelude: a JSON document with status and headers. Eight NUL bytes and the body follow.
https://docs.aws.amazon.com/apigateway/latest/developerguide/response-transfer-mode-lambda.html
"""

from .response_document import (
    InvalidResponseDocument,
    parse_document,
    status_and_all_headers,
)

CONTENT_TYPE = "application/vnd.awslambda.http-integration-response"
SEPARATOR = bytes(8)
LIMIT = 16384  # bytes in which the separator has to be, as in API Gateway


class PreludeParser:
    """Separates the prelude from the body while the stream arrives."""

    def __init__(self) -> None:
        self.head: tuple[int, list[tuple[str, str]]] | None = None
        """Status and headers; None until the prelude is complete."""
        self._received = bytearray()

    def feed(self, piece: bytes) -> bytes:
        """Take the next piece of the stream; returns the part of it that belongs to the body.

        Raises `InvalidResponseDocument`, as `end` does.
        """
        if self.head is not None:
            return piece
        searched = max(0, len(self._received) - len(SEPARATOR) + 1)
        self._received += piece
        end = self._received.find(SEPARATOR, searched, LIMIT)
        if end < 0:
            if len(self._received) >= LIMIT:
                raise InvalidResponseDocument(
                    f"the first {LIMIT} bytes of the stream have no eight NUL bytes that end the prelude"
                )
            return b""
        self.head = _parse_prelude(bytes(self._received[:end]))
        body = bytes(self._received[end + len(SEPARATOR) :])
        self._received.clear()
        return body

    def end(self) -> None:
        """The stream has ended: check that the prelude is complete."""
        if self.head is None:
            raise InvalidResponseDocument("the stream ended before the eight NUL bytes that end its prelude")


def _parse_prelude(prelude: bytes) -> "tuple[int, list[tuple[str, str]]]":
    document = parse_document(prelude)
    if not isinstance(document, dict):
        raise InvalidResponseDocument("the prelude of the stream is JSON, but not an object")
    status, headers = status_and_all_headers(document, default_status=200)
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/octet-stream"))
    return status, headers
