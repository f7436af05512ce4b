"""Calls the native function for one invocation after the other: the handler of one poller."""

from . import abi
from .abi import Bytes, Memory, ViewFunction, WriteFunction, failure
from .calls import Procedure
from .errors import ConnectionLost, FunctionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .function import Function
    from .invocation import Invocation
    from .streaming import Stream
    from .trace import Setter, TraceVariable

INVALID_RESPONSE = "Function.InvalidResponse"
LENGTH_LIMIT = 2**31 - 1  # what is longer is a length gone wrong, such as -1
COPIED_SIZE = 65536  # up to here, a copy costs less than a view; it is sent together with the head anyway
LAST_TURN = 2**31 - 1  # then they begin again at 1: it has to fit into a pointer
_HEADER_BYTES = frozenset(range(0x20, 0x7F))
_TYPE_LIMIT = 1024  # bytes; servers refuse heads that are too large, and then nobody would answer the invocation
_READ_ONLY = 0x100  # PyBUF_READ


class Caller:
    """A function with the memory for one call at a time; a thread has its own.

    What has no underscore is for the fast path, which does itself what `call` and `release` do.
    """

    def __init__(self, function: "Function", trace: "TraceVariable | None" = None) -> None:
        self._function = function
        self.function_call = function.call
        self._trace = trace
        self.turn = 0
        """The number of the call in progress, 0 between calls; the function gets it as the request's `stream`."""
        self.turns = 0
        """The number of the last call."""
        self.has_written = False
        """Whether the function has tried to stream during the call."""
        self._response = response = Memory(abi.RESPONSE_SIZE)
        self.argument = response.argument
        self.words = response.words
        self.bytes = memoryview(response.data)
        self.blank = bytes(response.data)
        self.data = Bytes.from_buffer(response.data, abi.DATA * abi.WORD)
        """The answer, up to whatever length is asked for."""
        self.releaser: Procedure | None = None
        """What frees the response, as far as it is known."""
        self.released_by: int | None = None
        """Its address."""
        self._content_type: bytes | None = None
        self._write = WriteFunction(self._stream_out)  # made once: it costs a page of executable memory
        self._invocation: Invocation | None = None
        self._stream: Stream | None = None
        self._unsent: Exception | None = None

    def call(self, invocation: "Invocation") -> "tuple[bytes | memoryview, bytes | None] | None":
        """The answer and its content type if it has one of its own; None if it was streamed.

        The answer may lie in the function's memory: it holds until `release`.
        """
        if invocation.known_to is not self:
            self._introduce(invocation)
        if self._trace is not None:
            self._trace.set(invocation.trace_id)
        self.bytes[:] = self.blank
        self.turns = self.turn = invocation.memory.words[abi.STREAM] = self.turns % LAST_TURN + 1
        status = self.function_call(invocation.memory.argument, self.argument)
        self.turn = 0
        return self.result(status)

    def trace_place(self, size: int) -> "memoryview | Setter | None":
        """Where trace ids of this size go before each call; None where they go nowhere."""
        return self._trace.place(size) if self._trace is not None else None

    def result(self, status: int) -> "tuple[bytes | memoryview, bytes | None] | None":
        """What became of a call, as `call` tells it."""
        if status or self.has_written:
            return self._outcome(status)
        content_type = self.content_type()
        length = self.words[abi.LEN]
        if length <= COPIED_SIZE and self.words[abi.DATA]:
            data: bytes = self.data[0:length]  # type: ignore[assignment]
            return data, content_type
        return self._large(), content_type

    def release(self) -> None:
        """Hand the response back to the function, which frees what it allocated."""
        address = self.words[abi.RELEASE]
        if address:
            if address != self.released_by:
                self.releaser = Procedure(address)
                self.released_by = address
            assert self.releaser is not None
            self.releaser(self.argument)
            self.words[abi.RELEASE] = 0

    def _introduce(self, invocation: "Invocation") -> None:
        """Fill in what the function's environment says, once for each request structure."""
        environment = self._function.environment
        for name in ("function_name", "function_version", "log_group", "log_stream"):
            invocation.keep(name, getattr(environment, name))
        memory = invocation.memory
        memoryview(memory.data).cast("I")[1] = environment.memory_limit_mb
        can_stream = invocation.open_stream is not None
        memory.words[abi.WRITE] = abi.Address.from_buffer(self._write).value if can_stream else 0
        invocation.known_to = self
        self._invocation = invocation

    def _large(self) -> "bytes | memoryview":
        length = self.words[abi.LEN]
        return view(self.words[abi.DATA], length) if length else b""

    def content_type(self) -> "bytes | None":
        """The answer's content type, if it has one of its own."""
        content_type: bytes | None = self._response.texts[abi.CONTENT_TYPE]
        if (
            content_type
            and content_type != self._content_type
            and (len(content_type) > _TYPE_LIMIT or not _HEADER_BYTES.issuperset(content_type))
        ):
            message = f"the content type {content_type!r} cannot be sent in a header"
            raise FunctionError(INVALID_RESPONSE, message)
        self._content_type = content_type
        return content_type or None

    def _outcome(self, status: int) -> "tuple[bytes | memoryview, bytes | None] | None":
        """What follows from a call that failed, or that streamed."""
        stream, unsent = self._stream, self._unsent
        self._stream = self._unsent = None
        self.has_written = False
        error = failure(self._response, f"{self._function.symbol} returned {status}") if status else None
        if stream is None:
            raise unsent or error or AssertionError  # a head that broke off may have been taken all the same
        if unsent is None and error is None:
            try:
                stream.send(self._large())
            except (FunctionError, ConnectionLost) as failed:
                unsent = failed
        if unsent is None or isinstance(unsent, FunctionError):
            stream.end(unsent or error)
        else:
            stream.abandon(unsent)
        return None

    def _stream_out(self, turn: "int | None", data: "int | None", length: "int | None") -> int:
        """The callback `write`: nothing may be raised into the function."""
        if not self.turn or turn != self.turn or self._unsent is not None or self._invocation is None:
            return 1
        self.has_written = True
        try:
            piece = view(data, length) if length else b""
            if self._stream is None:
                assert self._invocation.open_stream is not None
                self._stream = self._invocation.open_stream(self.content_type())
            self._stream.send(piece)
        except Exception as error:
            self._unsent = error
            return 1
        return 0


def view(address: "int | None", length: int) -> memoryview:
    """Memory of the function as it is, without a copy; raises FunctionError if there can be none."""
    global _view
    if not address or length > LENGTH_LIMIT:
        where = "too many" if address else "at the address NULL"
        raise FunctionError(INVALID_RESPONSE, f"the function answered {length} bytes, {where}")
    if _view is None:
        _view = ViewFunction(abi.python_symbol("PyMemoryView_FromMemory"))
    seen: memoryview = _view(address, length, _READ_ONLY)
    return seen


_view: "ViewFunction | None" = None
