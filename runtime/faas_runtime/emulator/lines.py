"""What is written: the platform's lines about each invocation, the function's own output, words to the person.

START, END and REPORT go to standard output, as those of AWS's emulator do. What the child writes passes through
untouched, to the stream that it wrote to.
"""

import math

from .outlet import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .invocation import Invocation

STDOUT, STDERR = 1, 2


class Lines:
    """Where lines go; whatever became of standard output and standard error, writing does not fail."""

    def __init__(
        self,
        version: str,
        memory_mb: int,
        to: int = STDOUT,
        before: "Callable[[], None]" = lambda: None,
        write: "Callable[[int, bytes], None]" = put,
    ) -> None:
        """START, END and REPORT go to the descriptor `to`, and so does the function's standard output.

        `invoke` wants them on standard error (2), as its own standard output is the function's answer. `before` is
        called before anything is written but what the function itself writes. `write` writes to a descriptor: by
        default nothing waits for whoever reads it.
        """
        self._version = version
        self._memory_mb = memory_mb
        self._to = to
        self._before = before
        self._write = write

    def start(self, invocation: "Invocation") -> None:
        """The runtime gets an invocation."""
        self._platform(invocation, f"START RequestId: {invocation.request_id} Version: {self._version}\n")

    def end(self, invocation: "Invocation", duration_ms: float, init_ms: "float | None", used_mb: "int | None") -> None:
        """It is over; `init_ms` for the first one of its environment, `used_mb` the peak of memory if it is known."""
        init = "" if init_ms is None else f"Init Duration: {init_ms:.2f} ms\t"
        self._platform(
            invocation,
            f"END RequestId: {invocation.request_id}\n"
            f"REPORT RequestId: {invocation.request_id}\t{init}Duration: {duration_ms:.2f} ms\t"
            f"Billed Duration: {math.ceil(duration_ms)} ms\tMemory Size: {self._memory_mb} MB\t"
            f"Max Memory Used: {self._memory_mb if used_mb is None else used_mb} MB\t\n",
        )

    def output(self, descriptor: int, data: bytes) -> None:
        """What the child wrote to its standard output (1) or standard error (2)."""
        self._write(self._to if descriptor == STDOUT else STDERR, data)

    def say(self, message: str) -> None:
        """Tell the person who runs the emulator."""
        self._before()
        self._write(STDERR, f"faas-runtime: {message}\n".encode("utf-8", "backslashreplace"))

    def _platform(self, invocation: "Invocation", text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        invocation.log(data)
        self._before()
        self._write(self._to, data)
