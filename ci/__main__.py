"""The command line behind the Nox sessions: `python -m ci COMMAND`. Only this module turns errors into exit codes."""

from __future__ import annotations

import io
import locale
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from ci.command_line import parse
from ci.commands import COMMANDS
from ci.core.build_dir import plain_path
from ci.core.console import Console, mask_tracebacks
from ci.core.errors import ReleaseError, host_error
from ci.core.resolve import resolve
from ci.core.temporary import folder_for_temporary_files

ROOT = Path(__file__).resolve().parent.parent
_OUTPUT_CLOSED = 141  # as if SIGPIPE had ended it: whoever read the output has closed it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (docs/releasing.md, "Exit codes")."""
    os.umask(0o022)  # modes in artefacts do not depend on whose shell this is
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup sets this
            signal.signal(number, _interrupt)
    mask_tracebacks()
    console = Console()
    return _end_output(console, _run(console, arguments))


def _run(console: Console, arguments: Sequence[str] | None) -> int:
    try:
        chosen = parse(arguments)
        with folder_for_temporary_files():
            resolve(COMMANDS[chosen.command])(plain_path(ROOT), console, chosen)
    except ReleaseError as error:
        return _report(console, error)
    except BrokenPipeError:
        return _OUTPUT_CLOSED
    except OSError as error:
        return _report(console, host_error(error))
    except KeyboardInterrupt:
        console.end()
        console.say("interrupted; finished work is kept. Run the same command to continue")
        return 130
    return 0


def _end_output(console: Console, code: int) -> int:
    """Write what is left of standard output. Python itself would do so later, and end with a code of its own."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python, which tries once more
        if not code:
            is_closed = isinstance(error, BrokenPipeError)
            return _OUTPUT_CLOSED if is_closed else _report(console, host_error(error))
    return code


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # the terminal, when it is closed, and nox may both send it
    raise KeyboardInterrupt


def _report(console: Console, error: ReleaseError) -> int:
    console.end()
    console.error(error)
    return error.exit_code


def _restart_in_utf8_mode() -> None:
    """Start again so that names of files, arguments and texts are UTF-8, which another locale would change."""
    if not sys.flags.utf8_mode:
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606


class _NamedOutput(io.FileIO):
    """Standard output, whose errors say that it is meant: they have no file name of their own."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            error.filename = error.filename or "standard output"
            raise


def _name_standard_output() -> None:
    output = io.BufferedWriter(_NamedOutput(sys.stdout.fileno(), "w", closefd=False))
    # A server can send half a character in JSON, and no encoding has one: it is shown as an escape.
    sys.stdout = io.TextIOWrapper(output, sys.stdout.encoding, "backslashreplace", line_buffering=sys.stdout.isatty())


if __name__ == "__main__":
    if {sys.getfilesystemencoding(), locale.getencoding().lower()} != {"utf-8"}:
        _restart_in_utf8_mode()
    _name_standard_output()
    sys.exit(main())
