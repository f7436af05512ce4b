"""One invocation on the side of the function: the `faas_request`, and the headers that it is made of.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-next
"""

from . import abi
from .abi import CStruct, address_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .errors import FunctionError

    class ResponseStream(Protocol):
        """A streamed response to the invocation."""

        def send(self, data: bytes | memoryview) -> None:
            """Send a piece; returns when the system has taken it. Raises `ConnectionLost`."""

        def end(self, error: FunctionError | None) -> None:
            """End the response; an error tells the caller that it is incomplete. Raises `ConnectionLost`."""

        def abandon(self, reason: Exception) -> None:
            """Give up after a piece that could not be sent. Raises `ConnectionLost` if the server gave no reason."""


class EventHeader:
    """A header of an event, and the field of `faas_request` that gets its value."""

    __slots__ = ("changes", "field", "name")

    def __init__(self, name: bytes, field: str, *, changes: bool) -> None:
        self.name = name
        """The header's name in lower case."""
        self.field = field
        self.changes = changes
        """Whether the value differs from one invocation to the next. The fast path expects all other values to be the
        same as before, and parses the whole head when one is not. It does so too for a changing value that has other
        characters than letters, digits and `-=;:._+,` (see `head_template`)."""


# The deadline is a number; the values of all other headers are texts.
DEADLINE_HEADER = EventHeader(b"lambda-runtime-deadline-ms", "deadline_ms", changes=True)
REQUEST_ID_HEADER = EventHeader(b"lambda-runtime-aws-request-id", "request_id", changes=True)
INVOCATION_ID_HEADER = EventHeader(b"lambda-runtime-invocation-id", "invocation_id", changes=True)
TRACE_ID_HEADER = EventHeader(b"lambda-runtime-trace-id", "trace_id", changes=True)
TEXT_HEADERS = (
    REQUEST_ID_HEADER,
    INVOCATION_ID_HEADER,
    EventHeader(b"lambda-runtime-invoked-function-arn", "function_arn", changes=False),
    TRACE_ID_HEADER,
    EventHeader(b"lambda-runtime-client-context", "client_context", changes=False),
    EventHeader(b"lambda-runtime-cognito-identity", "cognito_identity", changes=False),
    EventHeader(b"lambda-runtime-aws-tenant-id", "tenant_id", changes=False),
)
"""All headers of an event whose values are texts."""


class Invocation:
    """An event with what came with it. What is not given, or empty, is None (the deadline: 0).

    The Runtime API's client fills in the same object each time, so its values are valid until the next one.
    """

    __slots__ = ("_copies", "_id", "buffer", "memory", "open_stream", "payload_start", "prepared_by", "trace_id")

    def __init__(self, payload: bytes = b"", request_id: bytes = b"-", *, deadline_ms: int = 0, **texts: bytes) -> None:
        """An invocation from values; `texts` have the names of fields of `faas_request`."""
        self.memory = CStruct(abi.REQUEST_SIZE)
        """The `faas_request`."""
        self.prepared_by: object = None
        """The handler that has filled in the fields that it alone knows, such as the function's name."""
        self.open_stream: Callable[[bytes | None], ResponseStream] | None = None
        """Begins a streamed response with a content type; None where responses cannot be streamed."""
        self.set_request_id(request_id)
        self.trace_id = texts.get("trace_id")
        self.set_payload(bytearray(payload), 0, len(payload))
        self.memory.longs[abi.DEADLINE] = deadline_ms
        self._copies: dict[str, bytearray] = {}
        self.set_text("request_id", request_id)
        for field, value in texts.items():
            self.set_text(field, value)

    def set_payload(self, buffer: bytearray, start: int, end: int) -> None:
        """Let the request point to the event, which is in a buffer."""
        self.buffer = buffer
        self.payload_start = start
        self.memory.words[abi.PAYLOAD] = address_of(buffer) + start if end > start else 0
        self.memory.words[abi.PAYLOAD_LEN] = end - start

    def set_text(self, field: str, value: "bytes | None") -> None:
        """Let a text field of the request point to a copy of the value, which lives as long as the invocation."""
        index = abi.REQUEST_INDEX[field]
        if not value:
            self.memory.words[index] = 0
            return
        copy = self._copies[field] = bytearray(value + b"\0")
        self.memory.words[index] = address_of(copy)

    def set_request_id(self, place: "bytes | memoryview") -> None:
        """Let `request_id` be what is in this place whenever it is asked for."""
        self._id = place

    @property
    def request_id(self) -> bytes:
        """The id, which names the invocation in the Runtime API."""
        return bytes(self._id)

    @property
    def payload(self) -> bytes:
        """The event: a copy."""
        return bytes(self.buffer[self.payload_start : self.payload_start + self.memory.words[abi.PAYLOAD_LEN]])

    @property
    def deadline_ms(self) -> int:
        """When the time limit ends: milliseconds since 1970-01-01 UTC; 0 when not given."""
        return self.memory.longs[abi.DEADLINE]

    def text(self, field: str) -> "bytes | None":
        """A text field of the request by its name in faas.h, such as `function_arn`."""
        from .native_memory import string

        return string(self.memory, abi.REQUEST_INDEX[field])
