"""The Lambda Runtime API, as a runtime uses it.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import sys
from time import monotonic

from . import abi
from .connection import JOINED_SIZE, PATH
from .errors import RuntimeApiError, Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .connection import Connection
    from .errors import FunctionError, InitError
    from .framing import Answer
    from .invocation import Invocation
    from .streaming import Stream

TEXTS = {
    b"lambda-runtime-aws-request-id": "request_id",
    b"lambda-runtime-invocation-id": "invocation_id",
    b"lambda-runtime-invoked-function-arn": "function_arn",
    b"lambda-runtime-trace-id": "trace_id",
    b"lambda-runtime-client-context": "client_context",
    b"lambda-runtime-cognito-identity": "cognito_identity",
    b"lambda-runtime-aws-tenant-id": "tenant_id",
}
REFUSALS = {
    400: "it does not know the request, or the request was malformed",
    403: "it does not expect an answer to this request now",
    410: "the invocation has timed out",
    413: "the answer is too large; the caller has been told",
}
NOT_ASKED = -1
JSON = b"Content-Type: application/json\r\n"
# A blocked receive ends when receiving is shut down; on Windows, only when sending is, too.
_SHUTDOWN = 2 if sys.platform == "win32" else 0
ARRIVAL_S = 1.0  # how long the rest of an event that has begun to arrive is waited for when the process is to end


class RuntimeApi:
    """Takes invocations and sends back what became of them: the client of one poller."""

    def __init__(self, connection: "Connection", *, is_asked: bool = False) -> None:
        """A client on a connection, over which the first invocation may have been asked for already."""
        common = connection.common
        self.connection = connection
        self._common = common.encode()
        self._next = connection.next_request
        self._received = 0 if is_asked else NOT_ASKED
        """How much has arrived of the answer to a `next` that was sent already."""
        self.response = f"POST {PATH}/invocation/%b/response{common}%bContent-Length: %d\r\n\r\n".encode()
        """The head of an answer: request id, more fields, size."""
        self.invocation: Invocation | None = None
        """The invocation that came last."""
        self.parsed: tuple[Answer, dict[str, bytes]] | None = None
        """The head that it came with, and what that gave for each of `TEXTS`."""
        self.received_at = 0.0
        """When it came, on the monotonic clock."""
        self.echo = b""
        """The field by which the platform wants to recognise the outcome."""
        self.is_busy = False
        """Whether an invocation is in hand; a watcher reads it from another thread."""
        self.wake: Callable[[], None] | None = None
        """What is to be called when an invocation comes: a watcher that sleeps until then."""
        self.is_stopping = False
        self._stop_at = 0.0

    def next(self) -> "Invocation":
        """Wait for the next invocation, however long that takes."""
        self.is_busy = False
        if self.is_stopping:
            raise Stopped
        return self._parsed(self._answer())

    def asked(self, received: int) -> None:
        """Let the following `next` go on where so much has been received of the answer to one that was sent."""
        self._received = received

    def respond(self, invocation: "Invocation", data: "bytes | memoryview", content_type: "bytes | None") -> None:
        """Send the answer to an invocation."""
        connection, size = self.connection, len(data)
        request = self.response % (invocation.request_id, self.fields(content_type), size)
        if size <= JOINED_SIZE:
            self.check(self.path, connection.exchange(request + data))
        else:
            self.check(self.path, connection.exchange(request, data))
        connection.is_proven = connection.socket is not None

    def fields(self, content_type: "bytes | None") -> bytes:
        """The fields of an answer that are not the same for all."""
        return (JSON if content_type is None else b"Content-Type: %b\r\n" % content_type) + self.echo

    def fail(self, invocation: "Invocation", error: "FunctionError") -> None:
        """Tell that an invocation failed."""
        self._tell(f"/invocation/{invocation.request_id.decode()}/error", error, self.echo)

    def fail_init(self, error: "InitError") -> None:
        """Tell that the function cannot be initialised, or not be restored from its snapshot."""
        self._tell(error.path, error)

    def stream(self, content_type: "bytes | None") -> "Stream":
        """Begin a streamed answer to the invocation in hand."""
        from .streaming import Stream

        path = self.path
        head = f"POST {PATH}{path}".encode() + self._common + self.fields(content_type)
        return Stream(self, path, head)

    def wait_for_restore(self) -> None:
        """Wait until the process is restored from its snapshot; what was connected before it no longer is."""
        if self.is_stopping:
            raise Stopped
        try:
            answer = self.connection.exchange(f"GET {PATH}/restore/next".encode() + self._common + b"\r\n")
        except RuntimeApiError:
            if self.is_stopping:
                raise Stopped from None
            raise
        self.connection.close()
        if answer.status != 200:
            raise RuntimeApiError(f"the Runtime API restored nothing: it answered {self._status(answer)}")

    def close(self) -> None:
        """Close the connection."""
        self.is_busy = False
        self.connection.close()

    @property
    def current_request(self) -> str:
        """The id of the invocation that came last."""
        return self.invocation.request_id.decode() if self.invocation else ""

    @property
    def deadline_ms(self) -> int:
        """The deadline of the invocation that came last."""
        return self.invocation.deadline_ms if self.invocation else 0

    @property
    def path(self) -> str:
        """Where the answer to the invocation that came last goes."""
        return f"/invocation/{self.current_request}/response"

    def interrupt(self) -> None:
        """End the wait for an invocation, from another thread; one that has begun to arrive gets some time for it.

        To be called again and again until the poller has ended.
        """
        if not self.is_stopping:
            self._stop_at = monotonic() + ARRIVAL_S
            self.is_stopping = self.connection.is_stopping = True
        socket = self.connection.socket  # once: its own thread may close it meanwhile
        is_arriving = self.connection.received and monotonic() < self._stop_at
        if not self.is_busy and not is_arriving and socket is not None:
            try:
                socket.shutdown(_SHUTDOWN)
            except OSError:
                pass  # it is closed already

    def complete(self, received: int, end: int) -> None:
        """Receive the rest of an event, or drop the connection that brought more than an event.

        Raises `Stopped` when the process is to end and the rest did not come in time.
        """
        if received > end:
            self.connection.close()
            return
        reader = self.connection.reader
        reader.count = received
        try:
            reader.need(end)
        except RuntimeApiError:
            self.connection.close()
            if self.is_stopping:
                raise Stopped from None
            raise

    def _answer(self) -> "Answer":
        """The answer to `next`, which may have been sent, and even be arriving, already."""
        connection = self.connection
        received, self._received = self._received, NOT_ASKED
        try:
            if received == NOT_ASKED:
                return connection.exchange(self._next, repeatable=True)
            return connection.finish(self._next, received, repeatable=connection.is_proven)
        except RuntimeApiError:
            if self.is_stopping:
                raise Stopped from None
            raise

    def _parsed(self, answer: "Answer") -> "Invocation":
        """The invocation that an answer of any form brings."""
        if answer.status != 200:
            raise RuntimeApiError(f"the Runtime API gave no invocation: it answered {self._status(answer)}")
        invocation = self.invocation
        if invocation is None:
            from .invocation import Invocation

            invocation = self.invocation = Invocation()
            invocation.open_stream = self.stream
        get = answer.headers.get
        values = {name: value for header, name in TEXTS.items() if (value := get(header))}
        # Before anything is changed: an event that is refused must leave nothing for the next one to meet.
        request_id = _checked_id(values.get("request_id", b""))
        for name in TEXTS.values():
            invocation.keep(name, values.get(name))
        self.echo = b"".join(_field(b"Lambda-Runtime-Invocation-Id", values.get("invocation_id")))
        deadline = get(b"lambda-runtime-deadline-ms", b"")
        invocation.memory.longs[abi.DEADLINE] = int(deadline) if deadline.isdigit() and len(deadline) < 19 else 0
        reader = self.connection.reader
        invocation.request_id = request_id
        invocation.trace_id = values.get("trace_id")
        invocation.place_payload(reader.buffer, answer.body_start, answer.body_end)
        reader.count = 0
        self.parsed = answer, values
        self.is_busy = True
        self.received_at = monotonic()
        wake = self.wake  # once: another thread may take it back
        if wake is not None:
            wake()
        return invocation

    def _tell(self, path: str, error: "FunctionError", fields: bytes = b"") -> None:
        """POST an error."""
        from .reports import error_document, error_headers

        document = error_document(error)
        fields = error_headers(error) + fields + b"Content-Length: %d\r\n\r\n" % len(document)
        head = f"POST {PATH}{path}".encode() + self._common + fields
        self.check(path, self.connection.exchange(head, document))

    def check(self, path: str, answer: "Answer") -> None:
        """A refusal ends the invocation only; a broken API (5xx) ends the process."""
        if 200 <= answer.status < 300:
            return
        if answer.status >= 500:
            raise RuntimeApiError(f"the Runtime API failed on {path}: it answered {self._status(answer)}")
        from .log import log

        reason = REFUSALS.get(answer.status, "unexpected")
        log(f"the Runtime API refused {path}, {reason}: it answered {self._status(answer)}", "WARN")

    def _status(self, answer: "Answer") -> str:
        """The status with the beginning of the body, which says more."""
        body = bytes(self.connection.reader.view[answer.body_start : answer.body_end][:200])
        return f"{answer.status} {body.decode('utf-8', 'replace').strip()}".rstrip()


def _field(name: bytes, value: "bytes | None") -> "tuple[bytes, ...]":
    return (name, b": ", value, b"\r\n") if value else ()


def _checked_id(request_id: bytes) -> bytes:
    """The id, which becomes part of a path: there is no answering an invocation without a usable one."""
    if not request_id or any(not 0x20 < byte < 0x7F or byte in b"/?#%" for byte in request_id):
        raise RuntimeApiError(f"the Runtime API gave the request id {request_id!r}, which cannot be answered")
    return request_id
