"""Programs that the commands for authors run. What ends the command ends them as well, and lets them clean up."""

import signal
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_TIME_TO_END_S = 5.0
_starting = False
_pending: "list[int]" = []  # signals that came while a program was started


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP raise SystemExit, so that what is half written is removed; ignored ones stay ignored.

    SIGINT raises KeyboardInterrupt as before. None of them interrupts the start of a program: nobody would know of it.
    """
    for name in ("SIGTERM", "SIGHUP", "SIGINT"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _noticed)


def _noticed(number: int, frame: object) -> None:
    if _starting:
        _pending.append(number)
    else:
        _end(number)


def _end(number: int) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    signal.signal(number, signal.SIG_IGN)  # a second one would interrupt the removal
    sys.exit(128 + number)


def _start(command: "Sequence[str]", options: "dict[str, Any]") -> "subprocess.Popen[bytes]":
    global _starting
    _starting = True
    try:
        return subprocess.Popen(command, **options)
    finally:
        _starting = False


def run(command: "Sequence[str]", **options: "Any") -> "subprocess.CompletedProcess[bytes]":
    """Run a program, with the options of Popen. Raises OSError if it does not start.

    When this process is ended meanwhile, the program gets SIGTERM, and is killed if it has not ended 5 s later.
    """
    with _start(command, options) as program:
        try:
            if _pending:
                _end(_pending.pop())
            output, errors = program.communicate()
        except BaseException:
            program.terminate()
            try:
                program.wait(_TIME_TO_END_S)
            except subprocess.TimeoutExpired:
                program.kill()
            raise
    return subprocess.CompletedProcess(command, program.returncode, output, errors)
