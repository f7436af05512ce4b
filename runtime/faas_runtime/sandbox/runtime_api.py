"""The Lambda Runtime API, which an execution environment offers to its runtime.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import re
from base64 import b64decode

from ..http_server.connection import RESPONDING, ServerConnection
from ..http_server.messages import HttpResponse
from ..http_server.request_head import HUGE, RequestRefused
from ..http_server.response_head import current_date, encode_headers, encode_response_head
from . import extensions
from .error_documents import error_document, invocation_error_document
from .invocation import RESPONSE_LIMIT, StreamBroken, StreamedResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from ..http_server.header_fields import HeaderFields
    from ..http_server.request_head import RequestHead
    from .invocation import PendingInvocation

    class RuntimeApiHandler(Protocol):
        """The execution environment that the runtime's requests are about."""

        def next_requested(self, connection: "RuntimeConnection") -> None:
            """A connection waits for an invocation."""

        def next_cancelled(self, connection: "RuntimeConnection") -> None:
            """A connection that waited for an invocation is closed."""

        @property
        def registration(self) -> bytes:
            """What an extension that registers learns of the function, in JSON."""

        def find_invocation(self, request_id: str) -> "PendingInvocation | None":
            """The running invocation with this id."""

        def response_received(self, invocation: PendingInvocation, payload: bytes, content_type: str) -> None:
            """The function answered."""

        def error_received(self, invocation: PendingInvocation, error_type: str, document: bytes) -> None:
            """The function failed."""

        def response_too_large(self, invocation: PendingInvocation, size: int) -> None:
            """The function's response is over the limit; size 0: the size is unknown."""

        def stream_started(self, invocation: PendingInvocation, stream: StreamedResponse, content_type: str) -> None:
            """A streamed response begins."""

        def stream_ended(self, invocation: PendingInvocation, error: "StreamBroken | None") -> None:
            """A streamed response has ended; with an error, it is incomplete."""

        def init_failed(self, error_type: str, document: bytes) -> None:
            """The function cannot be initialised."""


PATH = "/2018-06-01/runtime"
_INVOCATION = re.compile(rf"{PATH}/invocation/([^/?]+)/([^/?]+)(?:\?.*)?")
ERROR_LIMIT = 2 << 20  # bytes of an error document
ALREADY_ANSWERED = "the invocation has a response or an error already"
ACCEPTED = b'{"status":"OK"}\n'
JSON_HEADERS = [("Content-Type", "application/json")]
DISCONNECT_S = 0.5  # to learn that the process has ended, after its connection was closed
ERROR_TYPE = "lambda-runtime-function-error-type"
ERROR_BODY = "lambda-runtime-function-error-body"
BROWSER_HEADERS = ("origin", "sec-fetch-site")  # browsers add them, and pages cannot leave them out


