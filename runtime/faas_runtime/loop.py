"""The life of a process: load the function, then take one invocation after the other."""

import sys

from .connection import Connection
from .environment import system, variable
from .errors import ConnectionLost, FunctionError, InitError, RuntimeApiError, Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .environment import Environment
    from .function import Function
    from .invocation import Invocation

    Answer = tuple[bytes | memoryview, bytes | None] | None

    class Client(Protocol):
        """Where invocations come from and outcomes go."""

        def next(self) -> Invocation:
            """Wait for the next invocation; raises `Stopped` when there will be none."""

        def respond(self, invocation: Invocation, data: bytes | memoryview, content_type: bytes | None) -> None:
            """Take the answer to an invocation; `data` holds until this returns."""

        def fail(self, invocation: Invocation, error: FunctionError) -> None:
            """Take the failure of an invocation."""

    class Handler(Protocol):
        """What answers invocations."""

        def call(self, invocation: Invocation) -> Answer:
            """The answer and its content type; None if it was streamed; raises `FunctionError` for a failure."""

        def release(self) -> None:
            """The answer to the last call is not needed any more."""


def serve(client: "Client", handler: "Handler") -> None:
    """Take invocations from the client and answer them with the handler, until the client raises `Stopped`."""
    while True:
        try:
            invocation = client.next()
        except Stopped:
            return
        finish(client, handler, invocation, handler.call)


def finish(
    client: "Client", handler: "Handler", invocation: "Invocation", result: "Callable[[Invocation], Answer]"
) -> None:
    """Bring an invocation to its end: get its result, and tell the client that or why there is none."""
    try:
        answer = result(invocation)
        if answer is not None:
            data, content_type = answer
            client.respond(invocation, data, content_type)
    except FunctionError as error:
        _fail(client, invocation, error)
    except ConnectionLost as error:
        _lost(invocation, error)
    finally:
        handler.release()


def run(environment: "Environment") -> None:
    """Run the function until the process is asked to end."""
    if variable("_LAMBDA_TELEMETRY_LOG_FD") or environment.is_managed:
        from .log import configure

        configure(environment.is_managed)
    connection = Connection(environment.runtime_api)
    try:
        function = start(environment, connection)
        try:
            try:
                connection.begin(connection.next_request)
            except RuntimeApiError:
                if not environment.is_managed:
                    raise  # on managed instances, the poller tries again
            # What is not needed for that is imported while the request is waiting: on a single processor, the platform
            # has to get its turn first.
            if sys.platform == "linux":
                system.sched_yield()
            from .process import poll

            poll(function, connection)
        finally:
            function.shutdown()
    finally:
        connection.close()


def start(environment: "Environment", connection: Connection) -> "Function":
    """Load and initialise the function; a failure is told to the Runtime API before it ends the process."""
    from .function import Function

    try:
        function = Function(environment)
        function.initialise()
        if environment.initialization == "snap-start":
            from .snapshot import wait_for_restore

            wait_for_restore(function, connection)
    except InitError as error:
        from .client import RuntimeApi

        try:
            RuntimeApi(connection).fail_init(error)
        except RuntimeApiError as second:
            from .log import log

            log(str(second), "ERROR")
        raise
    return function


def _fail(client: "Client", invocation: "Invocation", error: FunctionError) -> None:
    from .log import log_failure

    log_failure(error, invocation)
    try:
        client.fail(invocation, error)
    except ConnectionLost as lost:
        _lost(invocation, lost)


def _lost(invocation: "Invocation", error: ConnectionLost) -> None:
    """It may have been taken, and a second one would answer the wrong invocation."""
    from .log import log

    log(f"request {invocation.request_id.decode()}: {error}; the outcome is not sent again", "ERROR", invocation)
