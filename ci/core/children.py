"""The programs that a run has started, so that an interrupted run can end them all."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress

_GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.02
_ONLY_LOOK = 0  # as a signal's number, it signals nothing and tells whether the process exists


class Children:
    """The programs that are running now.

    A process group is signalled only under the guard, and only while its program has not been reaped or the group was
    found to have members: otherwise its number may belong to another group by now.
    """

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._guard = threading.Lock()
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether `end_all` was called: whoever waits for something should give up, and start nothing more."""
        return self._ended

    def add(self, child: subprocess.Popen[bytes]) -> None:
        """Remember a program. One that was started after `end_all` is killed at once: nothing would do so later."""
        with self._guard:
            self._running.add(child)
            if self._ended:
                _signal_group(child, signal.SIGKILL)

    def discard(self, child: subprocess.Popen[bytes]) -> None:
        """Forget a program that has ended; during `end_all`, not before its own children have ended too."""
        with self._guard:
            if not self._ended:
                self._running.discard(child)
            else:
                self._is_there(child)

    def end(self, child: subprocess.Popen[bytes], grace: float = _GRACE_SECONDS) -> None:
        """Ask a program and its own children to end, kill those that run after `grace` seconds, reap the program."""
        self._end([child], grace)
        with suppress(subprocess.TimeoutExpired):  # not even SIGKILL ends what belongs to another user
            child.wait(_GRACE_SECONDS)

    def end_all(self, grace: float = _GRACE_SECONDS) -> None:
        """Ask every program and its own children to end, and kill those that run after `grace` seconds."""
        with self._guard:
            self._ended = True
            running = list(self._running)
        self._end(running, grace)

    def _end(self, children: Sequence[subprocess.Popen[bytes]], grace: float) -> None:
        deadline = time.monotonic() + grace
        try:
            left = self._signal(children, signal.SIGTERM)
            while left and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
                left = self._signal(left, _ONLY_LOOK)
        finally:  # at once after a second interrupt
            self._signal(children, signal.SIGKILL)

    def _signal(self, children: Iterable[subprocess.Popen[bytes]], number: int) -> list[subprocess.Popen[bytes]]:
        """Signal the groups of those that still run, and return these."""
        with self._guard:
            return [child for child in children if self._is_there(child) and _signal_group(child, number)]

    def _is_there(self, child: subprocess.Popen[bytes]) -> bool:
        """Whether a program or something that it started still runs; forgets it if not. The guard is held."""
        if child in self._running and (child.poll() is None or _signal_group(child, _ONLY_LOOK)):
            return True
        self._running.discard(child)
        return False


def is_running(process: int) -> bool:
    """Whether there is a process with this number, of whatever user."""
    if process <= 0:  # `kill` would take it for a group
        return False
    try:
        os.kill(process, _ONLY_LOOK)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _signal_group(child: subprocess.Popen[bytes], number: int) -> bool:
    """Whether the program's group could be signalled."""
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
