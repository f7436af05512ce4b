"""The Lambda Runtime API, from the runtime's side.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import sys
from time import monotonic

from . import abi
from .connection import JOINED_SIZE, PATH
from .errors import RuntimeApiError, Stopped
from .invocation import DEADLINE_HEADER, TEXT_HEADERS, Invocation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .connection import RuntimeApiConnection
    from .errors import FunctionError, InitError
    from .http_reader import ReceivedResponse
    from .invocation import ResponseStream

REFUSALS = {
    400: "it does not know the request, or the request was malformed",
    403: "it does not expect a response to this request now",
    410: "the invocation has timed out",
    413: "the response is too large, and the caller was told so",
}
"""What the Runtime API means by a status other than 202."""
NOT_SENT = -1
JSON = b"Content-Type: application/json\r\n"
INVOCATION_ID_FIELD = b"Lambda-Runtime-Invocation-Id: "
# A blocked receive ends when receiving is shut down; on Windows, only when sending is, too.
_SHUTDOWN = 2 if sys.platform == "win32" else 0
ARRIVAL_TIMEOUT_S = 1.0  # for the rest of an event that has begun to arrive when the process is asked to end
_REASON_LIMIT = 200  # bytes of a body that an error message shows
_SHOWN_ID = 80  # bytes of an unusable id that an error message shows
_LONGEST_NUMBER = 18  # digits of numbers that fit into 64 bits


class RuntimeApiClient:
    """Takes invocations, and sends their responses or errors: the client of one poller."""

    def __init__(
        self, connection: "RuntimeApiConnection", *, is_next_sent: bool = False, is_managed: bool = False
    ) -> None:
        """A client on a connection, over which the request for the first invocation may have been sent already.

        `is_managed`: on managed instances, the poller continues after the Runtime API has failed to accept an outcome.
        """
        common_fields = connection.common_fields
        self.connection = connection
        self._is_managed = is_managed
        self._common_fields = common_fields.encode()
        self._next_request = connection.next_request
        self._received = 0 if is_next_sent else NOT_SENT
        """How many bytes have arrived in response to a request for an invocation that was sent already."""
        self.response_head = f"POST {PATH}/invocation/%b/response{common_fields}%bContent-Length: %d\r\n\r\n".encode()
        """The head of a function's response: request id, more fields, size."""
        self.invocation: Invocation | None = None
        """The last invocation."""
        self.last_event: tuple[ReceivedResponse, dict[str, bytes]] | None = None
        """The last event that was parsed: its head, and its texts by the fields of the request."""
        self.last_receipt: ReceivedResponse | None = None
        """What the Runtime API sent when it last accepted a response in the general way. It is still in the buffer."""
        self.received_at = 0.0
        """When the last invocation came, on the monotonic clock."""
        self.invocation_id_field = b""
        """The header that the outcome has to repeat, with its line end; empty if the event had no such header."""
        self.is_busy = False
        """Whether there is an invocation in progress. A watcher reads it from another thread."""
        self.wake: Callable[[], None] | None = None
        """Called when an invocation comes, if set: it wakes up a watcher that sleeps until then."""
        self.is_stopping = False
        self._arrival_ends_at = 0.0

    def next(self) -> Invocation:
        """Wait for the next invocation, without a limit of time. Raises `Stopped` when the process is to end."""
        self.is_busy = False
        if self.is_stopping and self._received <= 0:
            raise Stopped
        return self._parse_event(self._receive_event())

    def expect_event(self, received: int) -> None:
        """Tell the following `next` that its request was sent, and how many bytes of the event are in the buffer.

        An event that has begun to arrive is taken even when the process is to end.
        """
        self._received = received

    def respond(self, invocation: Invocation, data: "bytes | memoryview", content_type: "bytes | None") -> None:
        """Send the response to an invocation."""
        connection, size = self.connection, len(data)
        head = self.response_head % (invocation.request_id, self.response_fields(content_type), size)
        receipt = connection.exchange(head + data) if size <= JOINED_SIZE else connection.exchange(head, data)
        self.check_outcome(self.response_path, receipt)
        self.last_receipt = receipt
        connection.is_kept_open = connection.socket is not None

    def response_fields(self, content_type: "bytes | None") -> bytes:
        """The fields of a response that are not the same for all."""
        return (JSON if content_type is None else b"Content-Type: %b\r\n" % content_type) + self.invocation_id_field

    def fail(self, invocation: Invocation, error: "FunctionError") -> None:
        """Report that an invocation failed."""
        self._post_error(f"/invocation/{invocation.request_id.decode()}/error", error, self.invocation_id_field)

    def fail_init(self, error: "InitError") -> None:
        """Report that the function cannot be initialised, or not be restored from its snapshot."""
        self._post_error(error.path, error)

    def open_stream(self, content_type: "bytes | None") -> "ResponseStream":
        """Begin a streamed response to the invocation in progress."""
        from .response_stream import ChunkedResponse

        assert self.invocation is not None
        path = self.response_path
        head = f"POST {PATH}{path}".encode() + self._common_fields + self.response_fields(content_type)
        return ChunkedResponse(
            self.connection, head, self.invocation, lambda response: self.check_outcome(path, response)
        )

    def wait_for_restore(self) -> None:
        """Wait until the process is restored from its snapshot, and close the connection, which did not outlive it.

        Raises `Stopped` when the process is to end.
        """
        if self.is_stopping:
            raise Stopped
        try:
            response = self.connection.exchange(f"GET {PATH}/restore/next".encode() + self._common_fields + b"\r\n")
        except RuntimeApiError:
            if self.is_stopping:
                raise Stopped from None
            raise
        self.connection.close()
        if response.status != 200:
            raise RuntimeApiError(f"the Runtime API restored nothing: it answered {self._status(response)}")

    def close(self) -> None:
        """Close the connection."""
        self.is_busy = False
        self.connection.close()

    @property
    def current_request(self) -> str:
        """The id of the last invocation; empty if there was none. Between two invocations, it may be any text."""
        return self.invocation.request_id.decode("ascii", "replace") if self.invocation else ""

    @property
    def deadline_ms(self) -> int:
        """The deadline of the last invocation; 0 if it had none."""
        return self.invocation.deadline_ms if self.invocation else 0

    @property
    def response_path(self) -> str:
        """Where the response to the last invocation goes."""
        return f"/invocation/{self.current_request}/response"

    def interrupt(self) -> None:
        """End the wait for an invocation, from another thread. One that has begun to arrive gets some time for it.

        To be called again and again until the poller has ended.
        """
        if not self.is_stopping:
            self._arrival_ends_at = monotonic() + ARRIVAL_TIMEOUT_S
            self.is_stopping = self.connection.is_stopping = True
        socket = self.connection.socket  # read once, as the poller's thread may close it meanwhile
        is_arriving = self.connection.received and monotonic() < self._arrival_ends_at
        if not self.is_busy and not is_arriving and socket is not None:
            try:
                socket.shutdown(_SHUTDOWN)
            except OSError:
                pass  # it is closed already

    def receive_rest(self, received: int, end: int) -> None:
        """Receive the rest of an event, or drop the connection that brought more than an event.

        Raises `Stopped` when the process is to end and the rest did not come in time.
        """
        if received > end:
            self.connection.close()
            return
        reader = self.connection.reader
        reader.count = received
        try:
            reader.receive_until(end)
        except RuntimeApiError:
            self.connection.close()
            if self.is_stopping:
                raise Stopped from None
            raise

    def check_outcome(self, path: str, response: "ReceivedResponse") -> None:
        """Check the response to an outcome. A refusal is logged, and a failure of the API (5xx) on managed instances.

        On demand, a failure raises `RuntimeApiError`: the process ends, and the platform starts another one.
        """
        if 200 <= response.status < 300:
            return
        has_failed = response.status >= 500
        what = f"failed on {path}" if has_failed else f"refused {path}, {REFUSALS.get(response.status, 'unexpected')}"
        message = f"the Runtime API {what}: it answered {self._status(response)}"
        if has_failed and not self._is_managed:
            raise RuntimeApiError(message)
        from .log import log

        log(message, "WARN")

    def _receive_event(self) -> "ReceivedResponse":
        """The response to `next`, whose request may have been sent, and which may even be arriving, already."""
        connection = self.connection
        received, self._received = self._received, NOT_SENT
        try:
            if received == NOT_SENT:
                return connection.exchange(self._next_request, repeatable=True)
            return connection.read_response(self._next_request, received, repeatable=connection.is_kept_open)
        except RuntimeApiError:
            if self.is_stopping:
                raise Stopped from None
            raise

    def _parse_event(self, response: "ReceivedResponse") -> Invocation:
        """The invocation that a response of any form brings."""
        if response.status != 200:
            raise RuntimeApiError(f"the Runtime API gave no invocation: it answered {self._status(response)}")
        invocation = self.invocation
        if invocation is None:
            invocation = self.invocation = Invocation()
            invocation.open_stream = self.open_stream
        get = response.headers.get
        texts = {header.field: value for header in TEXT_HEADERS if (value := get(header.name))}
        # Checked before anything is changed: the next event must find nothing of one that is refused.
        request_id = _checked_id(texts.get("request_id", b""))
        for header in TEXT_HEADERS:
            invocation.set_text(header.field, texts.get(header.field))
        invocation_id = texts.get("invocation_id")
        self.invocation_id_field = INVOCATION_ID_FIELD + invocation_id + b"\r\n" if invocation_id else b""
        invocation.memory.longs[abi.DEADLINE] = _number(get(DEADLINE_HEADER.name, b""))
        reader = self.connection.reader
        invocation.set_request_id(request_id)
        invocation.trace_id = texts.get("trace_id")
        invocation.set_payload(reader.buffer, response.body_start, response.body_end)
        reader.count = 0
        self.last_event = response, texts
        self.is_busy = True
        self.received_at = monotonic()
        wake = self.wake  # read once, as the watcher's thread may unset it meanwhile
        if wake is not None:
            wake()
        return invocation

    def _post_error(self, path: str, error: "FunctionError", fields: bytes = b"") -> None:
        from .reports import error_document, error_headers

        document = error_document(error)
        fields = error_headers(error) + fields + b"Content-Length: %d\r\n\r\n" % len(document)
        head = f"POST {PATH}{path}".encode() + self._common_fields + fields
        self.check_outcome(path, self.connection.exchange(head, document))

    def _status(self, response: "ReceivedResponse") -> str:
        return answer_text(self.connection, response)


def answer_text(connection: "RuntimeApiConnection", response: "ReceivedResponse") -> str:
    """The status and the beginning of the body, which may give a reason."""
    body = bytes(connection.reader.view[response.body_start : response.body_end][:_REASON_LIMIT])
    text = body.decode("utf-8", "replace").strip()
    return f"{response.status} {''.join(map(_printable, text))}".rstrip()


def _printable(character: str) -> str:
    """The character, or an escape for one that would control a terminal."""
    return character if character.isprintable() else ascii(character)[1:-1]


def _number(digits: bytes) -> int:
    """The number; 0 for what is none, or is too large for 64 bits."""
    return int(digits) if digits.isdigit() and len(digits) <= _LONGEST_NUMBER else 0


def _checked_id(request_id: bytes) -> bytes:
    """The id. It becomes part of a path, and without a usable one the invocation cannot be answered."""
    if request_id in (b"", b".", b"..") or any(not 0x20 < byte < 0x7F or byte in b"/?#%" for byte in request_id):
        shown = request_id[:_SHOWN_ID]
        raise RuntimeApiError(f"the Runtime API gave the request id {shown!r}, which cannot be answered")
    return request_id
