"""The life of a process: load the function, then take one invocation after the other."""

import os

from .api import RuntimeApi
from .environment import TRACE_ID
from .errors import ConnectionLost, FunctionError, InitError, RuntimeApiError
from .function import Function
from .log import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .api import Invocation
    from .environment import Environment


def run(environment: "Environment") -> "NoReturn":
    """Run the function; comes back only with an exception."""
    api = RuntimeApi(environment.runtime_api)
    try:
        function = start(environment, api)
        try:
            while True:
                serve_one(function, api)
        finally:
            function.shutdown()
    finally:
        api.close()


def start(environment: "Environment", api: RuntimeApi) -> Function:
    """Load and initialise the function; a failure is told to the Runtime API before it ends the process."""
    try:
        function = Function(environment)
        function.init()
    except InitError as error:
        try:
            api.fail_init(error)
        except RuntimeApiError as second:
            log(str(second))
        raise
    return function


def serve_one(function: Function, api: RuntimeApi) -> None:
    """Take one invocation, call the function and send back what became of it."""
    invocation = api.next()
    set_trace_id(invocation.trace_id)
    try:
        settle(function, api, invocation)
    except ConnectionLost as error:
        # It may have been taken, and a second one would answer the wrong invocation.
        log(f"request {invocation.request_id.decode()}: {error}; the outcome is not sent again")


def settle(function: Function, api: RuntimeApi, invocation: "Invocation") -> None:
    """Call the function and send its answer, or its error."""
    try:
        data, content_type = function.call(invocation)
    except FunctionError as error:
        log(f"request {invocation.request_id.decode()} failed: {error}")
        api.fail(invocation, error)
        return
    api.respond(invocation, data, content_type)


def set_trace_id(trace_id: "bytes | None") -> None:
    """Set it in the C environment, where native code looks: `os.environ` hands changes on to putenv."""
    if trace_id is None:
        os.environ.pop(TRACE_ID, None)
    else:
        os.environ[TRACE_ID] = os.fsdecode(trace_id)
