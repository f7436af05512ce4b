"""Takes one invocation after the other from a client, and brings each to its end."""

from .errors import ConnectionLost, FunctionError, Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .invocation import Invocation

    FunctionResponse = tuple[bytes | memoryview, bytes | None]
    """The data and the content type, if it has one of its own."""

    class InvocationClient(Protocol):
        """Where invocations come from and outcomes go."""

        def next(self) -> Invocation:
            """Wait for the next invocation; raises `Stopped` when there will be none."""

        def respond(self, invocation: Invocation, data: bytes | memoryview, content_type: bytes | None) -> None:
            """Send the response to an invocation; `data` is valid until this returns."""

        def fail(self, invocation: Invocation, error: FunctionError) -> None:
            """Report that an invocation failed."""

    class InvocationHandler(Protocol):
        """Answers invocations."""

        def call(self, invocation: Invocation) -> FunctionResponse | None:
            """The response; None if it was streamed; raises `FunctionError` for a failure."""

        def release(self) -> None:
            """Free the last response, which is not needed any more."""


def serve(client: "InvocationClient", handler: "InvocationHandler") -> None:
    """Take invocations from the client and answer them with the handler, until the client raises `Stopped`."""
    while True:
        try:
            invocation = client.next()
        except Stopped:
            return
        finish(client, handler, invocation, handler.call)


def finish(
    client: "InvocationClient",
    handler: "InvocationHandler",
    invocation: "Invocation",
    call: "Callable[[Invocation], FunctionResponse | None]",
) -> None:
    """Bring an invocation to its end: get the response by `call` and send it, or report the failure."""
    try:
        response = call(invocation)
        if response is not None:
            data, content_type = response
            client.respond(invocation, data, content_type)
    except FunctionError as error:
        _fail(client, invocation, error)
    except ConnectionLost as error:
        _log_lost(invocation, error)
    finally:
        handler.release()


def _fail(client: "InvocationClient", invocation: "Invocation", error: FunctionError) -> None:
    from .log import log_failure

    log_failure(error, invocation)
    try:
        client.fail(invocation, error)
    except ConnectionLost as lost:
        _log_lost(invocation, lost)


def _log_lost(invocation: "Invocation", error: ConnectionLost) -> None:
    """Log an outcome that may have been accepted. It is not sent again, as it could end the wrong invocation."""
    from .log import log

    log(f"request {invocation.request_id.decode()}: {error}; the outcome is not sent again", "ERROR", invocation)
