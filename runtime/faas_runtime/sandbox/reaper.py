"""Collects processes that have ended: those that were started here, and on Linux those that they have left behind.

What a function leaves behind, such as a daemon, loses its parent. The system makes this process its new parent: as it
is process 1, as in a container image, or because it has asked for that.

This process may also have children of a shell that has started something and then has become this process by `exec`.
They are collected, and never killed.
"""

import os
import signal
import sys
import time
from contextlib import suppress

from ..event_loop.loop import running_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..event_loop.loop import EventLoop

    Collected = Callable[[int, Any], None]

KILL_S = 1.0  # for killed orphans to end
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_PARENT, _SESSION = 1, 3  # the indices of these ids in /proc/PID/stat, in the fields after the name

_watched: "dict[int, Collected]" = {}
_loop: "EventLoop | None" = None
_collects_orphans = False
_inherited: "set[int]" = set()  # the children that this process had before it started any


def watch(pid: int, collected: "Collected") -> None:
    """Call `collected` with the wait status and the resource usage of this child process when it has ended.

    Call it in the step of the event loop that has started the process.
    """
    global _loop
    loop = running_loop()
    if loop is not _loop:
        loop.add_signal_handler(signal.SIGCHLD, collect)
        _loop = loop
    _watched[pid] = collected
    loop.call_soon(collect)  # it may have ended before there was a handler for the signal


def adopt_orphans() -> None:
    """Become the parent of orphans of child processes, on Linux. They are collected when they have ended.

    Call it before the first process is started: what is a child by then belongs to others.
    """
    global _collects_orphans
    if _collects_orphans:
        return
    _inherited.update(pid for pid, _ in _children())
    _collects_orphans = os.getpid() == 1
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            prctl = ctypes.CDLL(None).prctl
            prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
            _collects_orphans = prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 or _collects_orphans


def collect() -> None:
    """Collect the child processes that have ended."""
    for pid in list(_watched):
        try:
            found, status, usage = os.wait4(pid, os.WNOHANG)
        except ChildProcessError:
            found, status, usage = pid, 0, None  # other code has collected it
        if found:
            _watched.pop(pid)(status, usage)
    if _collects_orphans and hasattr(os, "waitid"):
        _collect_orphans()


def kill_orphans() -> None:
    """Kill the orphans, and wait until they have ended, but no longer than a second."""
    if not _collects_orphans or os.getpid() == 1:  # in a container, the system ends them with this process
        return
    deadline = time.monotonic() + KILL_S
    while (left := _orphans()) and time.monotonic() < deadline:
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        _collect_orphans()
        time.sleep(0.002)


def _collect_orphans() -> None:
    """Collect the ended processes that are not watched. One that is watched hides those behind it."""
    with suppress(ChildProcessError):  # this process has no children
        while True:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None or found.si_pid in _watched:
                return
            os.waitpid(found.si_pid, os.WNOHANG)
            _inherited.discard(found.si_pid)  # an orphan may get the same id


def _orphans() -> "list[int]":
    """The ids of what the processes that were started here have left behind.

    Each of them was started in a session of its own. So what is in the session of this process is not of them: it is an
    orphan of a process that this one has inherited.
    """
    own = os.getsid(0)
    return [pid for pid, session in _children() if pid not in _watched and pid not in _inherited and session != own]


def _children() -> "Iterator[tuple[int, int]]":
    """The ids of the child processes of this process and of their sessions; none where /proc is not mounted."""
    own = str(os.getpid()).encode()
    names: list[str] = []
    with suppress(OSError):
        names = os.listdir("/proc")
    for name in names:
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
                if fields[_PARENT] == own:
                    yield int(name), int(fields[_SESSION])
