"""The native function: its symbols, bound and called by the rules of `include/faas.h`."""

from ctypes import byref, sizeof, string_at

from .abi import (
    ABI_VERSION,
    HandlerFunction,
    HookFunction,
    Request,
    Response,
    ShutdownFunction,
    VersionFunction,
)
from .errors import FunctionError, InitError
from .library import Handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ctypes import CDLL
    from ctypes import _CFunctionType as CFunction

    from .api import Invocation
    from .environment import Environment

DEFAULT_ERROR_TYPE = "Function.Error"
INVALID_RESPONSE = "Function.InvalidResponse"
LENGTH_LIMIT = 2**31 - 1  # of ctypes.string_at; what is longer is a length gone wrong, such as -1
_HEADER_BYTES = frozenset(range(0x20, 0x7F))


class Function:
    """A loaded function, ready to be called."""

    def __init__(self, environment: "Environment") -> None:
        """Load and check the library; says as an `InitError` what does not fit."""
        handler = Handler.parse(environment.handler, environment.task_root)
        library = handler.load()
        _check_version(library)
        call = _symbol(library, handler.symbol, HandlerFunction)
        if call is None:
            raise InitError(
                "Runtime.HandlerNotFound",
                f"{library._name} does not export the symbol {handler.symbol}; "
                "check _HANDLER (LIBRARY.SYMBOL) and that the function is exported",
            )
        self._call = call
        self._symbol = handler.symbol
        self._environment = environment
        self._init = _symbol(library, "faas_init", HookFunction)
        self._shutdown = _symbol(library, "faas_shutdown", ShutdownFunction)

    def init(self) -> None:
        """Let the function prepare itself, if it has anything to prepare."""
        if self._init is None:
            return
        response = _empty_response()
        try:
            status = self._init(byref(response))
            if status:
                error = _failure(response, f"faas_init returned {status}")
                raise InitError(error.error_type, error.message, error.stack_trace)
        finally:
            _release(response)

    def shutdown(self) -> None:
        """Let the function tidy up, if it has anything to tidy up."""
        if self._shutdown is not None:
            self._shutdown()

    def call(self, invocation: "Invocation") -> "tuple[bytes, bytes | None]":
        """The answer to an invocation, and its content type if it has one of its own."""
        request = self._request(invocation)
        response = _empty_response()
        try:
            status = self._call(byref(request), byref(response))
            if status:
                raise _failure(response, f"{self._symbol} returned {status}")
            return _answer(response)
        finally:
            _release(response)

    def _request(self, invocation: "Invocation") -> Request:
        environment = self._environment
        return Request(
            struct_size=sizeof(Request),
            memory_limit_mb=environment.memory_limit_mb,
            payload=invocation.payload,
            payload_len=len(invocation.payload),
            request_id=invocation.request_id,
            invocation_id=invocation.invocation_id,
            deadline_ms=invocation.deadline_ms,
            function_arn=invocation.function_arn,
            trace_id=invocation.trace_id,
            client_context=invocation.client_context,
            cognito_identity=invocation.cognito_identity,
            tenant_id=invocation.tenant_id,
            function_name=environment.function_name,
            function_version=environment.function_version,
            log_group=environment.log_group,
            log_stream=environment.log_stream,
        )


def _symbol(library: "CDLL", name: str, prototype: "type[CFunction]") -> "CFunction | None":
    try:
        return prototype((name, library))
    except AttributeError:
        return None


def _check_version(library: "CDLL") -> None:
    version = _symbol(library, "faas_abi_version", VersionFunction)
    if version is None:
        raise InitError(
            "Runtime.AbiVersionMissing",
            f"{library._name} does not export faas_abi_version, so it is no function for this runtime; "
            "build it with faas.h or with the glue of the Rust recipe",
        )
    found = version()
    if found != ABI_VERSION:
        raise InitError(
            "Runtime.AbiVersionMismatch",
            f"{library._name} is built for version {found} of the function ABI, and this runtime speaks "
            f"version {ABI_VERSION}; rebuild it with the faas.h of this runtime",
        )


def _empty_response() -> Response:
    return Response(struct_size=sizeof(Response))


def _release(response: Response) -> None:
    if response.release:
        response.release(byref(response))


def _answer(response: Response) -> "tuple[bytes, bytes | None]":
    content_type: bytes | None = response.content_type or None
    if content_type is not None and not _HEADER_BYTES.issuperset(content_type):
        raise FunctionError(INVALID_RESPONSE, f"the content type {content_type!r} cannot be sent in a header")
    length: int = response.len
    if not length:
        return b"", content_type
    if not response.data or length > LENGTH_LIMIT:
        where = "too many" if response.data else "at the address NULL"
        raise FunctionError(INVALID_RESPONSE, f"the function answered {length} bytes, {where}")
    return string_at(response.data, length), content_type


def _failure(response: Response, otherwise: str) -> FunctionError:
    """What the response says about the failure; nothing in it is trusted to be UTF-8."""
    error_type = _text(response.error_type) or DEFAULT_ERROR_TYPE
    message = _text(response.error_message) or otherwise
    return FunctionError(error_type, message, _text(response.stack_trace).splitlines())


def _text(value: "bytes | None") -> str:
    return value.decode("utf-8", "replace") if value else ""
