"""Runs a native function, a shared library with a C ABI, behind the AWS Lambda Runtime API.

`serve(client, handler)` is the loop for other transports and for tests. It is imported when it is asked for, as
the command has a function to start.
"""

from ._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .errors import FunctionError, Stopped
    from .invocation import Invocation
    from .loop import serve

__all__ = ["FunctionError", "Invocation", "Stopped", "__version__", "serve"]

_HOMES = {"FunctionError": "errors", "Invocation": "invocation", "Stopped": "errors", "serve": "loop"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
