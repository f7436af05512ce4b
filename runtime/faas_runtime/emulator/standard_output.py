"""Standard output of `faas-runtime invoke`, which gets exactly the bytes of the response."""

import errno
import sys

from ..errors import UsageError
from ..sandbox.invocation_log import STDOUT
from ..sandbox.output import write_all, write_all_or_raise


class StandardOutput:
    """Writes to standard output."""

    def __init__(self) -> None:
        self._last_byte = b""
        self._is_open = True
        self._is_terminal = sys.stdout is not None and sys.stdout.isatty()

    def write(self, data: bytes) -> None:
        """Write everything, unless the reader has gone. It is an error if there is no room on the disk."""
        self._last_byte = data[-1:] or self._last_byte
        try:
            if self._is_open:
                write_all_or_raise(STDOUT, data)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EINVAL):  # EINVAL: on Windows, if nobody reads the pipe
                raise UsageError(f"the response cannot be written to standard output: {error.strerror}") from error
            self._is_open = False

    def end_line(self) -> None:
        """Move the cursor of a terminal to the start of a line: the log may go to the same terminal."""
        if self._last_byte not in (b"", b"\n") and self._is_terminal:
            self._last_byte = b""
            write_all(STDOUT, b"\n")
