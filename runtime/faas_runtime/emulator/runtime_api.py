"""The Lambda Runtime API, as one execution environment offers it to its runtime.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
from base64 import b64decode

from .documents import error_document, platform_error
from .heads import Refused
from .http import BUSY, Connection
from .invocation import Stream, StreamBroken
from .messages import Answer
from .replies import to_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from .heads import Head
    from .invocation import Invocation

    class Environment(Protocol):
        """What the runtime's requests are about."""

        def polled(self, poller: "Poller") -> None:
            """A poller waits for an invocation."""

        def poller_lost(self, poller: "Poller") -> None:
            """It does not any more."""

        def running(self, request_id: str) -> "Invocation | None":
            """An invocation that the runtime has in hand."""

        def answered(self, invocation: Invocation, payload: bytes, content_type: str) -> None:
            """The function's answer."""

        def failed(self, invocation: Invocation, error_type: str, document: bytes) -> None:
            """The function failed."""

        def too_large(self, invocation: Invocation, size: int) -> None:
            """The function's answer is over the limit; 0: of unknown size."""

        def stream_begun(self, invocation: Invocation, stream: Stream, content_type: str) -> None:
            """The function's answer begins."""

        def stream_ended(self, invocation: Invocation, error: "StreamBroken | None") -> None:
            """The function's answer is over, for good or not."""

        def init_failed(self, error_type: str, document: bytes) -> None:
            """The function cannot be initialised."""


PATH = "/2018-06-01/runtime"
ANSWER_LIMIT = (6 << 20) + 100  # bytes; the platform's own
ERROR_LIMIT = 2 << 20  # bytes of an error's document
ACCEPTED = b'{"status":"OK"}\n'
JSON = [("Content-Type", "application/json")]
LOST_S = 0.5
ERROR_TYPE = "lambda-runtime-function-error-type"
ERROR_BODY = "lambda-runtime-function-error-body"
FROM_PAGES = ("origin", "sec-fetch-site")  # headers that browsers add, and pages cannot leave out


