"""The memory of running processes."""

import os

_FIELD = b"\nVmHWM:"
_READ_SIZE = 4096  # bytes; the file has about 1,500


def peak_mb(pid: "int | str") -> "int | None":
    """The most memory that a process has used so far, in MiB; None where the system does not tell. `self`: this one."""
    try:
        descriptor = os.open(f"/proc/{pid}/status", os.O_RDONLY)
    except OSError:
        return None  # the system has no /proc, or the process has just ended
    try:
        status = os.read(descriptor, _READ_SIZE)
        return -(-int(status.partition(_FIELD)[2].split(None, 1)[0]) // 1024)
    except (OSError, ValueError, IndexError):
        return None
    finally:
        os.close(descriptor)
