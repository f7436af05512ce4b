"""The log: the platform's lines about each invocation, the output of the processes, and messages for the user.

START, END and REPORT go to standard output, as in AWS's emulator. The output of a process is passed on unchanged, to
the stream that the process wrote to.
"""

import math

from ..event_loop.loop import running_loop
from .output import write_without_blocking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .invocation import PendingInvocation

STDOUT, STDERR = 1, 2


def escape_controls(text: str) -> str:
    """The text, with escapes for characters that control a terminal or the direction of text: clients can send them."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in "\n\t " else ascii(character)[1:-1] for character in text
    )


class InvocationLog:
    """Writes the log. Writing never fails, whatever standard output and standard error are."""

    def __init__(
        self,
        version: str,
        memory_mb: int,
        descriptor: int = STDOUT,
        before_write: "Callable[[], None]" = lambda: None,
        write: "Callable[[int, bytes], None]" = write_without_blocking,
        name: str = "",
    ) -> None:
        """START, END, REPORT and the standard output of the processes go to `descriptor`.

        `version` and `memory_mb` are for these lines. `before_write` is called before a line that no process wrote.
        `write` writes to a descriptor. `name` begins each message, if there are several functions.
        """
        self._version = version
        self._memory_mb = memory_mb
        self._descriptor = descriptor
        self._before_write = before_write
        self._write = write
        self._prefix = f"faas-runtime: {name}: " if name else "faas-runtime: "
        self._waiting: list[bytes] = []

    def invocation_started(self, invocation: "PendingInvocation") -> None:
        """Write the START line, with others that follow in the same step of the event loop."""
        version = invocation.version or self._version
        line = f"START RequestId: {invocation.request_id} Version: {version}\n".encode("utf-8", "backslashreplace")
        invocation.append_log(line)
        if not self._waiting:
            running_loop().call_soon(self._flush)
        self._waiting.append(line)

    def invocation_ended(
        self, invocation: "PendingInvocation", duration_ms: float, init_ms: "float | None", used_mb: "int | None"
    ) -> None:
        """Write the END and REPORT lines.

        `init_ms` is for the first invocation of a process, `used_mb` the process's peak of memory if it is known.
        """
        init = "" if init_ms is None else f"Init Duration: {init_ms:.2f} ms\t"
        lines = (
            f"END RequestId: {invocation.request_id}\n"
            f"REPORT RequestId: {invocation.request_id}\t{init}Duration: {duration_ms:.2f} ms\t"
            f"Billed Duration: {math.ceil(duration_ms)} ms\tMemory Size: {self._memory_mb} MB\t"
            f"Max Memory Used: {self._memory_mb if used_mb is None else used_mb} MB\t\n"
        ).encode()
        invocation.append_log(lines)
        self._waiting.append(lines)
        self._flush()

    def process_output(self, descriptor: int, data: bytes) -> None:
        """Pass on what a process wrote to its standard output (1) or standard error (2)."""
        self._flush()
        self._write(self._descriptor if descriptor == STDOUT else STDERR, data)

    def print_message(self, message: str) -> None:
        """Write a message for the user to standard error."""
        self._flush()
        self._before_write()
        self._write(STDERR, f"{self._prefix}{escape_controls(message)}\n".encode("utf-8", "backslashreplace"))

    def _flush(self) -> None:
        """Write the lines that wait, all at once."""
        if self._waiting:
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._before_write()
            self._write(self._descriptor, data)
