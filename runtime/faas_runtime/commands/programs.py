"""Programs that the commands for authors run. What ends the command ends them as well, and lets them clean up."""

import signal
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_TIME_TO_END_S = 5.0


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP raise SystemExit, so that what is half written is removed; ignored ones stay ignored."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _end)


def _end(number: int, frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one would interrupt the removal
    sys.exit(128 + number)


def run(command: "Sequence[str]", **options: "Any") -> "subprocess.CompletedProcess[bytes]":
    """Run a program, with the options of Popen. Raises OSError if it does not start.

    When this process is ended meanwhile, the program gets SIGTERM, and is killed if it has not ended 5 s later.
    """
    with subprocess.Popen(command, **options) as program:
        try:
            output, errors = program.communicate()
        except BaseException:
            program.terminate()
            try:
                program.wait(_TIME_TO_END_S)
            except subprocess.TimeoutExpired:
                program.kill()
            raise
    return subprocess.CompletedProcess(command, program.returncode, output, errors)
