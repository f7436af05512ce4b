"""The process of an execution environment: how it is started and stopped, and how it ended."""

import os
import signal
import sys
import time

from ..event_loop.loop import running_loop
from ..http_server.descriptor_limit import restore_limit
from .memory import peak_mb
from .process_owner import ProcessOwner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..event_loop.loop import Timer
    from .options import LaunchCommand

# On Windows, SIGTERM ends a process without asking it; Ctrl-Break can be handled, and reaches a process group.
STOP_SIGNAL = int(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
PEAK_AGE_S = 0.02  # in which short invocations do not ask for the memory again
SHORT_S = 0.001  # in which a process can use a few MiB more at most
PIPES_S = 0.2  # to read the pipes of a process that has exited; a process that it started may keep them open


class RuntimeProcess(ProcessOwner):
    """A child process that speaks the Runtime API."""

    def __init__(self, on_output: "Callable[[int, bytes], None]", on_end: "Callable[[], None]") -> None:
        """`on_output` gets what the process writes (descriptor, bytes); `on_end` is called when it has ended."""
        self._on_output = on_output
        self._on_end = on_end
        self._started: Any = None
        self._open_pipes = {1, 2}
        self._has_exited = False
        self._has_ended = False
        self._pipes_timer: Timer | None = None
        self._peak_mb: int | None = None
        self._peak_read_at = 0.0

    async def start(self, command: "LaunchCommand", runtime_api: str) -> None:
        """Start the process, which finds the Runtime API at `runtime_api` (HOST:PORT); raises OSError.

        The process leads a process group of its own, which is killed when the process has ended.
        """
        variables = {**command.variables, "AWS_LAMBDA_RUNTIME_API": runtime_api}
        if sys.platform == "win32":
            from .windows_process import WindowsProcess

            WindowsProcess(self).start(command.arguments, variables)
        else:
            from .posix_process import PosixProcess

            PosixProcess(self).start(command.arguments, variables)

    @property
    def pid(self) -> int:
        """The id of the process; 0 before it is started."""
        return 0 if self._started is None else int(self._started.get_pid())

    def terminate(self) -> None:
        """Ask the process to end. If it cannot be asked, as without a console on Windows, end it."""
        if not self._send_signal(STOP_SIGNAL):
            self._send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process and everything that it has started."""
        self._send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        self.kill_group()

    def kill_group(self) -> None:
        """End what the process has started: on Lambda, nothing outlives the execution environment."""
        if sys.platform != "win32" and self.pid and self._owns_group:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except OSError:
                pass  # the group is empty

    @property
    def _owns_group(self) -> bool:
        """Whether a process group with this id is ours. The system reuses ids that no process and no group has."""
        if not self._has_exited:
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True  # the process was collected, and no other has its id
        except OSError:
            pass  # a process of another user has the id
        return False

    def _send_signal(self, number: int) -> bool:
        """Send a signal to the process; returns whether it was sent."""
        if self._started is None or self._has_exited:
            return False
        try:
            self._started.send_signal(number)
        except (OSError, ValueError, SystemError):  # SystemError: an OSError of older Pythons on Windows
            return False  # the process has ended, or cannot be reached
        return True

    @property
    def exit_reason(self) -> str:
        """As Go words it, and so Lambda: `exit status 1`, `signal: killed`; empty for exit code 0."""
        code = self._started.get_returncode() if self._started is not None else 0
        if not code:
            return ""
        if code > 0:  # the large ones are those of Windows for a crash, such as 0xc0000005
            return f"exit status {code:#x}" if code >= 1 << 16 else f"exit status {code}"
        try:
            return f"signal: {(signal.strsignal(-code) or '').lower() or -code}"
        except ValueError:
            return f"signal: {-code}"

    def peak_mb(self) -> "int | None":
        """The most memory that the process has used so far, in MiB; None if the system does not report it.

        After the process has exited, it is what the system has reported, or the result of the last call before that.
        """
        if self._has_exited:
            return getattr(self._started, "peak_mb", None) or self._peak_mb
        self._peak_mb = peak_mb(self.pid) or self._peak_mb
        return self._peak_mb

    def recent_peak_mb(self, duration_s: float) -> "int | None":
        """The same after an invocation of this duration. After short ones, it is a value of a moment ago.

        The system takes longer to tell than everything else that an invocation needs.
        """
        now = time.monotonic()
        if duration_s < SHORT_S and now - self._peak_read_at < PEAK_AGE_S:
            return self._peak_mb
        self._peak_read_at = now
        return self.peak_mb()

    def read_output(self) -> bool:
        """Pass on what the process has written by now; returns False if something may be missing (Windows)."""
        return self._started is None or bool(self._started.read_output())

    # Called by the event loop

    def process_started(self, started: "Any") -> None:
        """The process is started."""
        self._started = started
        restore_limit(self.pid)

    def pipe_data_received(self, descriptor: int, data: bytes) -> None:
        """The process has written something."""
        self._on_output(descriptor, data)

    def pipe_closed(self, descriptor: int) -> None:
        """All processes that had this pipe have closed it."""
        self._open_pipes.discard(descriptor)
        if self._has_exited and not self._open_pipes:
            self._end()

    def process_exited(self) -> None:
        """The process has exited; its pipes may still hold data."""
        self._has_exited = True
        self.kill_group()
        if not self._open_pipes:
            self._end()
        else:
            self._pipes_timer = running_loop().call_later(PIPES_S, self._end)

    def _end(self) -> None:
        if self._pipes_timer is not None:
            self._pipes_timer.cancel()
        if not self._has_ended:
            self._has_ended = True
            self._on_end()
            self._started.close()
