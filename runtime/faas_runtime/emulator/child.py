"""The process of an execution environment: the runtime, started as on Lambda, and how it ended."""

import asyncio
import os
import signal
import subprocess
import sys

from . import reaper
from .descriptors import restore_limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_LAUNCHER = os.path.join(_PACKAGE, "bin", "faas-runtime")
# Where there is no launcher (pip), the package is all that the isolated interpreter gets to see.
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from faas_runtime.__main__ import main; sys.exit(main())"
# On Windows, SIGTERM ends a process without asking it; Ctrl-Break reaches a process group.
ASKING = int(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM))
PIPES_S = 0.2  # for what a dead process has left in its pipes, which a process of its own may keep open


def command(handler: str) -> "list[str]":
    """The command line of a runtime that serves this handler, isolated from what else Python has installed."""
    start = [_LAUNCHER] if os.path.isfile(_LAUNCHER) else ["-c", _START, _PACKAGE]
    return [sys.executable, "-I", "-S", *start, handler]


class Child(asyncio.SubprocessProtocol):
    """A child process; `output` gets what it writes (descriptor, bytes), `ended` is called when it has ended."""

    def __init__(self, output: "Callable[[int, bytes], None]", ended: "Callable[[], None]") -> None:
        self._output = output
        self._ended = ended
        self._transport: Any = None
        self._open_pipes = {1, 2}
        self._has_exited = False
        self._is_told = False
        self._limit: asyncio.TimerHandle | None = None
        self._peak_mb: int | None = None

    async def start(self, arguments: "list[str]", environment: "Mapping[str, str]") -> None:
        """Start it; raises OSError. It leads a process group of its own, which ends with it."""
        options: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        with reaper.Start() as start:
            await asyncio.get_running_loop().subprocess_exec(
                lambda: self, *arguments, stdin=subprocess.DEVNULL, env=dict(environment), **options
            )
            if not self._has_exited:
                start.done(self.pid)

    @property
    def pid(self) -> int:
        """Its id; 0 before it is started."""
        return 0 if self._transport is None else int(self._transport.get_pid())

    def terminate(self) -> None:
        """Ask it to end; where it cannot be asked, as without a console on Windows, end it."""
        if not self._signal(ASKING):
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it, with all that it has started."""
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        self.kill_group()

    def kill_group(self) -> None:
        """End what it has started: on Lambda, nothing outlives the environment."""
        if sys.platform != "win32" and self.pid and self._has_group:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except OSError:
                pass  # there is nothing

    @property
    def _has_group(self) -> bool:
        """Whether a group of its id would be its own: the system uses ids again that no process and no group has."""
        if not self._has_exited:
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True  # it is collected, and no other has come
        except OSError:
            pass  # another one, which is not ours
        return False

    def _signal(self, number: int) -> bool:
        """Send it a signal; returns whether it was sent."""
        if self._transport is None or self._has_exited:
            return False
        try:
            self._transport.send_signal(number)
        except (OSError, ValueError, SystemError):  # SystemError: an OSError of older Pythons on Windows
            return False  # it has ended by itself, or cannot be reached
        return True

    @property
    def how_it_ended(self) -> str:
        """As Go says it, and so Lambda: `exit status 1`, `signal: killed`; nothing for an exit without a reason."""
        code = self._transport.get_returncode() if self._transport is not None else 0
        if not code:
            return ""
        if code > 0:  # the large ones are those of Windows for a crash, such as 0xc0000005
            return f"exit status {code:#x}" if code >= 1 << 16 else f"exit status {code}"
        try:
            return f"signal: {(signal.strsignal(-code) or '').lower() or -code}"
        except ValueError:
            return f"signal: {-code}"

    def peak_mb(self) -> "int | None":
        """The most memory that it has used, in MiB; None where the system does not tell.

        Once it has ended: what was said last.
        """
        if self._has_exited:
            return self._peak_mb
        try:
            with open(f"/proc/{self.pid}/status", "rb") as status:
                for line in status:
                    if line.startswith(b"VmHWM:"):
                        self._peak_mb = -(-int(line.split()[1]) // 1024)
                        break
        except (OSError, ValueError, IndexError):
            pass  # no such system, or no such process any more
        return self._peak_mb

    # What the event loop calls

    def connection_made(self, transport: "Any") -> None:
        """It is open."""
        self._transport = transport
        restore_limit(self.pid)

    def pipe_data_received(self, descriptor: int, data: bytes) -> None:
        """It has written something."""
        self._output(descriptor, data)

    def pipe_connection_lost(self, descriptor: int, error: "Exception | None") -> None:
        """It has closed a pipe."""
        self._open_pipes.discard(descriptor)
        if self._has_exited and not self._open_pipes:
            self._tell()

    def process_exited(self) -> None:
        """It has ended."""
        self._has_exited = True
        self.kill_group()
        reaper.ended(self.pid)
        if not self._open_pipes:
            self._tell()
        else:
            self._limit = asyncio.get_running_loop().call_later(PIPES_S, self._tell)

    def _tell(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
        if not self._is_told:
            self._is_told = True
            self._ended()
            self._transport.close()
