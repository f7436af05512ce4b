"""Writing to standard output and standard error without ever waiting for whoever reads them.

What cannot be written at once (a paused pager, a stopped terminal, a log driver that hangs) waits for a thread.
"""

import atexit
import os
import select
import stat
import threading
import time
from collections import deque

WAITING_LIMIT = 1 << 20  # bytes that wait; what comes beyond them is left out, and counted
ATOMIC = 512 if not hasattr(select, "PIPE_BUF") else select.PIPE_BUF  # bytes that a pipe takes at once if it takes any
FLUSH_S = 1.0  # for what waits, at the end


def write(descriptor: int, data: bytes) -> None:
    """Write all of it, in order, whatever time it takes; that nobody reads it is no error."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # somebody who shares the terminal has switched it so
            select.select([], [descriptor], [])
        except OSError:
            return


class Outlet:
    """An open file that is written to; its thread is started when something has to wait for the first time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        try:
            mode = os.fstat(descriptor).st_mode
        except OSError:  # it is closed: writing fails at once
            mode = stat.S_IFREG
        self._never_waits = stat.S_ISREG(mode)
        self._pipe = select.poll() if stat.S_ISFIFO(mode) and hasattr(select, "poll") else None
        if self._pipe is not None:
            self._pipe.register(descriptor, select.POLLOUT)
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._left_out = 0
        self._thread: threading.Thread | None = None

    def put(self, data: bytes) -> None:
        """Write it, sooner or later, after all that was put before."""
        with self._changed:
            if not self._size and self._has_room(len(data)):
                write(self._descriptor, data)
                return
            if self._left_out or self._size + len(data) > WAITING_LIMIT:
                self._left_out += len(data)
                return
            self._pieces.append(data)
            self._size += len(data)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="outlet", daemon=True)
                self._thread.start()
                atexit.register(self.flush)
            self._changed.notify_all()

    def flush(self, seconds: float = FLUSH_S) -> None:
        """Wait until all is written, but not for longer than so many seconds."""
        over = time.monotonic() + seconds
        with self._changed:
            while self._size and (left := over - time.monotonic()) > 0:
                self._changed.wait(left)

    def _has_room(self, size: int) -> bool:
        """Whether that many bytes can be written without waiting."""
        if self._never_waits:
            return True
        return self._pipe is not None and size <= ATOMIC and bool(self._pipe.poll(0))

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._pieces:
                    self._changed.wait()
                data = b"".join(self._pieces)
                self._pieces.clear()
            write(self._descriptor, data)
            with self._changed:
                self._size -= len(data)
                if self._left_out and not self._size:
                    told = b"faas-runtime: %d bytes were left out here, as nobody read them\n" % self._left_out
                    self._left_out = 0
                    self._pieces.append(told if data.endswith(b"\n") else b"\n" + told)
                    self._size = len(self._pieces[0])
                self._changed.notify_all()


_outlets: "dict[int, Outlet]" = {}


def put(descriptor: int, data: bytes) -> None:
    """Write to standard output (1) or standard error (2) without waiting.

    Where both are the same file, what is put stays in order.
    """
    if descriptor not in _outlets:
        other = _outlets.get(3 - descriptor)
        _outlets[descriptor] = other if other is not None and _are_same() else Outlet(descriptor)
    _outlets[descriptor].put(data)


def _are_same() -> bool:
    try:
        return os.path.sameopenfile(1, 2)
    except OSError:
        return False
