"""`faas-runtime invoke`: one environment without HTTP. Responses go to standard output, the log to standard error."""

import errno
import os
import signal
import sys
import time

from ..errors import UsageError
from ..event_loop.loop import running_loop
from ..event_loop.tasks import Cancelled, Task, run
from ..sandbox import error_documents, reaper
from ..sandbox.invocation import InvocationOutcome, OutcomeKind, PendingInvocation, StreamBroken
from ..sandbox.invocation_log import STDERR, STDOUT, InvocationLog
from ..sandbox.output import write_all
from ..sandbox.pool import Pool
from .event_input import read_event
from .latencies import Latencies
from .launch import sandbox_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .options import EventOptions, FunctionOptions

EXIT_CODES = {
    OutcomeKind.ANSWERED: 0,
    OutcomeKind.INIT_FAILED: 1,
    OutcomeKind.STOPPED: 1,
    OutcomeKind.ERROR: 5,
    OutcomeKind.TOO_LARGE: 5,
    OutcomeKind.TIMED_OUT: 6,
    OutcomeKind.DIED: 7,
}
_STREAM_ERRORS = {error_documents.TIMED_OUT: OutcomeKind.TIMED_OUT, error_documents.EXITED: OutcomeKind.DIED}
SIGNALLED = 128  # plus the number of the signal, as shells report it


def invoke(options: "FunctionOptions", wanted: "EventOptions") -> int:
    """Invoke as often as requested; returns the exit code: that of the first invocation that failed, if one did."""
    event = read_event(wanted)
    return run(_run(options, event, wanted.repeat))


async def _run(options: "FunctionOptions", event: bytes, repeat: int) -> int:
    """Run all invocations, or until a signal; ends every process that was started."""
    output = _StandardOutput()
    log = InvocationLog(
        options.version, options.memory_mb, descriptor=STDERR, before_write=output.end_line, write=write_all
    )
    pool = Pool(sandbox_options(options, options.concurrency), log)
    work = Task(_invoke_all(options, pool, event, repeat, log, output))
    signals = _cancel_on_signals(work)
    try:
        code: int = await work
        return code
    except Cancelled:
        if not signals:
            raise
        return SIGNALLED + signals[0]
    finally:
        if not work.done() or work.error is not None:
            pool.kill()
        await pool.stop()
        reaper.kill_orphans()


def _cancel_on_signals(work: Task) -> "list[int]":
    """Let signals that ask to end cancel the work; returns a list that gets the numbers of the received signals."""
    received: list[int] = []

    def cancel(number: int) -> None:
        received.append(number)
        work.cancel()

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is None or (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):  # nohup ignores it
            continue
        running_loop().add_signal_handler(number, cancel, int(number))
    return received


async def _invoke_all(
    options: "FunctionOptions", pool: Pool, event: bytes, repeat: int, log: InvocationLog, output: "_StandardOutput"
) -> int:
    code = 0
    latencies = Latencies()
    for number in range(1, repeat + 1):
        is_last = number == repeat
        started = time.perf_counter()
        invocation = PendingInvocation(event, options.arn())
        outcome = await pool.invoke(invocation)
        is_printed = is_last or outcome.kind is OutcomeKind.INIT_FAILED
        kind = await _read_response(outcome, log, output if is_printed else None)
        latencies.add(time.perf_counter() - started, is_response=kind is OutcomeKind.ANSWERED)
        await invocation.finished()
        code = code or EXIT_CODES[kind]
        if kind is OutcomeKind.INIT_FAILED:
            break  # it would fail again, and take as long
    output.end_line()
    if repeat > 1:
        write_all(STDERR, latencies.table().encode())
    return code


async def _read_response(
    outcome: InvocationOutcome, log: InvocationLog, output: "_StandardOutput | None"
) -> OutcomeKind:
    """Read a response to its end, and print it to `output` if given; returns the final kind of outcome."""
    if outcome.stream is None:
        if output is not None:
            output.write(outcome.payload)
        return outcome.kind
    try:
        async for piece in outcome.stream:
            if output is not None:
                output.write(piece)
    except StreamBroken as broken:
        log.print_message(f"the streamed response is incomplete: {error_documents.error_text(broken.details)}")
        return _STREAM_ERRORS.get(broken.error_type, OutcomeKind.ERROR)
    return outcome.kind


class _StandardOutput:
    """Standard output, which gets exactly the bytes of the response."""

    def __init__(self) -> None:
        self._last_byte = b""
        self._is_open = True
        self._is_terminal = sys.stdout is not None and sys.stdout.isatty()

    def write(self, data: bytes) -> None:
        """Write everything, unless the reader has gone. It is an error if there is no room on the disk."""
        self._last_byte = data[-1:] or self._last_byte
        try:
            while data and self._is_open:
                data = data[os.write(STDOUT, data) :]
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EINVAL):  # EINVAL: on Windows, if nobody reads the pipe
                raise UsageError(f"the response cannot be written to standard output: {error.strerror}") from error
            self._is_open = False

    def end_line(self) -> None:
        """Move the cursor of a terminal to the start of a line: the log may go to the same terminal."""
        if self._last_byte not in (b"", b"\n") and self._is_terminal:
            self._last_byte = b""
            write_all(STDOUT, b"\n")
