"""Starts child processes on Windows: threads wait for them and their pipes, which the event loop cannot watch there."""

import os
import subprocess
import threading

from ..event_loop.loop import running_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO

    from .process_owner import ProcessOwner

_READ_SIZE = 64 << 10  # bytes that are read from a pipe at once


class WindowsProcess:
    """A child process and its pipes."""

    peak_mb = None
    """The system does not say how much memory the process has used."""

    def __init__(self, owner: "ProcessOwner") -> None:
        self._owner = owner
        self._loop = running_loop()
        self._process: subprocess.Popen[bytes] | None = None
        self._returncode: int | None = None
        self._is_closed = False

    def start(self, arguments: "Sequence[str]", variables: "Mapping[str, str]") -> None:
        """Start the process, which gets Ctrl-Break without this one. Raises OSError, and ValueError for a NUL."""
        process = self._process = subprocess.Popen(
            arguments, env=variables, bufsize=0, creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._owner.process_started(self)
        for number, file in ((1, process.stdout), (2, process.stderr)):
            assert file is not None
            threading.Thread(target=self._read, args=(number, file), name=f"pipe {number}", daemon=True).start()
        threading.Thread(target=self._wait, args=(process,), name="process", daemon=True).start()

    def get_pid(self) -> int:
        """The id of the process."""
        assert self._process is not None
        return self._process.pid

    def get_returncode(self) -> "int | None":
        """The exit code; None: it is running."""
        return self._returncode

    def send_signal(self, number: int) -> None:
        """Send Ctrl-Break to the process, or end it with any other number, unless it has ended. Raises OSError."""
        assert self._process is not None
        if self._returncode is None:
            self._process.send_signal(number)

    def read_output(self) -> bool:
        """Returns False, as the threads may still be reading what is in the pipes."""
        return False

    def close(self) -> None:
        """Pass on nothing more, and end the process if it is running."""
        self._is_closed = True
        if self._returncode is None and self._process is not None:
            self._process.kill()

    # In threads

    def _read(self, number: int, file: "IO[bytes]") -> None:
        with file:
            while data := self._read_once(file):
                self._loop.call_soon_threadsafe(self._pass_on, number, data)
        self._loop.call_soon_threadsafe(self._owner.pipe_closed, number)

    def _read_once(self, file: "IO[bytes]") -> bytes:
        try:
            return os.read(file.fileno(), _READ_SIZE)
        except OSError:
            return b""  # the other side is closed

    def _wait(self, process: "subprocess.Popen[bytes]") -> None:
        self._loop.call_soon_threadsafe(self._ended, process.wait())

    # In the event loop

    def _pass_on(self, number: int, data: bytes) -> None:
        if not self._is_closed:
            self._owner.pipe_data_received(number, data)

    def _ended(self, returncode: int) -> None:
        self._returncode = returncode
        self._owner.process_exited()
