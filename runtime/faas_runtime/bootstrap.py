"""The start of the process: load the function, ask for the first invocation, hand over to the pollers."""

import sys

from .connection import RuntimeApiConnection
from .environment import system, variable
from .errors import InitError, RuntimeApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .environment import Settings
    from .function import Function


def run(settings: "Settings") -> None:
    """Run the function until the process is asked to end."""
    if variable("_LAMBDA_TELEMETRY_LOG_FD") or settings.is_managed:
        from .log import configure

        configure(settings.is_managed)
    connection = RuntimeApiConnection(settings.runtime_api)
    try:
        function = start(settings, connection)
        try:
            try:
                connection.send_request(connection.next_request)
            except RuntimeApiError:
                if not settings.is_managed:
                    raise  # on managed instances, the poller retries
            # The other modules are imported while the request waits. On a single processor, the platform has to run
            # first.
            if sys.platform == "linux":
                system.sched_yield()
            from .pollers import poll

            poll(function, connection)
        finally:
            function.shutdown()
    finally:
        connection.close()


def start(settings: "Settings", connection: RuntimeApiConnection) -> "Function":
    """Load and initialise the function. A failure is reported to the Runtime API before it ends the process."""
    from .function import Function

    try:
        function = Function(settings)
        function.initialise()
        if function.has_shutdown:
            from .extension import register

            register(function)
        if settings.initialization == "snap-start":
            from .snapstart import wait_for_restore

            wait_for_restore(function, connection)
    except InitError as error:
        from .client import RuntimeApiClient

        try:
            RuntimeApiClient(connection).fail_init(error)
        except RuntimeApiError as second:
            from .log import log

            log(str(second), "ERROR")
        raise
    return function