class RuntimeConnection(ServerConnection):
    """A connection of the runtime to the Runtime API."""

    timeouts = None  # the runtime is trusted, and a debugger may stop it for hours

    def __init__(self, handler: "RuntimeApiHandler", address: str) -> None:
        """`address`: HOST:PORT, which the runtime has to know."""
        super().__init__()
        self.handler = handler
        self._action = ""
        self._fields: HeaderFields | None = None
        self._invocation: PendingInvocation | None = None
        self._pieces: list[bytes] = []
        self._stream: StreamedResponse | None = None
        self._waits_for_invocation = False
        self._address = address
        self._checked: HeaderFields | None = None
        """The last fields in which nothing shows that a web page has sent them."""

    @property
    def is_waiting(self) -> bool:
        """Whether an invocation can be sent."""
        return self._waits_for_invocation and not self.transport.is_closing()

    def send_invocation(self, invocation: "PendingInvocation") -> None:
        """Answer the request for the next invocation."""
        self._waits_for_invocation = False
        fields = [
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            f"Lambda-Runtime-Aws-Request-Id: {invocation.request_id}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {int(invocation.deadline * 1000)}\r\n"
            f"Lambda-Runtime-Invoked-Function-Arn: {invocation.arn}\r\n"
        ]
        if invocation.trace_id:
            fields.append(f"Lambda-Runtime-Trace-Id: {invocation.trace_id}\r\n")
        if invocation.client_context:
            fields.append(f"Lambda-Runtime-Client-Context: {invocation.client_context}\r\n")
        if invocation.tenant_id:
            fields.append(f"Lambda-Runtime-Aws-Tenant-Id: {invocation.tenant_id}\r\n")
        fields.append(f"Content-Length: {len(invocation.payload)}\r\n\r\n")
        self.transport.write(encode_headers("".join(fields)) + invocation.payload)
        self.responded()

    def eof_received(self) -> bool:
        """Close: the process has ended, or will send nothing more."""
        return False

    def head_received(self, head: "RequestHead") -> int:
        """Find out what the runtime wants; a streamed response begins here."""
        self._pieces = []
        self._stream = self._invocation = None
        self._fields = head.fields
        self._check_sender(head.fields)
        found = _INVOCATION.fullmatch(head.target)
        if found is not None and head.method == "POST":
            self._action = found[2]
            self._invocation = self.handler.find_invocation(found[1])
        else:
            path = head.target.partition("?")[0]
            if path.startswith(f"{extensions.PATH}/"):
                path = f"{PATH}/{path}"
            self._action = f"{head.method} {path[len(PATH) + 1 :] if path.startswith(f'{PATH}/') else ''}"
        if self._invocation is not None and self._invocation.is_answered:
            raise RequestRefused(403, ALREADY_ANSWERED)
        if self._action != "response":
            return ERROR_LIMIT
        mode = head.fields.first("lambda-runtime-function-response-mode")
        if self._invocation is not None and mode is not None and mode.lower() == "streaming":
            self._invocation.is_answered = True
            self._stream = StreamedResponse(self.pause_reading, self.resume_reading)
            self.handler.stream_started(self._invocation, self._stream, self._content_type)
            return HUGE
        return RESPONSE_LIMIT

    def body_piece_received(self, piece: bytes) -> None:
        """Keep a piece, or pass it on if the response is streamed."""
        if self._stream is not None:
            self._stream.feed(piece)
        else:
            self._pieces.append(piece)

    def request_received(self, trailers: "list[tuple[str, str]]") -> None:
        """Do what the runtime wants."""
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces = []
        action, invocation = self._action, self._invocation
        if action == "GET invocation/next":
            self._waits_for_invocation = True
            self.handler.next_requested(self)
        elif action in ("POST init/error", "POST restore/error"):
            self._respond(202, ACCEPTED)
            self.handler.init_failed(self._error_type(body), body)
        elif action == "GET restore/next":
            self._respond(200, b"")
        elif action == extensions.REGISTER:
            self.write(200, [*JSON_HEADERS, extensions.identifier_header()], self.handler.registration)
            self.responded()
        elif action == extensions.NEXT:
            pass  # its connection ends with the process
        elif action not in ("response", "error"):
            self._respond(404, error_document("NotFound", f"nothing is at {self._action}"))
        elif invocation is None or self.handler.find_invocation(invocation.request_id) is None:
            self._respond(400, error_document("InvalidRequestID", "no invocation with this id is running"))
        elif invocation.is_answered and self._stream is None:  # over another connection, in the meantime
            self._respond(403, error_document("InvalidStateTransition", ALREADY_ANSWERED))
        else:
            invocation.is_answered = True
            try:
                self._end_invocation(invocation, body, trailers)  # first: the caller waits for it
            finally:
                self._accept()

    def refusal(self, status: int, reason: str) -> HttpResponse:
        """Refuse a request. A response that is too large (413) ends the invocation, too."""
        invocation = self._invocation
        if status != 413 or invocation is None or invocation.is_answered or self._action != "response":
            return HttpResponse(status, error_document("InvalidRequest", reason), JSON_HEADERS)
        invocation.is_answered = True
        self.handler.response_too_large(invocation, self.head.length if self.head else 0)
        message = f"Exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes)."
        return HttpResponse(413, error_document("RequestEntityTooLarge", message), JSON_HEADERS)

    def closed(self) -> None:
        """The runtime has closed a connection that waited for an invocation, or one in the middle of a stream."""
        if self._waits_for_invocation:
            self._waits_for_invocation = False
            self.handler.next_cancelled(self)
        elif self._stream is not None and self._invocation is not None and self.state is not RESPONDING:
            # A process that has ended closes its connections too, and how it ended says more.
            error = _truncated_response(self._invocation)
            self._loop.call_later(DISCONNECT_S, self.handler.stream_ended, self._invocation, error)

    def _check_sender(self, fields: "HeaderFields") -> None:
        """Refuse requests of web pages: they reach every port of this machine, by DNS rebinding under a foreign name.

        No page may get an event.
        """
        if fields is self._checked:
            return
        if fields.first("host") != self._address or any(name in fields for name in BROWSER_HEADERS):
            raise RequestRefused(403, "only the runtime of this execution environment may send requests here")
        self._checked = fields

    @property
    def _content_type(self) -> str:
        return self._field("content-type") or "application/json"

    def _field(self, name: str) -> "str | None":
        return None if self._fields is None else self._fields.first(name)

    def _end_invocation(self, invocation: "PendingInvocation", body: bytes, trailers: "list[tuple[str, str]]") -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            error = _stream_error({name.lower(): value for name, value in trailers})
            self.handler.stream_ended(invocation, error)
        elif self._action == "response":
            self.handler.response_received(invocation, body, self._content_type)
        else:
            self.handler.error_received(invocation, self._error_type(body), body)

    def _error_type(self, document: bytes) -> str:
        return _type_in_document(document) or self._field(ERROR_TYPE) or "Function.Unknown"

    def _accept(self) -> None:
        """Confirm a response or an error. If the next request is there already, its response is sent together."""
        if self.is_closing:
            self._respond(202, ACCEPTED)
            return
        if self._buffer:
            self.transport.hold()
        self.transport.write(_receipt())
        self.responded()

    def _respond(self, status: int, body: bytes) -> None:
        self.write(status, JSON_HEADERS, body)
        self.responded()

    def _advance(self) -> None:
        super()._advance()
        self.transport.release()


_last_receipt = ("", b"")


def _receipt() -> bytes:
    """The response to an accepted response, which is encoded once a second."""
    global _last_receipt
    date = current_date()
    if date != _last_receipt[0]:
        head = encode_response_head(202, JSON_HEADERS, f"Content-Length: {len(ACCEPTED)}\r\n")
        _last_receipt = (date, head + ACCEPTED)
    return _last_receipt[1]


def _type_in_document(document: bytes) -> str:
    """The error type that the function gave, which may be one that the platform does not know; empty if none."""
    try:
        found = json.loads(document)["errorType"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""


def _stream_error(trailers: "dict[str, str]") -> "StreamBroken | None":
    """The error in the trailers of a streamed response, if there is one."""
    if ERROR_TYPE not in trailers:
        return None
    try:
        details = b64decode(trailers.get(ERROR_BODY, ""), validate=True)
    except ValueError:
        details = b""
    return StreamBroken(_type_in_document(details) or trailers[ERROR_TYPE], details)


def _truncated_response(invocation: "PendingInvocation") -> StreamBroken:
    error_type = "Runtime.TruncatedResponse"
    message = "the runtime closed the connection before its response was complete"
    return StreamBroken(error_type, invocation_error_document(error_type, message, invocation.request_id))
