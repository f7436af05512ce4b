"""Starts child processes on POSIX systems, and finds out how much memory they have used."""

import os
import select
import signal
import subprocess
import sys

from ..event_loop.loop import running_loop
from . import reaper
from .memory import peak_mb

try:
    import resource
except ImportError:  # Windows, where processes are started by windows_process
    resource = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO, Any

    from .process_owner import ProcessOwner

_PER_MIB = 1 << 20 if sys.platform == "darwin" else 1 << 10
"""ru_maxrss is in bytes on macOS, and in KiB elsewhere."""
_READ_SIZE = 64 << 10  # bytes that are read from a pipe at once
_READS = 16  # of a pipe in one step: a process that writes without end must not stop everything else


class PosixProcess:
    """A child process and its pipes."""

    def __init__(self, owner: "ProcessOwner") -> None:
        self._owner = owner
        self._loop = running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipes: dict[int, tuple[int, IO[bytes]]] = {}
        """By the pipes' descriptors: which of the process's descriptors it is, and the file."""
        self._poll: Any = select.poll() if hasattr(select, "poll") else None
        self._returncode: int | None = None
        self._own_peak_mb = 0
        self.peak_mb: int | None = None
        """The most memory that the process has used, in MiB; None: it is running, or the system does not know."""

    def start(self, arguments: "Sequence[str]", variables: "Mapping[str, str]") -> None:
        """Start the process, in a session of its own. Raises OSError, and ValueError for a NUL in a variable."""
        reaper.adopt_orphans()
        process = self._process = subprocess.Popen(
            arguments, env=variables, bufsize=0, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        reaper.watch(process.pid, self._collected)
        self._own_peak_mb = peak_mb("self") or _used_mb(resource.getrusage(resource.RUSAGE_SELF))
        self._owner.process_started(self)
        for number, file in ((1, process.stdout), (2, process.stderr)):
            assert file is not None
            self._watch(number, file)

    def _watch(self, number: int, file: "IO[bytes]") -> None:
        descriptor = file.fileno()
        os.set_blocking(descriptor, False)
        self._pipes[descriptor] = (number, file)
        self._loop.add_reader(descriptor, lambda: self._read(descriptor))
        if self._poll is not None:
            self._poll.register(descriptor, select.POLLIN)

    def get_pid(self) -> int:
        """The id of the process."""
        assert self._process is not None
        return self._process.pid

    def get_returncode(self) -> "int | None":
        """The exit code, or the number of the signal below 0; None: it is running."""
        return self._returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, unless it has ended. Raises OSError."""
        if self._returncode is None:
            os.kill(self.get_pid(), number)

    def read_output(self) -> bool:
        """Read what is in the pipes now; returns True, as everything has been read."""
        ready = list(self._pipes) if self._poll is None else [found for found, _ in self._poll.poll(0)]
        for descriptor in ready:
            for _ in range(_READS):
                if not self._read(descriptor):
                    break
        return True

    def close(self) -> None:
        """Close the pipes, and kill the process if it is running."""
        for descriptor in list(self._pipes):
            self._close_pipe(descriptor)
        if self._returncode is None and self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)

    def _read(self, descriptor: int) -> bool:
        """Read from a pipe once; returns whether there may be more."""
        number = self._pipes[descriptor][0]
        try:
            data = os.read(descriptor, _READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            data = b""
        if data:
            self._owner.pipe_data_received(number, data)
            return len(data) == _READ_SIZE and descriptor in self._pipes
        self._close_pipe(descriptor)
        self._owner.pipe_closed(number)
        return False

    def _close_pipe(self, descriptor: int) -> None:
        _, file = self._pipes.pop(descriptor)
        self._loop.remove_reader(descriptor)
        if self._poll is not None:
            self._poll.unregister(descriptor)
        file.close()

    def _collected(self, status: int, usage: "Any") -> None:
        """The process has ended."""
        self._returncode = os.waitstatus_to_exitcode(status)
        assert self._process is not None
        self._process.returncode = self._returncode
        used_mb = _used_mb(usage) if usage is not None else 0
        # The kernel's number includes the time before exec, when the process was a copy of this one.
        self.peak_mb = used_mb if used_mb > self._own_peak_mb else None
        self._owner.process_exited()


def _used_mb(usage: "Any") -> int:
    return -(-int(usage.ru_maxrss) // _PER_MIB)
