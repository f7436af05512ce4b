"""What a person sees: which jobs run, which have ended, and tables. Plain lines where there is no terminal.

Callers say what a line is (a job that started, a job that ended, a table), not how it looks. Secrets are masked.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from ci.core.errors import ReleaseError
from ci.core.masking import PROCESS, Masks

_STYLES = {
    "failed": "bold red",
    **dict.fromkeys(("left out", "not run", "unavailable"), "yellow"),
    **dict.fromkeys(("done", "verified", "passed"), "green"),
}


class Console:
    """Progress on standard error, tables and answers on standard output."""

    def __init__(self, masks: Masks = PROCESS) -> None:
        self._masks = masks
        self._guard = threading.Lock()
        self._total = 0
        self._ended = 0
        self._running: dict[str, float] = {}
        self._remarks: dict[str, str] = {}  # from each remark to the first job that it was shown with
        self._live: Any = None

    def say(self, text: str) -> None:
        """Print one line for the person at the terminal."""
        with self._guard:
            self._print(text)

    def error(self, error: ReleaseError) -> None:
        """Print what went wrong, and what to do about it."""
        with self._guard:
            self._print(f"error: {error}")
            if error.hint:
                self._print(f"what to do: {error.hint}")

    def begin(self, total: int) -> None:
        """Start to show the progress of `total` jobs."""
        self._total, self._ended = total, 0
        if total and sys.stderr.isatty():
            from rich.console import Console as RichConsole
            from rich.live import Live

            self._live = Live(
                console=RichConsole(stderr=True),
                get_renderable=self._status,
                refresh_per_second=4,
                transient=True,
            )
            self._live.start()

    def started(self, job: str) -> None:
        """Show that a job has started."""
        with self._guard:
            self._running[job] = time.monotonic()
            if self._live is None:
                self._print(f"{self._counter()} {job}: started")

    def finished(self, job: str, state: str, *details: str, remark: str = "") -> None:
        """Show that a job has ended, and how. A remark that several jobs have is shown once, with the first of them."""
        with self._guard:
            self._running.pop(job, None)
            self._ended += 1
            first = self._remarks.setdefault(remark, job)
            shown = "; ".join(filter(None, (*details, remark if first == job or not remark else f"see {first}")))
            self._print(f"{self._counter()} {job}: {state}" + (f" ({shown})" if shown else ""), state)

    def end(self) -> None:
        """Stop to show progress: all jobs have ended, or the run was interrupted."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def table(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()
    ) -> None:
        """Print a table to standard output, and notes below it; columns that begin with ">" are set flush right.

        A table without rows is left out.
        """
        if rows:
            self._table(title, columns, rows)
        for note in notes:
            print(self._masks.mask(note), flush=True)

    def _table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        title, rows = self._masks.mask(title), [[self._masks.mask(cell) for cell in row] for row in rows]
        if not sys.stdout.isatty():
            _plain_table(title, columns, rows)
            return
        from rich.console import Console as RichConsole
        from rich.table import Table
        from rich.text import Text

        table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for column in columns:
            # A word that is too long goes on in the next line: names often differ only at their ends.
            table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
        RichConsole().print(table)

    def _counter(self) -> str:
        width = len(str(self._total))
        return f"[{self._ended:>{width}}/{self._total}]"

    def _status(self) -> str:
        now = time.monotonic()
        running = ", ".join(f"{job} {now - since:.0f} s" for job, since in list(self._running.items()))
        return f"{self._counter().replace('[', chr(92) + '[')} {running}"

    def _print(self, text: str, state: str = "") -> None:
        text = self._masks.mask(text)
        if self._live is not None:
            from rich.text import Text

            self._live.console.print(Text(text, style=_STYLES.get(state, "")))
        else:
            print(text, file=sys.stderr, flush=True)


def mask_tracebacks() -> None:
    """Mask the secrets of this process in the traceback of an exception that nothing catches, in every thread."""

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        print(PROCESS.mask("".join(traceback.format_exception(kind, error, trace))), file=sys.stderr, end="")

    def show_of_thread(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            show(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)

    sys.excepthook = show
    threading.excepthook = show_of_thread


def _plain_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    names = [column.lstrip(">") for column in columns]
    widths = [max(len(row[i]) for row in [names, *rows]) for i in range(len(names))]
    print(title)
    for row in [names, *rows]:
        cells = [
            cell.rjust(width) if column.startswith(">") else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        ]
        print(("  " + "  ".join(cells)).rstrip())
