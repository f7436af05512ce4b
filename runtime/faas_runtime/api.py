"""The Lambda Runtime API, as far as a runtime uses it: next, response, error, init/error.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from . import __version__
from .connection import Connection
from .errors import RuntimeApiError, error_document, header_type
from .log import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .environment import Address
    from .errors import FunctionError
    from .framing import Answer

PATH = "/2018-06-01/runtime"
JSON = b"application/json"
REFUSALS = {
    400: "it does not know the request, or the request was malformed",
    403: "it does not expect an answer to this request now",
    410: "the invocation has timed out",
    413: "the answer is too large; the caller has been told",
}


class Invocation:
    """An event and what came with it; what was not given, or empty, is None (the deadline: 0)."""

    __slots__ = (
        "client_context",
        "cognito_identity",
        "deadline_ms",
        "function_arn",
        "invocation_id",
        "payload",
        "request_id",
        "tenant_id",
        "trace_id",
    )

    def __init__(self, headers: "dict[bytes, bytes]", payload: bytes) -> None:
        get = headers.get
        deadline = get(b"lambda-runtime-deadline-ms", b"")
        self.payload = payload
        self.request_id = _checked_id(get(b"lambda-runtime-aws-request-id", b""))
        self.invocation_id = get(b"lambda-runtime-invocation-id") or None
        self.deadline_ms = int(deadline) if deadline.isdigit() and len(deadline) < 19 else 0
        self.function_arn = get(b"lambda-runtime-invoked-function-arn") or None
        self.trace_id = get(b"lambda-runtime-trace-id") or None
        self.client_context = get(b"lambda-runtime-client-context") or None
        self.cognito_identity = get(b"lambda-runtime-cognito-identity") or None
        self.tenant_id = get(b"lambda-runtime-aws-tenant-id") or None


def _checked_id(request_id: bytes) -> bytes:
    """The id, which becomes part of a path: there is no answering an invocation without a usable one."""
    if not request_id or any(not 0x20 < byte < 0x7F or byte in b"/?#%" for byte in request_id):
        raise RuntimeApiError(f"the Runtime API gave the request id {request_id!r}, which cannot be answered")
    return request_id


class RuntimeApi:
    """Takes invocations and sends back what became of them."""

    def __init__(self, address: "Address") -> None:
        self._connection = Connection(address)
        user_agent = f"faas-runtime/{__version__}"
        self._common = f" HTTP/1.1\r\nHost: {address.authority}\r\nUser-Agent: {user_agent}\r\n".encode()
        self._path = PATH.encode()
        self._next = b"GET " + self._path + b"/invocation/next" + self._common + b"\r\n"

    def next(self) -> Invocation:
        """Wait for the next invocation, however long that takes."""
        answer = self._connection.exchange(self._next, repeatable=True)
        if answer.status != 200:
            raise RuntimeApiError(f"the Runtime API gave no invocation: it answered {_status(answer)}")
        return Invocation(answer.headers, answer.body)

    def respond(self, invocation: Invocation, data: bytes, content_type: "bytes | None") -> None:
        """Send the answer to an invocation."""
        fields = b"Content-Type: " + (content_type or JSON) + b"\r\n" + _echo(invocation)
        self._settle(b"/invocation/" + invocation.request_id + b"/response", fields, data)

    def fail(self, invocation: Invocation, error: "FunctionError") -> None:
        """Tell that an invocation failed."""
        fields = _error_fields(error) + _echo(invocation)
        self._settle(b"/invocation/" + invocation.request_id + b"/error", fields, error_document(error))

    def fail_init(self, error: "FunctionError") -> None:
        """Tell that the function cannot be initialised."""
        self._settle(b"/init/error", _error_fields(error), error_document(error))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _settle(self, path: bytes, fields: bytes, body: bytes) -> None:
        """POST an outcome. A refusal ends the invocation only; a broken API (5xx) ends the process."""
        length = b"Content-Length: %d\r\n\r\n" % len(body)
        head = b"POST " + self._path + path + self._common + fields + length
        answer = self._connection.exchange(head, body, repeatable=False)
        if answer.status >= 500:
            raise RuntimeApiError(f"the Runtime API failed on {path.decode()}: it answered {_status(answer)}")
        if not 200 <= answer.status < 300:
            reason = REFUSALS.get(answer.status, "unexpected")
            log(f"the Runtime API refused {path.decode()}, {reason}: it answered {_status(answer)}")


def _error_fields(error: "FunctionError") -> bytes:
    kind = header_type(error.error_type)
    return f"Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: {kind}\r\n".encode()


def _echo(invocation: Invocation) -> bytes:
    """Keeps a late answer to an invocation that timed out from being taken for the answer to the next one."""
    if invocation.invocation_id is None:
        return b""
    return b"Lambda-Runtime-Invocation-Id: " + invocation.invocation_id + b"\r\n"


def _status(answer: "Answer") -> str:
    """The status with the beginning of the body, which says more."""
    text = answer.body[:200].decode("utf-8", "replace").strip()
    return f"{answer.status} {text}".rstrip()
