"""A runner's log: each command, what the program printed, its exit code and how long it took, with secrets masked."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from ci.core.files import make_folder
from ci.core.masking import MaskedStream, Masks

_PIECE_BYTES = 65536
_POLL_MS = 50
_DRAIN_SECONDS = 5.0


class ProgramLog:
    """One log, open to be appended to."""

    def __init__(self, path: Path, masks: Masks) -> None:
        make_folder(path.parent)
        self._masks = masks
        self._file = path.open("ab", buffering=0)

    def __enter__(self) -> ProgramLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def tell(self) -> int:
        """How many bytes the log has."""
        return self._file.tell()

    def write(self, data: bytes) -> None:
        """Append something."""
        self._file.write(self._masks.mask_bytes(data))

    @contextmanager
    def timed(self, line: str) -> Iterator[list[int]]:
        """Write the command before the block and its seconds after it.

        The block appends the exit code to the list; if it does not, this tooling itself has ended the program.
        """
        self.write(f"$ {line}\n".encode(errors="backslashreplace"))
        started = time.monotonic()
        ending: list[int] = []
        try:
            yield ending
        finally:
            how = f"exit {ending[0]}" if ending else "ended"
            self.write(f"# {how} after {time.monotonic() - started:.2f} s\n\n".encode())

    def open_output(self) -> ProgramOutput:
        """Open what a program is given as its output: the log itself or, if there are secrets, a pipe to it."""
        return (
            _MaskedOutput(os.dup(self._file.fileno()), self._masks)
            if self._masks
            else ProgramOutput(self._file.fileno())
        )


class ProgramOutput:
    """What one program prints: `descriptor` is given to it, then call `started`, and `ended` when it has ended."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def started(self) -> None:
        """The program has its own copy of the descriptor."""

    def wait(self) -> None:
        """The program has ended: wait until all that it printed is in the log, or cannot be written there."""

    def ended(self) -> None:
        """As `wait`. What could not be written raises `OSError`."""


class _MaskedOutput(ProgramOutput):
    """A pipe whose other end a thread copies to the log, masked.

    If programs that the first one started still have the pipe open when that has ended, the thread goes on for them.
    """

    def __init__(self, log: int, masks: Masks) -> None:
        self._reader, writer = os.pipe()
        super().__init__(writer)
        self._log = log
        self._masks = masks
        self._has_ended = threading.Event()
        self._is_copied = threading.Event()
        self._error: OSError | None = None
        self._is_open = True
        threading.Thread(target=self._copy, name="log", daemon=True).start()

    def started(self) -> None:
        """Close our copy of the descriptor, so that the pipe ends with the program."""
        if self._is_open:
            self._is_open = False
            os.close(self.descriptor)

    def wait(self) -> None:
        """Wait until the thread has nothing more to copy."""
        self.started()
        self._has_ended.set()
        self._is_copied.wait(_DRAIN_SECONDS)

    def ended(self) -> None:
        """As `wait`. What the thread could not write raises `OSError`."""
        self.wait()
        if self._error is not None:
            raise self._error

    def _copy(self) -> None:
        try:
            self._copy_all()
        except OSError as error:
            self._error = error
        finally:
            os.close(self._reader)
            os.close(self._log)
            self._is_copied.set()

    def _copy_all(self) -> None:
        stream = MaskedStream(self._masks)
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        while True:
            if not poll.poll(_POLL_MS):
                if self._has_ended.is_set():
                    self._is_copied.set()
                continue
            piece = os.read(self._reader, _PIECE_BYTES)
            _write_all(self._log, stream.feed(piece) if piece else stream.end())
            if not piece:
                return


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
