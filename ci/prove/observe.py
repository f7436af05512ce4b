"""Prints what a process sees of its surroundings, as JSON: run in both builds, it shows what was really varied.

It is given an empty folder, whose order it reads after it has made files in it.
"""

from __future__ import annotations

import json
import locale
import os
import socket
import sys
import time
from pathlib import Path

_FILES = 12


def observe(folder: Path) -> dict[str, object]:
    """What this process sees, by the names of the variations."""
    return {
        "path": str(Path.cwd()),
        "clock": int(time.time()),
        "time zone": time.strftime("%z", time.localtime(0)),
        "locale": _locale(),
        "umask": f"{_umask():04o}",
        "user": os.getuid(),
        "home": _home(),
        "host name": socket.gethostname(),
        "processors": len(os.sched_getaffinity(0)),
        "directory order": _order(folder),
        "environment": os.environ.get("CFLAGS", ""),
    }


def _home() -> str:
    try:
        return str(Path.home())
    except RuntimeError:  # a user without one
        return ""


def _locale() -> str:
    """The locale that is in effect, and how it sorts: one that is not installed is set without effect."""
    try:
        name = locale.setlocale(locale.LC_ALL, "")
    except locale.Error:
        return "C"
    return f"{name} {''.join(sorted('aBcD', key=locale.strxfrm))}"


def _umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found


def _order(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(_FILES):
        (folder / str(number)).touch()
    return " ".join(os.listdir(folder))  # noqa: PTH208 (names in the order of the file system)


if __name__ == "__main__":
    print(json.dumps(observe(Path(sys.argv[1]))))
