"""`faas-runtime invoke`: one environment, no HTTP front; answers to standard output, all else to standard error."""

import asyncio
import errno
import os
import signal
import sys
import time

from ..errors import UsageError
from . import documents, given_event
from .invocation import ANSWERED, DIED, ERROR, INIT_FAILED, TIMED_OUT, TOO_LARGE, Invocation, Outcome, StreamBroken
from .latencies import Latencies
from .lines import STDERR, STDOUT, Lines
from .outlet import write
from .pool import Pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .command import Options

EXIT_CODES = {ANSWERED: 0, INIT_FAILED: 1, ERROR: 5, TOO_LARGE: 5, TIMED_OUT: 6, DIED: 7}
_BROKEN = {"Sandbox.Timedout": TIMED_OUT, "Runtime.ExitError": DIED}
SIGNALLED = 128  # plus its number, as shells report it


def run(options: "Options") -> int:
    """Invoke as often as it is wanted; returns the exit code, of the first invocation that failed if one did."""
    event = given_event.read(options)
    return asyncio.run(_run(options, event))


async def _run(options: "Options", event: bytes) -> int:
    """Run until the end or a signal; nothing that was started is left behind."""
    output = _Output()
    lines = Lines(options.version, options.memory_mb, to=STDERR, before=output.end_line, write=write)
    pool = Pool(options, lines)
    work = asyncio.ensure_future(_invoke_all(options, pool, event, lines, output))
    received = _on_signals(work)
    try:
        return await work
    except asyncio.CancelledError:
        if not received:
            raise
        return SIGNALLED + received[0]
    finally:
        if not work.done() or work.cancelled() or work.exception() is not None:
            pool.kill()
        await pool.stop()


def _on_signals(work: "asyncio.Future[int]") -> "list[int]":
    """Let a signal that asks to end stop the work; returns the list that it will be in."""
    received: list[int] = []

    def take(number: int) -> None:
        received.append(number)
        work.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            asyncio.get_running_loop().add_signal_handler(number, take, int(number))
        except NotImplementedError:
            pass  # on Windows, Ctrl-C cancels as well
    return received


async def _invoke_all(options: "Options", pool: Pool, event: bytes, lines: Lines, output: "_Output") -> int:
    code = 0
    latencies = Latencies()
    for number in range(1, options.repeat + 1):
        is_last = number == options.repeat
        started = time.perf_counter()
        invocation = Invocation(event, options.arn())
        outcome = await pool.invoke(invocation)
        kind = await _take(outcome, lines, output if is_last or outcome.kind == INIT_FAILED else None)
        latencies.add(time.perf_counter() - started, is_answered=kind == ANSWERED)
        await invocation.finished
        code = code or EXIT_CODES[kind]
        if kind == INIT_FAILED:
            break  # it would fail again, and take its time
    output.end_line()
    if options.repeat > 1:
        write(STDERR, latencies.table().encode())
    return code


async def _take(outcome: Outcome, lines: Lines, output: "_Output | None") -> str:
    """Take an answer to its end, and write it if it is wanted; returns the kind of outcome that it was in the end."""
    if outcome.stream is None:
        if output is not None:
            output.write(outcome.payload)
        return outcome.kind
    try:
        async for piece in outcome.stream:
            if output is not None:
                output.write(piece)
    except StreamBroken as broken:
        lines.say(f"the streamed answer broke off: {documents.told(broken.details)}")
        return _BROKEN.get(broken.error_type, ERROR)
    return outcome.kind


class _Output:
    """Standard output, which gets the very bytes of the answer."""

    def __init__(self) -> None:
        self._last = b""
        self._is_open = True
        self._is_terminal = sys.stdout is not None and sys.stdout.isatty()

    def write(self, data: bytes) -> None:
        """Write all of it, unless the reader has gone; that there is no room is an error."""
        self._last = data[-1:] or self._last
        try:
            while data and self._is_open:
                data = data[os.write(STDOUT, data) :]
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EINVAL):  # EINVAL: as Windows says that nobody reads a pipe
                raise UsageError(f"the answer cannot be written to standard output: {error.strerror}") from error
            self._is_open = False

    def end_line(self) -> None:
        """Leave a terminal's cursor at the beginning of a line: the log may be on the same one."""
        if self._last not in (b"", b"\n") and self._is_terminal:
            self._last = b""
            write(STDOUT, b"\n")
