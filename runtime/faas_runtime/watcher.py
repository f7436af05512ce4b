"""Signals and deadlines, watched by a thread of its own.

Python runs the handler of a signal on the main thread between two steps of the interpreter: not while a foreign
function runs, and not when the signal comes just before a system call blocks. But the C side of the interpreter writes
the number of each signal into a socket at once. A thread reads from the other end, and needs nothing from the main one.

It also wakes up when the deadline of an invocation has passed. On Lambda the platform ends such a process itself;
elsewhere a function that hangs would keep its poller for good. The thread is not notified of each invocation, which
would cost a system call, but checks from time to time. When nothing has come for a while, it sleeps until the next
invocation wakes it up.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import _thread
import sys
from time import monotonic, sleep, time

from .environment import system
from .errors import InitError
from .library import SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .client import RuntimeApiClient

HANG_EXIT_CODE = 4
THREAD_START_TIMEOUT_S = 1.0  # a thread starts sooner, unless there is no memory left for it
FIRST_PAUSE_S = 0.01  # so that the first invocation does not wait for this thread, which has nothing to do yet
IDLE_INTERVAL_S = 1.0  # between two checks, without an invocation; a function's time limit is a second or more
SHORTEST_INTERVAL_S = 0.05
LONGEST_INTERVAL_S = 60.0
DEADLINE_GRACE_S = 1.0  # the platform gets the time to end a late invocation first
_NO_SIGNAL = b"\0"
_HIGH_DESCRIPTOR = 500  # of the 1024 that a process usually may have
_PASSES_SENDER = hasattr(_socket, "SO_PASSCRED") and hasattr(_socket, "SCM_CREDENTIALS")  # unix(7), Linux
_SENDER_SIZE = 12  # bytes of struct ucred: process, user and group, of 32 bits each


class Watcher:
    """Ends the pollers when a signal asks for it, and the process when an invocation does not end in time."""

    def __init__(self, signals: "Sequence[int]", *, is_starting: bool) -> None:
        """`signals` are the numbers of the signals that ask the process to end."""
        self._signals = tuple(signals)
        self._pollers: list[tuple[RuntimeApiClient, int]] = []
        """Clients, each with the identifier of its thread."""
        self.is_starting = is_starting
        """Whether there is nothing yet to finish or to shut down, so that a signal may end the process at once."""
        self._is_stopping = False
        """Whether a signal has come, and the pollers are to end."""
        self._has_stopped = False
        """Whether the pollers have ended."""
        self._has_lost_sockets = False
        """Whether the function has closed the sockets, with all descriptors that are not its own."""
        self._is_asleep = False
        self._last_received_at = -1.0
        self._late: dict[tuple[RuntimeApiClient, float], float] = {}
        """Invocations that were late at the last check, by their clients and when they came: since when."""
        self._reading, self._writing = _socket_pair()
        if _PASSES_SENDER:
            self._reading.setsockopt(_socket.SOL_SOCKET, _socket.SO_PASSCRED, 1)

    def start(self) -> None:
        """Watch from now on; raises `InitError` if there can be no thread.

        Returns when the thread runs. If the function crashed before, Python 3.14 would not print where, but
        `<freed thread state>`, as it takes a thread without an identifier for one that has ended.
        """
        self._writing.setblocking(False)
        _signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        self.take_over_signals()
        has_started = _thread.allocate_lock()
        has_started.acquire()
        try:
            _thread.start_new_thread(self._watch, (has_started,))
        except (RuntimeError, MemoryError) as error:
            message = f"{error}; allow the process a second thread: see its limits of processes and of memory"
            raise InitError("Runtime.NoThread", message) from error
        has_started.acquire(True, THREAD_START_TIMEOUT_S)

    def take_over_signals(self) -> None:
        """Handle the signals in this thread alone."""
        for number in self._signals:
            _signal.signal(number, self._handle_in_python)

    def _handle_in_python(self, number: int, _frame: object) -> None:
        """Python's own handler, which is needed only when the thread cannot learn of the signal."""
        if self._has_lost_sockets:
            self._stop(number)
            self._interrupt_pollers()

    def add(self, client: "RuntimeApiClient") -> None:
        """Watch a client, which is served by the calling thread."""
        self._pollers.append((client, _thread.get_ident()))
        if self._is_asleep:
            self._wake_up()

    def remove(self, client: "RuntimeApiClient") -> None:
        """Watch a client no longer."""
        self._pollers = [(other, thread) for other, thread in self._pollers if other is not client]

    def stop(self) -> None:
        """Watch no deadlines any more, and let the first signal from now on end the process."""
        self._has_stopped = True

    def _watch(self, has_started: "_thread.LockType") -> None:
        has_started.release()
        sleep(FIRST_PAUSE_S)
        while True:
            numbers = self._wait_for_signals(self._next_interval())
            if numbers == _NO_SIGNAL:
                # The function is just being called. If it crashed at once, faulthandler could not read the frames of a
                # thread that runs meanwhile, and would give up before it comes to those of the function.
                sleep(SHORTEST_INTERVAL_S)
            for number in numbers:
                if number in self._signals:
                    self._stop(number)
            if self._is_stopping:
                self._interrupt_pollers()
            if not self._has_stopped:
                self._check_deadlines()

    def _interrupt_pollers(self) -> None:
        for client, _ in self._pollers:
            client.interrupt()

    def _wait_for_signals(self, timeout_s: "float | None") -> bytes:
        """The numbers of signals to this process. A child that the function forks writes into the same socket."""
        if self._has_lost_sockets:
            sleep(min(timeout_s or IDLE_INTERVAL_S, IDLE_INTERVAL_S))  # deadlines are watched all the same
            return b""
        senders: list[int] = []
        try:
            self._reading.settimeout(timeout_s)
            if _PASSES_SENDER:
                numbers, notes, _, _ = self._reading.recvmsg(64, _socket.CMSG_SPACE(_SENDER_SIZE))
                senders = [int.from_bytes(note[:4], sys.byteorder) for _, _, note in notes]
            else:
                numbers = self._reading.recv(64)
        except _socket.timeout:
            return b""
        except OSError:
            numbers = b""
        self._is_asleep = False
        self._has_lost_sockets = not numbers
        return numbers if senders in ([], [system.getpid()]) else b""

    def _stop(self, number: int) -> None:
        if self.is_starting:
            _log("the process was asked to end before its function was initialised", "WARN")
            system._exit(0)
        if self._is_stopping or self._has_stopped:
            _log("a second signal ends the process at once", "WARN")
            system._exit(128 + number)
        self._is_stopping = True

    def _wake_up(self) -> None:
        """Check again; called from another thread, for the first invocation after a long time, or a new poller."""
        for client, _ in self._pollers:
            client.wake = None
        try:
            self._writing.send(_NO_SIGNAL)
        except OSError:
            pass  # the socket is full, which wakes the thread up too, or the function has closed it

    def _falls_asleep(self) -> bool:
        """Whether nothing can happen before the next invocation, which wakes this thread up."""
        before = self._last_received_at
        self._last_received_at = max((client.received_at for client, _ in self._pollers), default=0.0)
        if self._is_stopping or self._last_received_at != before:
            return False
        self._is_asleep = True
        for client, _ in self._pollers:
            client.wake = self._wake_up
        # An invocation that came before `wake` was set wakes up nobody.
        return not any(client.is_busy for client, _ in self._pollers)

    def _next_interval(self) -> "float | None":
        """The seconds in which nothing but a signal can happen; None for no limit."""
        ends = [self._ends_at(client) for client, _ in self._pollers if client.is_busy]
        if not ends and self._falls_asleep():
            return None
        limit = SHORTEST_INTERVAL_S if self._is_stopping and not self._has_stopped else LONGEST_INTERVAL_S
        interval = min([end - time() for end in ends if end], default=LONGEST_INTERVAL_S if ends else IDLE_INTERVAL_S)
        return max(SHORTEST_INTERVAL_S, min(interval, limit))

    def _ends_at(self, client: "RuntimeApiClient") -> float:
        """The time at which the client's invocation is late enough to end the process; 0 for never."""
        deadline = client.deadline_ms / 1000
        received = time() - (monotonic() - client.received_at)
        if deadline <= received:
            return 0  # there is no deadline, or the clocks differ
        return deadline if self._is_stopping else deadline + DEADLINE_GRACE_S

    def _check_deadlines(self) -> None:
        """End the process if an invocation is late at two checks, some time apart.

        The platform may freeze the process as soon as a response has left, before its receipt was read. When the
        process goes on later, the poller gets the time to read it.
        """
        late_before, self._late = self._late, {}
        for client, thread in self._pollers:
            received_at, request, end = client.received_at, client.current_request, self._ends_at(client)
            is_same = client.is_busy and client.received_at == received_at
            if not (end and is_same and time() > end):
                continue
            late_since = late_before.get((client, received_at), monotonic())
            self._late[client, received_at] = late_since
            if monotonic() - late_since < SHORTEST_INTERVAL_S:
                continue
            if self._is_stopping:
                _log(f"request {request} was abandoned at its deadline, as the process was asked to end", "WARN")
                system._exit(0)
            _log(f"request {request} hangs: its deadline has passed, and {_what_hangs(thread)}", "FATAL")
            system._exit(HANG_EXIT_CODE)


