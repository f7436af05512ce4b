"""What `serve` prints when it starts, or cannot start."""

import errno
import socket

from .served_functions import CLASSIC_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..sandbox.invocation_log import InvocationLog
    from .options import ServeOptions

ALL_ADDRESSES = {"*": "all addresses", "0.0.0.0": "all IPv4 addresses"}  # noqa: S104


def announce(options: "ServeOptions", port: int, log: "InvocationLog") -> None:
    """Say what is served, where, and how to try it."""
    first, *others = options.functions
    shown = first.environment["_HANDLER"]
    if first.name:
        shown = ", ".join(f"{each.name} ({each.environment['_HANDLER']})" for each in options.functions)
    if options.host in ALL_ADDRESSES:
        log.print_message(
            f"serving {shown} on {ALL_ADDRESSES[options.host]}, port {port} "
            "(in a container: the port that you published)"
        )
        url, number = "http://127.0.0.1:PORT", "PORT"
    else:
        url, number = f"http://{host_and_port(options.host, port)}", str(port)
        log.print_message(f"serving {shown} at {url}")
    name = first.name or CLASSIC_NAME
    log.print_message(f"try it: curl {url}/2015-03-31/functions/{name}/invocations -d '{{}}'")
    if others:
        log.print_message(f"HTTP for another function: http://NAME.localhost:{number}; all other hosts: {first.name}")


def host_and_port(host: str, port: int) -> str:
    """An address as text."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen_error(options: "ServeOptions", error: "OSError | UnicodeError") -> str:
    """Why it cannot listen."""
    hint = "choose another port with --port, or 0 for a free one"
    if isinstance(error, (socket.gaierror, UnicodeError)) or error.errno == errno.EADDRNOTAVAIL:
        hint = "choose an address of this machine with --host"
    reason = (error.strerror if isinstance(error, OSError) else "") or error
    return f"cannot listen at {host_and_port(options.host, options.port)}: {reason}; {hint}"
