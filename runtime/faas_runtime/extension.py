"""An internal extension of Lambda, so that the process is asked to end before it is killed.

Lambda sends SIGTERM to the runtime only if an extension is registered for the function. Otherwise it kills the process,
and `faas_shutdown` is never called. So this module registers an extension without events. It is imported only for a
function with that hook.

An extension has to ask for its next event, or Lambda does not end the init. There will be no event, and nobody reads
the response: an open connection is all that the wait takes. So no thread waits for an event, and could outlive the
pollers.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from .connection import RuntimeApiConnection
from .errors import RuntimeApiError, Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    import _thread

    from .function import Function
    from .http_reader import ReceivedResponse

NAME = "faas-runtime-shutdown"
"""Its name. No program in /opt/extensions may have it: then this would be the registration of that program."""
PATH = "/2020-01-01/extension"
ANSWER_TIMEOUT_S = 0.2  # Lambda answers within a few milliseconds
_BODY = b'{"events":[]}'
_NOT_FOUND = 404  # what answers has no Extensions API

_waiting: "_socket.socket | None" = None
"""The connection over which the extension waits, which stays open until the process ends."""


def register(function: "Function") -> None:
    """Register the extension. This has to be done before the first request for an invocation, or for the restore.

    A failure is logged, and does not end the process. Raises `Stopped`, after it has shut the function down, when the
    process is asked to end meanwhile.
    """
    connection = RuntimeApiConnection(function.settings.runtime_api)
    try:
        if _send_registration(connection):
            _finish_in_time(connection)
    except Stopped:
        function.shutdown()
        raise


def _send_registration(connection: RuntimeApiConnection) -> bool:
    """Send the registration. Returns False if there is no connection: the next request fails too, and says why."""
    try:
        connection.open()
    except RuntimeApiError:
        return False
    fields = f"Lambda-Extension-Name: {NAME}\r\nContent-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n\r\n"
    connection.send_request(f"POST {PATH}/register{connection.common_fields}{fields}".encode(), _BODY)
    return True


def _finish_in_time(connection: RuntimeApiConnection) -> None:
    """Finish the registration in another thread, and wait for that only briefly: the function must not start late.

    Once registered, the extension must ask for its next event, however late the last byte of the answer comes.
    """
    import _thread

    # Here, as a group of modules is made without the import system's locks: two threads must not import one at once.
    from . import http_reader  # noqa: F401

    reasons: list[str] = []
    end = _thread.allocate_lock()
    end.acquire()
    try:
        _thread.start_new_thread(_finish, (connection, reasons, end))
    except (RuntimeError, MemoryError):  # the process may have no further thread
        assert connection.socket is not None
        connection.socket.settimeout(ANSWER_TIMEOUT_S)
        _finish(connection, reasons, end)
    if not end.acquire(timeout=ANSWER_TIMEOUT_S):
        reasons = [f"has not answered for {ANSWER_TIMEOUT_S} s"]
    for reason in reasons:
        _log(reason)


def _finish(connection: RuntimeApiConnection, reasons: "list[str]", end: "_thread.LockType") -> None:
    """Read the response, ask for the next event, and release `end`; `reasons` gets why that failed."""
    try:
        response = connection.read_response(b"")
        identifier = response.headers.get(b"lambda-extension-identifier")
        if response.status == 200 and identifier:
            _wait(connection, identifier)
            return
        connection.close()
        if response.status != _NOT_FOUND:
            reasons.append(_refusal(connection, response))
    except RuntimeApiError as error:
        connection.close()
        reasons.append(f"cannot be used: {error}")
    finally:
        end.release()


def _wait(connection: RuntimeApiConnection, identifier: bytes) -> None:
    """Ask for the next event, and keep the connection open."""
    global _waiting
    fields = b"Lambda-Extension-Identifier: %b\r\n\r\n" % identifier
    connection.send_request(f"GET {PATH}/event/next{connection.common_fields}".encode() + fields)
    _waiting = connection.socket
    if _waiting is not None:
        _waiting.settimeout(None)


def _refusal(connection: RuntimeApiConnection, response: "ReceivedResponse") -> str:
    from .client import answer_text

    return f"answered {answer_text(connection, response)}"


def _log(reason: str) -> None:
    from .log import log

    log(f"faas_shutdown may not be called, as the Extensions API {reason}", "WARN")
