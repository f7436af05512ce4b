"""Writes to standard output and standard error without waiting for their readers.

What cannot be written at once (because of a paused pager, a stopped terminal, a log driver that hangs) is written by a
thread.
"""

import atexit
import os
import select
import stat
import threading
import time
from collections import deque
from contextlib import suppress

WAITING_LIMIT = 1 << 20  # bytes that wait for the thread; what comes on top of them is dropped, and counted
PIPE_ATOMIC = getattr(select, "PIPE_BUF", 512)  # bytes that a pipe accepts at once, if it accepts any
FLUSH_S = 1.0  # for the waiting bytes, when the process ends


def write_all_or_raise(descriptor: int, data: bytes) -> None:
    """Write all of it, however long that takes. Raises OSError."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # another process that shares the pipe or the terminal has set it to non-blocking
            select.select([], [descriptor], [])


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, however long that takes. It is not an error if there is no reader."""
    with suppress(OSError):
        write_all_or_raise(descriptor, data)


class NonBlockingOutput:
    """An open file that is written to. Its thread starts when something has to wait for the first time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        try:
            mode = os.fstat(descriptor).st_mode
        except OSError:  # it is closed: writing fails at once
            mode = stat.S_IFREG
        self._never_blocks = stat.S_ISREG(mode)
        self._pipe = select.poll() if stat.S_ISFIFO(mode) and hasattr(select, "poll") else None
        if self._pipe is not None:
            self._pipe.register(descriptor, select.POLLOUT)
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0
        self._thread: threading.Thread | None = None

    def write(self, data: bytes) -> None:
        """Write the data now or later, after everything that was written before."""
        with self._changed:
            if not self._size and self._has_room(len(data)):
                write_all(self._descriptor, data)
                return
            if self._dropped or self._size + len(data) > WAITING_LIMIT:
                self._dropped += len(data)
                return
            self._pieces.append(data)
            self._size += len(data)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="output", daemon=True)
                self._thread.start()
                atexit.register(self.flush)
            self._changed.notify_all()

    def flush(self, seconds: float = FLUSH_S) -> None:
        """Wait until everything is written, but no longer than `seconds`."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._size and (remaining := deadline - time.monotonic()) > 0:
                self._changed.wait(remaining)

    def _has_room(self, size: int) -> bool:
        """Whether this many bytes can be written without waiting."""
        if self._never_blocks:
            return True
        return self._pipe is not None and size <= PIPE_ATOMIC and bool(self._pipe.poll(0))

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._pieces:
                    self._changed.wait()
                data = b"".join(self._pieces)
                self._pieces.clear()
            write_all(self._descriptor, data)
            with self._changed:
                self._size -= len(data)
                if self._dropped and not self._size:
                    message = b"faas-runtime: %d bytes were left out here, because nobody read them\n" % self._dropped
                    self._dropped = 0
                    self._pieces.append(message if data.endswith(b"\n") else b"\n" + message)
                    self._size = len(self._pieces[0])
                self._changed.notify_all()


_outputs: "dict[int, NonBlockingOutput]" = {}


def write_without_blocking(descriptor: int, data: bytes) -> None:
    """Write to standard output (1) or standard error (2) without waiting.

    If both are the same file, everything stays in the order in which it was written.
    """
    if descriptor not in _outputs:
        other = _outputs.get(3 - descriptor)
        _outputs[descriptor] = other if other is not None and _are_same_file() else NonBlockingOutput(descriptor)
    _outputs[descriptor].write(data)


def _are_same_file() -> bool:
    try:
        return os.path.sameopenfile(1, 2)
    except OSError:
        return False
