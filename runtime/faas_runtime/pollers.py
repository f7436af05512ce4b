"""The invocations of a process, with its signals and its exit guard. Imported while the first request waits."""

import gc

from .caller import Caller
from .client import RuntimeApiClient
from .errors import Stopped
from .exit_guard import guard
from .serving import finish
from .trace import TraceVariable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .connection import RuntimeApiConnection
    from .environment import Settings
    from .function import Function


def poll(function: "Function", connection: "RuntimeApiConnection") -> None:
    """Serve invocations until the process is asked to end: as many at once as the platform wants."""
    is_managed = function.settings.is_managed
    first = RuntimeApiClient(connection, is_next_sent=connection.socket is not None, is_managed=is_managed)
    watcher = function.watch()
    guard((first,))
    watcher.add(first)
    watcher.take_over_signals()
    try:
        if function.is_stopping:
            return
        if is_managed:
            gc.enable()
            from .managed_pollers import poll_managed

            poll_managed(function, first, watcher)
        else:
            _poll(first, Caller(function, TraceVariable()), function.settings)
    finally:
        watcher.stop()


def _poll(client: RuntimeApiClient, caller: Caller, settings: "Settings") -> None:
    """Serve one invocation after the other, the first one in the general way.

    What the others need is imported while the first request waits, or, if its event has come already, when it has been
    answered.
    """
    if client.connection.is_open():  # and nothing has come
        _get_ready()
    try:
        invocation = client.next()
    except Stopped:
        return
    finish(client, caller, invocation, caller.call)
    _get_ready()
    from .fast_path import FastPath

    FastPath(client, caller, settings).serve()


def _get_ready() -> None:
    from . import fast_path, log  # noqa: F401

    gc.enable()
