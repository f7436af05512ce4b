"""Runs a native function, a shared library with a C ABI, behind the AWS Lambda Runtime API.

`serve(client, handler)` takes invocations from a client and answers them with a handler, for other transports and for
tests. All names but the version are imported on first use, as the command has to start fast.
"""

from ._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .errors import FunctionError, Stopped
    from .invocation import Invocation
    from .serving import serve

__all__ = ["FunctionError", "Invocation", "Stopped", "__version__", "serve"]

_MODULES = {"FunctionError": "errors", "Invocation": "invocation", "Stopped": "errors", "serve": "serving"}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
