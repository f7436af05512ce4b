"""`faas-runtime invoke --function`: invokes a function of an emulator that runs already, over its Invoke API."""

import json
import socket
import time
from base64 import b64decode

from ..errors import RuntimeApiError, UsageError
from ..http_reader import ReceivedResponse, ResponseReader
from ..sandbox import error_documents
from ..sandbox.invocation_log import STDERR
from ..sandbox.output import write_all
from .latencies import Latencies
from .standard_output import StandardOutput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .options import EventOptions

CONNECT_TIMEOUT_S = 10.0
ANSWERED, FAILED, TIMED_OUT, DIED = 0, 5, 6, 7  # the exit codes of `invoke`


def invoke_running(name: str, address: "tuple[str, int]", event: bytes, wanted: "EventOptions") -> int:
    """Invoke as often as requested; returns the exit code: that of the first invocation that failed, if one did."""
    output = StandardOutput()
    latencies = Latencies()
    code = 0
    with _connect(address) as connection:
        caller = _Caller(connection, name, address)
        for number in range(1, wanted.repeat + 1):
            started = time.perf_counter()
            outcome, payload = caller.invoke(event)
            latencies.add(time.perf_counter() - started, is_response=outcome == ANSWERED)
            code = code or outcome
            if number == wanted.repeat:
                output.write(payload)
    output.end_line()
    if wanted.repeat > 1:
        write_all(STDERR, latencies.table(first="first").encode())
    return code


class _Caller:
    """Sends events over one connection."""

    def __init__(self, connection: socket.socket, name: str, address: "tuple[str, int]") -> None:
        self._connection = connection
        self._reader = ResponseReader(connection.recv_into)
        self._address = authority(address)
        self._head = (
            f"POST /2015-03-31/functions/{name}/invocations HTTP/1.1\r\nHost: {self._address}\r\n"
            "Content-Type: application/json\r\nX-Amz-Log-Type: Tail\r\n"
        )

    def invoke(self, event: bytes) -> "tuple[int, bytes]":
        """Send an event, and print the log; returns the exit code and the response."""
        head = f"{self._head}Content-Length: {len(event)}\r\n\r\n"
        try:
            self._connection.sendall(head.encode() + event)
            response = self._reader.read_response()
        except (OSError, RuntimeApiError) as error:
            raise UsageError(f"the emulator at {self._address} has not answered: {error}") from error
        payload = bytes(self._reader.view[response.body_start : response.body_end])
        if response.status != 200:
            raise UsageError(_refusal(response, payload))
        write_all(STDERR, b64decode(response.headers.get(b"x-amz-log-result", b"")))
        return (_failure(payload) if b"x-amz-function-error" in response.headers else ANSWERED), payload


def authority(address: "tuple[str, int]") -> str:
    """An address as text."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _connect(address: "tuple[str, int]") -> socket.socket:
    try:
        connection = socket.create_connection(address, CONNECT_TIMEOUT_S)
    except (OSError, UnicodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or error
        raise UsageError(
            f"no emulator answers at {authority(address)}: {reason}; start one with faas-runtime serve, or say where "
            "it is: --address HOST:PORT"
        ) from error
    connection.settimeout(None)  # the emulator has the time limit of the function
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _refusal(response: ReceivedResponse, payload: bytes) -> str:
    """What an emulator, or another server, says in place of a response of the function."""
    try:
        message = json.loads(payload)["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"the server answered with status {response.status}, which is not the response of an emulator"
    return f"the emulator refused the request ({response.status}): {message}"


def _failure(document: bytes) -> int:
    """The exit code for the document of a failed invocation."""
    try:
        error_type = json.loads(document)["errorType"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return FAILED
    return {error_documents.TIMED_OUT: TIMED_OUT, error_documents.EXITED: DIED}.get(str(error_type), FAILED)