class Poller(Connection):
    """A connection of the runtime."""

    limits = None  # the runtime is ours; it may be stopped by a debugger for hours

    def __init__(self, environment: "Environment") -> None:
        super().__init__()
        self.environment = environment
        self._action = ""
        self._fields: dict[str, str] = {}
        self._invocation: Invocation | None = None
        self._pieces: list[bytes] = []
        self._stream: Stream | None = None
        self._is_parked = False
        self._address = ""

    def connection_made(self, transport: "Any") -> None:
        """It is open."""
        super().connection_made(transport)
        host, port = transport.get_extra_info("sockname")
        self._address = f"{host}:{port}"

    @property
    def is_waiting(self) -> bool:
        """Whether an invocation can be handed over."""
        return self._is_parked and not self.transport.is_closing()

    def hand(self, invocation: "Invocation") -> None:
        """Answer `next`."""
        self._is_parked = False
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
        self.transport.write(to_bytes("".join(fields)) + invocation.payload)
        self.ready()

    def eof_received(self) -> bool:
        """Its process has ended, or it asks no more."""
        return False

    def begun(self, head: "Head") -> int:
        """Find out what the runtime wants; a streamed answer begins here."""
        self._pieces = []
        self._stream = self._invocation = None
        self._fields = {name.lower(): value for name, value in head.fields}
        self._check_sender()
        path = head.target.partition("?")[0]
        parts = path[len(PATH) + 1 :].split("/") if path.startswith(f"{PATH}/") else []
        if len(parts) == 3 and parts[0] == "invocation" and head.method == "POST":
            self._action = parts[2]
            self._invocation = self.environment.running(parts[1])
        else:
            self._action = f"{head.method} {'/'.join(parts)}"
        if self._action != "response":
            return ERROR_LIMIT
        mode = self._fields.get("lambda-runtime-function-response-mode", "")
        if self._invocation is not None and mode.lower() == "streaming":
            self._stream = Stream(self.hold, self.go_on)
            self.environment.stream_begun(self._invocation, self._stream, self._content_type)
            return 1 << 62
        return ANSWER_LIMIT

    def piece(self, data: bytes) -> None:
        """Keep it, or pass it on."""
        if self._stream is not None:
            self._stream.feed(data)
        else:
            self._pieces.append(data)

    def complete(self, trailers: "list[tuple[str, str]]") -> None:
        """Do what the runtime wants."""
        body = b"".join(self._pieces)
        self._pieces = []
        action, invocation = self._action, self._invocation
        if action == "GET invocation/next":
            self._is_parked = True
            self.environment.polled(self)
        elif action in ("POST init/error", "POST restore/error"):
            self._reply(202, ACCEPTED)
            self.environment.init_failed(self._error_type(body), body)
        elif action == "GET restore/next":
            self._reply(200, b"")
        elif action not in ("response", "error"):
            self._reply(404, error_document("NotFound", f"nothing is at {self._action}"))
        elif invocation is None or self.environment.running(invocation.request_id) is None:
            self._reply(400, error_document("InvalidRequestID", "no invocation of this id waits for an answer"))
        else:
            self._reply(202, ACCEPTED)
            self._settle(invocation, body, trailers)

    def refuse(self, status: int, reason: str) -> Answer:
        """An answer that is too large is an outcome, too."""
        if status != 413 or self._invocation is None or self._action != "response":
            return Answer(status, error_document("InvalidRequest", reason), JSON)
        self.environment.too_large(self._invocation, self.head.length if self.head else 0)
        return Answer(
            413,
            error_document("RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({ANSWER_LIMIT} bytes)."),
            JSON,
        )

    def lost(self) -> None:
        """A poller has gone, or a stream has broken off."""
        if self._is_parked:
            self._is_parked = False
            self.environment.poller_lost(self)
        elif self._stream is not None and self._invocation is not None and self.state is not BUSY:
            # A process that has ended closes its connections too, and how it ended says more.
            broken = _cut_off(self._invocation)
            self._loop.call_later(LOST_S, self.environment.stream_ended, self._invocation, broken)

    def _check_sender(self) -> None:
        """Web pages reach every port of this machine, and by DNS rebinding under a name of theirs: none gets events."""
        if self._fields.get("host") != self._address or any(name in self._fields for name in FROM_PAGES):
            raise Refused(403, "only the runtime of this environment may ask here")

    @property
    def _content_type(self) -> str:
        return self._fields.get("content-type") or "application/json"

    def _settle(self, invocation: "Invocation", body: bytes, trailers: "list[tuple[str, str]]") -> None:
        environment = self.environment
        stream, self._stream = self._stream, None
        if stream is not None:
            environment.stream_ended(invocation, _broken({name.lower(): value for name, value in trailers}))
        elif self._action == "response":
            environment.answered(invocation, body, self._content_type)
        else:
            environment.failed(invocation, self._error_type(body), body)

    def _error_type(self, document: bytes) -> str:
        return _own_type(document) or self._fields.get(ERROR_TYPE, "Function.Unknown")

    def _reply(self, status: int, body: bytes) -> None:
        self.write(status, JSON, body)
        self.ready()


def _own_type(document: bytes) -> str:
    """The error's type as the function gave it, which may be one that the platform does not count; nothing: none."""
    try:
        found = json.loads(document)["errorType"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""


def _broken(trailers: "dict[str, str]") -> "StreamBroken | None":
    """The error that the trailers of a streamed answer tell, if they do."""
    if ERROR_TYPE not in trailers:
        return None
    try:
        details = b64decode(trailers.get(ERROR_BODY, ""), validate=True)
    except ValueError:
        details = b""
    return StreamBroken(_own_type(details) or trailers[ERROR_TYPE], details)


def _cut_off(invocation: "Invocation") -> StreamBroken:
    kind = "Runtime.TruncatedResponse"
    return StreamBroken(kind, platform_error(kind, "the runtime broke off its answer", invocation))
