"""The Lambda Runtime API, as a runtime uses it.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from time import monotonic

from . import abi
from .connection import JOINED_SIZE, PATH
from .errors import RuntimeApiError, Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .connection import Connection
    from .errors import FunctionError, InitError
    from .framing import Answer
    from .invocation import Invocation
    from .layout import Layout
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
LAYOUTS = 8  # heads of different lengths whose layouts are remembered
REFUSALS = {
    400: "it does not know the request, or the request was malformed",
    403: "it does not expect an answer to this request now",
    410: "the invocation has timed out",
    413: "the answer is too large; the caller has been told",
}
JSON = b"Content-Type: application/json\r\n"
# Servers close connections that idle, but none so soon. After a longer call, one system call looks whether it did.
SURELY_OPEN_S = 0.0002


class RuntimeApi:
    """Takes invocations and sends back what became of them: the client of one poller."""

    def __init__(self, connection: "Connection", *, is_asked: bool = False) -> None:
        """A client on a connection, over which the first invocation may have been asked for already."""
        common = connection.common
        self.connection = connection
        self._reader = connection.reader
        self._common = common.encode()
        self._next = connection.next_request
        self._response = f"POST {PATH}/invocation/%b/response{common}%bContent-Length: %d\r\n\r\n".encode()
        self._plain = self._response.replace(b"%bContent-Length", JSON + b"Content-Length") + b"%b"
        self._invocation: Invocation | None = None
        self._layout: Layout | None = None
        self._layouts: dict[int, Layout] = {}
        self._pointed: bytearray | None = None
        self._accepted = b"-"
        self.received_at = 0.0
        """When the last invocation came, on the monotonic clock."""
        self._is_asked = is_asked
        self._echo = b""
        self.is_busy = False
        """Whether an invocation is in hand; a watcher reads it from another thread."""
        self.is_stopping = False

    def next(self) -> "Invocation":
        """Wait for the next invocation, however long that takes."""
        self.is_busy = False
        if self.is_stopping:
            raise Stopped
        layout, connection = self._layout, self.connection
        socket = connection.socket
        if layout is None or socket is None:
            return self._parsed(self._answer())
        reader = self._reader
        try:
            socket.sendall(self._next)
            received = socket.recv_into(reader.buffer)
        except OSError:
            received = 0
        head = bytes(reader.view[: layout.size])
        if layout.fixed(head) != layout.texts or received < layout.size:
            layout = self._other_layout(received)
            if layout is None:
                return self._parsed(self._answer(received))
            head = bytes(reader.view[: layout.size])
        request_id, deadline, length, trace_id, invocation_id = layout.live(head)
        # What was learnt about the values has to hold for these: one word each, digits, part of a path.
        if not (
            request_id.replace(b"-", b"").isalnum()
            and deadline.isdigit()
            and 0 not in head
            and length.isdigit()
            and (not trace_id or trace_id.split() == [trace_id])
            and (not invocation_id or invocation_id.split() == [invocation_id])
        ):
            return self._parsed(self._answer(received))
        end = layout.size + int(length)
        if received != end:
            self._complete(received, end)
        invocation = self._invocation
        assert invocation is not None
        buffer = reader.buffer
        if self._pointed is not buffer:
            self._point(invocation, layout)
        for at in layout.ends:
            buffer[at] = 0
        invocation.request_id = request_id
        invocation.trace_id = trace_id or None
        invocation.memory.words[abi.PAYLOAD_LEN] = end - layout.size
        invocation.memory.longs[abi.DEADLINE] = int(deadline)
        self._echo = b"Lambda-Runtime-Invocation-Id: %b\r\n" % invocation_id if invocation_id else b""
        self.is_busy = True
        self.received_at = monotonic()
        return invocation

    def respond(self, invocation: "Invocation", data: "bytes | memoryview", content_type: "bytes | None") -> None:
        """Send the answer to an invocation."""
        connection = self.connection
        socket = connection.socket
        size = len(data)
        if content_type is None and not self._echo and size <= JOINED_SIZE:
            request = self._plain % (invocation.request_id, size, data)
        else:
            fields = (JSON if content_type is None else b"Content-Type: %b\r\n" % content_type) + self._echo
            request = self._response % (invocation.request_id, fields, size)
            if size <= JOINED_SIZE:
                request += data
        if (
            socket is None
            or size > JOINED_SIZE
            or not connection.is_proven
            or monotonic() - self.received_at > SURELY_OPEN_S
        ):
            self.check(self._path(), connection.exchange(request, data if size > JOINED_SIZE else b""))
            connection.is_proven = connection.socket is not None
            return
        try:
            sent = socket.send(request)
        except OSError:  # nothing of it has left, so it may go out again
            self.check(self._path(), connection.exchange(request))
            return
        try:
            if sent < len(request):
                socket.sendall(request[sent:])
            received = socket.recv_into(self._reader.buffer)
        except OSError:
            received = 0
        if received != len(self._accepted) or not self._reader.buffer.startswith(self._accepted):
            answer = connection.finish(request, received)
            if answer.status == 202 and connection.socket is not None and received == answer.body_end:
                self._accepted = bytes(connection.reader.view[:received])
            self.check(self._path(), answer)

    def fail(self, invocation: "Invocation", error: "FunctionError") -> None:
        """Tell that an invocation failed."""
        self._tell(f"/invocation/{invocation.request_id.decode()}/error", error, self._echo)

    def fail_init(self, error: "InitError") -> None:
        """Tell that the function cannot be initialised, or not be restored from its snapshot."""
        self._tell(error.path, error)

    def stream(self, content_type: "bytes | None") -> "Stream":
        """Begin a streamed answer to the invocation in hand."""
        from .streaming import Stream

        fields = JSON if content_type is None else b"Content-Type: %b\r\n" % content_type
        path = self._path()
        return Stream(self, path, f"POST {PATH}{path}".encode() + self._common + fields + self._echo)

    def wait_for_restore(self) -> None:
        """Wait until the process is restored from its snapshot; what was connected before it no longer is."""
        answer = self.connection.exchange(f"GET {PATH}/restore/next".encode() + self._common + b"\r\n")
        self.connection.close()
        if answer.status != 200:
            raise RuntimeApiError(f"the Runtime API restored nothing: it answered {self._status(answer)}")

    def close(self) -> None:
        """Close the connection."""
        self.is_busy = False
        self.connection.close()

    @property
    def current_invocation(self) -> "Invocation | None":
        """The invocation that came last."""
        return self._invocation

    @property
    def current_request(self) -> str:
        """The id of the invocation that came last."""
        return self._invocation.request_id.decode() if self._invocation else ""

    @property
    def deadline_ms(self) -> int:
        """The deadline of the invocation that came last."""
        return self._invocation.deadline_ms if self._invocation else 0

    def _path(self) -> str:
        return f"/invocation/{self.current_request}/response"

    def interrupt(self) -> None:
        """End the wait for an invocation, from another thread; what arrived by then can still be answered."""
        self.is_stopping = self.connection.is_stopping = True
        socket = self.connection.socket  # once: its own thread may close it meanwhile
        if not self.is_busy and socket is not None:
            try:
                socket.shutdown(0)  # SHUT_RD
            except OSError:
                pass  # it is closed already

    def _answer(self, received: int = 0) -> "Answer":
        """The answer to `next`, which has been sent if there was a connection."""
        connection = self.connection
        try:
            if self._is_asked or (connection.socket is not None and self._layout is not None):
                was_asked, self._is_asked = self._is_asked, False
                return connection.finish(self._next, received, repeatable=not was_asked)
            return connection.exchange(self._next, repeatable=True)
        except RuntimeApiError:
            if self.is_stopping:
                raise Stopped from None
            raise

    def _other_layout(self, received: int) -> "Layout | None":
        """The layout of what was received, if it is another one that has been seen before."""
        reader = self.connection.reader
        end = reader.buffer.find(b"\r\n\r\n", 0, received) + 4
        layout = self._layouts.get(end)
        if layout is None or layout.fixed(bytes(reader.view[:end])) != layout.texts:
            return None
        self._layout = layout
        self._pointed = None
        return layout

    def _point(self, invocation: "Invocation", layout: "Layout") -> None:
        """Let the request point to where the values lie in the buffer."""
        buffer = self._pointed = self.connection.reader.buffer
        base = abi.address_of(buffer)
        for name in TEXTS.values():
            invocation.keep(name, layout.values.get(name))
        for place, start in layout.pointers:
            invocation.memory.words[place] = base + start
        invocation.memory.words[abi.PAYLOAD] = base + layout.size
        invocation.buffer = buffer
        invocation.payload_at = layout.size

    def _complete(self, received: int, end: int) -> None:
        """Receive the rest of an event, or drop the connection that brought more than an event."""
        if received > end:
            self.connection.close()
            return
        reader = self.connection.reader
        reader.count = received
        try:
            reader.need(end)
        except RuntimeApiError:
            self.connection.close()
            raise

    def _parsed(self, answer: "Answer") -> "Invocation":
        """The invocation that an answer of any form brings."""
        if answer.status != 200:
            raise RuntimeApiError(f"the Runtime API gave no invocation: it answered {self._status(answer)}")
        invocation = self._invocation
        if invocation is None:
            from .invocation import Invocation

            invocation = self._invocation = Invocation()
            invocation.open_stream = self.stream
        get = answer.headers.get
        values = {name: value for header, name in TEXTS.items() if (value := get(header))}
        # Before anything is changed: an event that is refused must leave nothing for the next one to meet.
        request_id = _checked_id(values.get("request_id", b""))
        self._pointed = None
        for name in TEXTS.values():
            invocation.keep(name, values.get(name))
        self._echo = b"".join(_field(b"Lambda-Runtime-Invocation-Id", values.get("invocation_id")))
        deadline = get(b"lambda-runtime-deadline-ms", b"")
        invocation.memory.longs[abi.DEADLINE] = int(deadline) if deadline.isdigit() and len(deadline) < 19 else 0
        reader = self.connection.reader
        invocation.request_id = request_id
        invocation.trace_id = values.get("trace_id")
        invocation.place_payload(reader.buffer, answer.body_start, answer.body_end)
        self._learn(answer, values)
        self.is_busy = True
        self.received_at = monotonic()
        return invocation

    def _learn(self, answer: "Answer", values: "dict[str, bytes]") -> None:
        from .layout import Layout

        self._layout = Layout.of(answer, bytes(self.connection.reader.view[: answer.body_start]), values)
        if self._layout is not None:
            if len(self._layouts) >= LAYOUTS:
                self._layouts.clear()
            self._layouts[self._layout.size] = self._layout

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
