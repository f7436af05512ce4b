"""`faas-runtime invoke`: one environment without HTTP. Responses go to standard output, the log to standard error."""

import signal
import time

from ..event_loop.loop import running_loop
from ..event_loop.tasks import Cancelled, Task, run
from ..sandbox import error_documents, reaper
from ..sandbox.invocation import InvocationOutcome, OutcomeKind, PendingInvocation, StreamBroken
from ..sandbox.invocation_log import STDERR, InvocationLog
from ..sandbox.output import write_all
from ..sandbox.pool import Pool
from .latencies import Latencies
from .launch import sandbox_options
from .standard_output import StandardOutput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .options import FunctionOptions

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


def invoke(options: "FunctionOptions", event: bytes, repeat: int) -> int:
    """Invoke as often as requested; returns the exit code: that of the first invocation that failed, if one did."""
    return run(_run(options, event, repeat))


async def _run(options: "FunctionOptions", event: bytes, repeat: int) -> int:
    """Run all invocations, or until a signal; ends every process that was started."""
    output = StandardOutput()
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
    options: "FunctionOptions", pool: Pool, event: bytes, repeat: int, log: InvocationLog, output: "StandardOutput"
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
    outcome: InvocationOutcome, log: InvocationLog, output: "StandardOutput | None"
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
