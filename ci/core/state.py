"""Files in which the tooling remembers things for its next run. If they are missing or damaged, they count as empty.

A damaged file does not make a run fail. What it would have said is found out again.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

_LARGEST_BYTES = 16_000_000


def read_json(path: Path) -> Any:
    """The document in a file; None if there is none that can be read."""
    try:
        return json.loads(read_regular(path, _LARGEST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None


def read_regular(path: Path, largest: int) -> bytes:
    """The bytes of a file. Raises `OSError` for what is not a regular file, or holds more than `largest` bytes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a FIFO would block
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(None, "it is not a regular file")
        if status.st_size > largest:
            raise OSError(None, f"it has {status.st_size / 1e6:.1f} MB, and at most {largest / 1e6:.0f} MB are read")
        return file.read(largest)


def texts(value: object) -> dict[str, str]:
    """The value, if it is a mapping from texts to texts; otherwise raises `TypeError`."""
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise TypeError("not a mapping of texts")
    return value
