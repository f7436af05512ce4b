"""Processes that have lost their parent and end: whoever is process 1, as in an image, has to collect them.

What a function leaves behind becomes a child of ours there. What asyncio has started, it collects itself.
"""

import asyncio
import os
import signal

_own: "set[int]" = set()
_starting = 0


class Start:
    """While a process of ours is started, nobody knows its id: `with Start() as start`, then `start.done(id)`."""

    def __enter__(self) -> "Start":
        global _starting
        _starting += 1
        return self

    def __exit__(self, *_: object) -> None:
        global _starting
        _starting -= 1
        reap()

    def done(self, pid: int) -> None:
        """It has this id."""
        _own.add(pid)


def ended(pid: int) -> None:
    """A process of ours is collected, and lets others be seen."""
    _own.discard(pid)
    reap()


def watch() -> None:
    """Collect strangers whenever a process ends, where the system can tell which; costs nothing until then."""
    if hasattr(os, "waitid"):
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, reap)


def reap() -> None:
    """Collect those that are nobody's. One of ours hides those behind it, until it is collected: `ended`."""
    if not hasattr(os, "waitid"):
        return
    try:
        while not _starting:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None or found.si_pid in _own:
                return
            os.waitpid(found.si_pid, os.WNOHANG)
    except ChildProcessError:
        pass  # there are none
