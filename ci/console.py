"""What a person sees: what is being worked on, what has ended, tables. Plain lines where there is no terminal.

Callers say what a line is (a job that started, a job that ended, a table), not how it looks.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

_STYLES = {"failed": "bold red", "left out": "yellow", "unavailable": "yellow", "done": "green", "verified": "green"}


class Console:
    """Progress on standard error, tables and answers on standard output."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._total = 0
        self._ended = 0
        self._running: dict[str, float] = {}
        self._live: Any = None

    def say(self, text: str) -> None:
        """One line for the person at the terminal."""
        with self._guard:
            self._print(text)

    def begin(self, total: int) -> None:
        """A run of `total` jobs begins."""
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
        """A job begins."""
        with self._guard:
            self._running[job] = time.monotonic()
            if self._live is None:
                self._print(f"{self._counter()} {job}: started")

    def finished(self, job: str, state: str, detail: str) -> None:
        """A job ended."""
        with self._guard:
            self._running.pop(job, None)
            self._ended += 1
            self._print(f"{self._counter()} {job}: {state}" + (f" ({detail})" if detail else ""), state)

    def end(self) -> None:
        """The run ended, or was interrupted."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table to standard output; columns that begin with ">" are set flush right."""
        if not sys.stdout.isatty():
            _plain_table(title, columns, rows)
            return
        from rich.console import Console as RichConsole
        from rich.table import Table
        from rich.text import Text

        table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for column in columns:
            table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
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
        if self._live is not None:
            from rich.text import Text

            self._live.console.print(Text(text, style=_STYLES.get(state, "")))
        else:
            print(text, file=sys.stderr, flush=True)


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
