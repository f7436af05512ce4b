"""Publishes a tree of a set as a process of its own, which can be killed at each of its steps.

    python -m tests.publish.tree_program ACTION SET FOLDER NAME CHANNEL [STEP]

A step is whatever makes, opens for writing, renames or removes something below FOLDER. The process kills itself with
SIGKILL right before its step number STEP; without one it prints how many steps it took.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.publish.tree_sets import target

_STEPS = {"os.mkdir": 0, "os.rename": 1, "os.symlink": 1, "os.remove": 0, "os.rmdir": 0, "os.chmod": 0}


count = 0


def kill_before(step: int, folder: str) -> None:
    """Count the steps, and end this process right before its step of that number."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        global count
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event in _STEPS:
            path = arguments[_STEPS[event]]
        else:
            return
        # Removing works relative to open folders, so its names have no folder; nothing else here does.
        if isinstance(path, str | bytes | os.PathLike) and os.fspath(path).startswith(folder):  # type: ignore[arg-type]
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def main(action: str, release: str, folder: str, name: str, channel: str, step: str = "0") -> None:
    found = target(Path(release), Path(folder), name, channel)
    kill_before(int(step), folder)
    getattr(found, action)()
    print(count)


if __name__ == "__main__":
    main(*sys.argv[1:])
