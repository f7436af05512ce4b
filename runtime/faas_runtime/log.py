"""Messages of the runtime itself, for the operator."""

import os

STDERR = 2


def log(message: str) -> None:
    """Write the message to standard error in one piece: the function writes there as well."""
    try:
        os.write(STDERR, f"faas-runtime: {message.rstrip()}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # a closed standard error must not end an invocation
