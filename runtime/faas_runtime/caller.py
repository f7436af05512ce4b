"""Calls the native function for one invocation after the other: the handler of one poller."""

from . import abi
from .abi import Callback, CharPointer, CStruct
from .errors import ConnectionLost, FunctionError
from .ffi import NativeFunction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .function import Function
    from .head_template import HeadTemplate
    from .invocation import Invocation, ResponseStream
    from .serving import FunctionResponse
    from .trace import TraceVariable

COPIED_SIZE = 65536  # bytes; up to here, a copy costs less than a view, as it is sent together with the head anyway
LAST_CALL_NUMBER = 2**31 - 1  # has to fit into a pointer; the next one is 1
_HEADER_BYTES = frozenset(range(0x20, 0x7F))
_CONTENT_TYPE_LIMIT = 1024  # bytes; a server that refuses a head for its size would leave the invocation unanswered


class Caller:
    """A function, with the memory for one call at a time. Each thread has its own.

    The fast path uses the attributes without an underscore: it does itself what `call` and `release` do.
    """

    def __init__(self, function: "Function", trace: "TraceVariable | None" = None) -> None:
        self._function = function
        self.function_call = function.call
        self._trace = trace
        self.call_number = 0
        """The number of the call in progress, 0 between calls. The function gets it as the request's `stream`."""
        self.last_call_number = 0
        self.has_written = False
        """Whether the function has called `write` during the call."""
        self._response = response = CStruct(abi.RESPONSE_SIZE)
        self.argument = response.argument
        self.words = response.words
        self.bytes = memoryview(response.data)
        self.blank = bytes(response.data)
        """The bytes of the response before a call."""
        self.data = CharPointer.from_buffer(response.data, abi.DATA * abi.WORD)
        """The response's data, whose length is not part of it."""
        self.response_data = response.data
        self._release_function = NativeFunction(0)
        """The function that freed the last response."""
        self._release_address = 0
        """Its address."""
        self._content_type: bytes | None = None
        self._write = Callback(self._write_piece)  # made once, as it takes a page of executable memory
        self._invocation: Invocation | None = None
        self._stream: ResponseStream | None = None
        self._send_failure: Exception | None = None

    def call(self, invocation: "Invocation") -> "FunctionResponse | None":
        """The response and its content type, if it has one of its own; None if it was streamed.

        The response may be in the function's memory: it is valid until `release`. Raises `FunctionError` for a failure,
        and `ConnectionLost` for a stream that broke.
        """
        if invocation.prepared_by is not self:
            self._prepare(invocation)
        if self._trace is not None:
            self._trace.set(invocation.trace_id)
        self.bytes[:] = self.blank
        self.last_call_number = self.call_number = invocation.memory.words[abi.STREAM] = (
            self.last_call_number % LAST_CALL_NUMBER + 1
        )
        status = self.function_call(invocation.memory.argument, self.argument)
        self.call_number = 0
        return self.result(status)

    def trace_copy(self, template: "HeadTemplate") -> "tuple[Callable[..., object] | None, object, object, object]":
        """A function, with its three arguments, that sets the trace variable to the text in the template's place.

        For heads without a trace id, this unsets the variable, and returns no function.
        """
        if self._trace is None or template.trace_id is None:
            if self._trace is not None:
                self._trace.set(None)
            return None, None, None, None
        return self._trace.copy_from(template.texts, *template.trace_id)

    def result(self, status: int) -> "FunctionResponse | None":
        """The outcome of a call that returned this status, as `call` gives it."""
        if status or self.has_written:
            return self._finish_failed_or_streamed(status)
        content_type = self.content_type()
        length = self.words[abi.LEN]
        if length <= COPIED_SIZE and self.words[abi.DATA]:
            data: bytes = self.data[0:length]  # type: ignore[assignment]
            return data, content_type
        return self._data_view(), content_type

    def release(self) -> None:
        """Hand the response back to the function, which frees what it allocated."""
        address = self.words[abi.RELEASE]
        if address:
            self.release_at(address)(self.argument)
            self.words[abi.RELEASE] = 0

    def release_at(self, address: int) -> NativeFunction:
        """The function at this address, which frees a response; the same object if it is the last one again."""
        if address != self._release_address:
            self._release_function = NativeFunction(address)
            self._release_address = address
        return self._release_function

    def _prepare(self, invocation: "Invocation") -> None:
        """Fill in the fields that are the same in every request, once for each request structure."""
        settings = self._function.settings
        for name in ("function_name", "function_version", "log_group", "log_stream"):
            invocation.set_text(name, getattr(settings, name))
        memory = invocation.memory
        memoryview(memory.data).cast("I")[abi.MEMORY_LIMIT] = settings.memory_limit_mb
        can_stream = invocation.open_stream is not None
        memory.words[abi.WRITE] = abi.Address.from_buffer(self._write).value if can_stream else 0
        invocation.prepared_by = self
        self._invocation = invocation

    def _data_view(self) -> "bytes | memoryview":
        length = self.words[abi.LEN]
        if not length:
            return b""
        from .native_memory import view

        return view(self.words[abi.DATA], length)

    def content_type(self) -> "bytes | None":
        """The response's content type, if it has one of its own; raises `FunctionError` if it cannot be sent."""
        if not self.words[abi.CONTENT_TYPE]:
            return None
        from .native_memory import INVALID_RESPONSE, string

        content_type = string(self._response, abi.CONTENT_TYPE)
        if (
            content_type
            and content_type != self._content_type
            and (len(content_type) > _CONTENT_TYPE_LIMIT or not _HEADER_BYTES.issuperset(content_type))
        ):
            message = f"the content type {content_type!r} cannot be sent in a header"
            raise FunctionError(INVALID_RESPONSE, message)
        self._content_type = content_type
        return content_type or None

    def _finish_failed_or_streamed(self, status: int) -> "FunctionResponse | None":
        """End the stream if the function has written to it; otherwise raise the failure."""
        stream, send_failure = self._stream, self._send_failure
        self._stream = self._send_failure = None
        self.has_written = False
        error = None
        if status:
            from .native_memory import failure

            error = failure(self._response, f"{self._function.symbol} returned {status}")
        if stream is None:
            raise send_failure or error or AssertionError  # an incomplete head may have been accepted all the same
        if send_failure is None and error is None:
            try:
                stream.send(self._data_view())
            except (FunctionError, ConnectionLost) as failed:
                send_failure = failed
        if send_failure is None or isinstance(send_failure, FunctionError):
            stream.end(send_failure or error)
        else:
            stream.abandon(send_failure)
        return None

    def _write_piece(self, call_number: "int | None", data: "int | None", length: "int | None") -> int:
        """The callback `write`. It returns 1 for a failure, as no exception may reach the function."""
        if (
            not self.call_number
            or call_number != self.call_number
            or self._send_failure is not None
            or self._invocation is None
        ):
            return 1
        self.has_written = True
        try:
            from .native_memory import view

            piece = view(data, length) if length else b""
            if self._stream is None:
                assert self._invocation.open_stream is not None
                self._stream = self._invocation.open_stream(self.content_type())
            self._stream.send(piece)
        except Exception as error:
            self._send_failure = error
            return 1
        return 0
