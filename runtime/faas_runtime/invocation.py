"""One invocation: the `faas_request` that a native function is handed, readable from Python as well."""

from . import abi
from .abi import Memory, address_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .streaming import Stream


class Invocation:
    """An event and what came with it; what was not given, or empty, is None (the deadline: 0).

    The Runtime API's client fills in the same object each time, so what is read from it holds until the next one.
    """

    __slots__ = ("_kept", "buffer", "known_to", "memory", "open_stream", "payload_at", "request_id", "trace_id")

    def __init__(self, payload: bytes = b"", request_id: bytes = b"-", *, deadline_ms: int = 0, **texts: bytes) -> None:
        """An invocation made by hand; `texts` are named like the fields of the request in faas.h."""
        self.memory = Memory(abi.REQUEST_SIZE)
        self.known_to: object = None
        """The handler that has filled in what it alone knows, such as the function's name."""
        self.open_stream: Callable[[bytes | None], Stream] | None = None
        """Begins a streamed answer with a content type; None where answers cannot be streamed."""
        self.request_id = request_id
        self.trace_id = texts.get("trace_id")
        self.place_payload(bytearray(payload), 0, len(payload))
        self.memory.longs[abi.DEADLINE] = deadline_ms
        self._kept: dict[str, bytearray] = {}
        self.keep("request_id", request_id)
        for name, value in texts.items():
            self.keep(name, value)

    def place_payload(self, buffer: bytearray, start: int, end: int) -> None:
        """Let the request point to the event, which lies in a buffer."""
        self.buffer = buffer
        self.payload_at = start
        self.memory.words[abi.PAYLOAD] = address_of(buffer) + start if end > start else 0
        self.memory.words[abi.PAYLOAD_LEN] = end - start

    def keep(self, name: str, value: "bytes | None") -> None:
        """Let a text field of the request point to a copy of the value, which lives as long as the invocation."""
        place = _PLACES[name]
        if not value:
            self.memory.words[place] = 0
            return
        copy = self._kept[name] = bytearray(value + b"\0")
        self.memory.words[place] = address_of(copy)

    @property
    def payload(self) -> bytes:
        """The event: a copy."""
        return bytes(self.buffer[self.payload_at : self.payload_at + self.memory.words[abi.PAYLOAD_LEN]])

    @property
    def deadline_ms(self) -> int:
        """When time is up: milliseconds since 1970-01-01 UTC; 0 when not given."""
        return self.memory.longs[abi.DEADLINE]

    def text(self, name: str) -> "bytes | None":
        """A text field of the request by its name in faas.h, such as `function_arn`."""
        value: bytes | None = self.memory.texts[_PLACES[name]]
        return value


_PLACES = {
    "request_id": abi.REQUEST_ID,
    "invocation_id": abi.INVOCATION_ID,
    "function_arn": abi.FUNCTION_ARN,
    "trace_id": abi.TRACE_ID,
    "client_context": abi.CLIENT_CONTEXT,
    "cognito_identity": abi.COGNITO_IDENTITY,
    "tenant_id": abi.TENANT_ID,
    "function_name": abi.FUNCTION_NAME,
    "function_version": abi.FUNCTION_VERSION,
    "log_group": abi.LOG_GROUP,
    "log_stream": abi.LOG_STREAM,
}