def _log(message: str, level: str) -> None:
    from .log import log

    log(message, level)


def _what_hangs(thread: int) -> str:
    """What the thread waits for. In the frame of a native function, the file is its library."""
    frame = innermost = sys._current_frames().get(thread)
    while frame is not None and not frame.f_code.co_filename.endswith(SUFFIX):
        frame = frame.f_back
    if frame is None:
        return "the Runtime API has not accepted the response"
    if frame is not innermost:
        return "the Runtime API does not accept what the function writes"
    return "the function has not returned"


def _socket_pair() -> "tuple[_socket.socket, _socket.socket]":
    if not hasattr(_socket, "socketpair"):
        import socket

        return socket.socketpair()
    reading, writing = _socket.socketpair()
    return _with_high_descriptor(reading), _with_high_descriptor(writing)


def _with_high_descriptor(connected: "_socket.socket") -> "_socket.socket":
    """The same socket with a high descriptor.

    New descriptors get the lowest free number. If a function closes all that it did not open, the next connection must
    not get the number that this thread reads from.
    """
    from fcntl import F_DUPFD_CLOEXEC, fcntl

    try:
        descriptor = fcntl(connected.fileno(), F_DUPFD_CLOEXEC, _HIGH_DESCRIPTOR)
    except OSError:
        return connected  # the limit of descriptors is lower here
    connected.close()
    return _socket.socket(fileno=descriptor)
