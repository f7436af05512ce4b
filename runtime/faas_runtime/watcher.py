"""Signals and deadlines, watched by a thread of its own.

Python runs the handler of a signal on the main thread between two steps of the interpreter: not while a foreign
function runs, and not when the signal comes just before a system call blocks. But the C side of the interpreter writes
the number of each signal into a socket at once. A thread waits at the other end, and needs nothing from the main one.

It also wakes up when the deadline of an invocation has passed. On Lambda the platform ends such a process itself;
elsewhere a function that hangs would keep its poller for good. It is not told of each invocation, which would cost a
system call, but looks from time to time; when nothing has come for a while, it sleeps until the next one wakes it up.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import _thread
import sys
from time import monotonic, sleep, time

from .environment import system
from .errors import InitError
from .function import SIGNALS
from .library import SUFFIX
from .log import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .client import RuntimeApi

HANGING = 4
BEGIN_S = 1.0  # no thread takes so long to begin, unless there is no memory left to begin with
IDLE_S = 1.0  # without an invocation in hand; a function's time limit is a second or more
SOON_S = 0.05
LONGEST_S = 60.0
GRACE_S = 1.0  # the platform is the first to end what is late
_NO_SIGNAL = b"\0"
_ASKING = tuple(int(getattr(_signal, name)) for name in SIGNALS)
_HIGH = 500  # of the 1024 descriptors that a process usually may have
_PASSES_SENDER = hasattr(_socket, "SO_PASSCRED") and hasattr(_socket, "SCM_CREDENTIALS")  # unix(7), Linux
_SENDER_SIZE = 12  # struct ucred: process, user and group, of 32 bits each


class Watcher:
    """Ends the pollers when a signal asks for it, and the process when an invocation does not end in time."""

    def __init__(self, *, is_starting: bool) -> None:
        self._pollers: list[tuple[RuntimeApi, int]] = []
        self.is_starting = is_starting
        """Whether there is nothing yet to finish or to shut down, so that a signal may end the process at once."""
        self._is_stopping = False
        self._is_over = False
        self._is_blind = False
        """Whether the function has closed the sockets, with all descriptors that it did not know."""
        self._is_asleep = False
        self._last_received_at = -1.0
        self._waiting, self._writing = _pair()
        if _PASSES_SENDER:
            self._waiting.setsockopt(_socket.SOL_SOCKET, _socket.SO_PASSCRED, 1)

    def start(self) -> None:
        """Watch from now on.

        Returns when the thread runs: were the function to crash before, Python 3.14 would not name its place, but print
        `<freed thread state>`, as it takes a thread without a number for one that has ended.
        """
        self._writing.setblocking(False)
        _signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        self.take_over()
        begun = _thread.allocate_lock()
        begun.acquire()
        try:
            _thread.start_new_thread(self._watch, (begun,))
        except (RuntimeError, MemoryError) as error:
            message = f"{error}; allow the process a second thread: see its limits of processes and of memory"
            raise InitError("Runtime.NoThread", message) from error
        begun.acquire(True, BEGIN_S)

    def take_over(self) -> None:
        """Let nobody handle signals but this thread."""
        for name in SIGNALS:
            _signal.signal(getattr(_signal, name), self._handle)

    def _handle(self, number: int, _frame: object) -> None:
        """Python's own handler: nothing is left to do for it, as long as the thread is told."""
        if self._is_blind:
            self._stop(number)
            self._interrupt()

    def follow(self, client: "RuntimeApi") -> None:
        """Look after a client, which is served by the thread that calls this."""
        self._pollers.append((client, _thread.get_ident()))
        if self._is_asleep:
            self._wake_up()

    def leave(self, client: "RuntimeApi") -> None:
        """Look after a client no longer."""
        self._pollers = [(other, thread) for other, thread in self._pollers if other is not client]

    def stop(self) -> None:
        """Leave signals alone but for the second one, which still ends the process; deadlines do not matter now."""
        self._is_over = True

    def _watch(self, begun: "_thread.LockType") -> None:
        begun.release()
        while True:
            numbers = self._received(self._patience())
            if numbers == _NO_SIGNAL:
                # The function is just called. Were it to crash at once, faulthandler could not read the frames of a
                # thread that runs meanwhile, and would give up before it comes to those of the function.
                sleep(SOON_S)
            for number in numbers:
                if number in _ASKING:
                    self._stop(number)
            if self._is_stopping:
                self._interrupt()
            if not self._is_over:
                self._check()

    def _interrupt(self) -> None:
        for client, _ in self._pollers:
            client.interrupt()

    def _received(self, patience: "float | None") -> bytes:
        """The numbers of signals to this process: a child that the function forks writes into the same socket."""
        if self._is_blind:
            sleep(min(patience or IDLE_S, IDLE_S))  # deadlines are watched all the same
            return b""
        senders: list[int] = []
        try:
            self._waiting.settimeout(patience)
            if _PASSES_SENDER:
                numbers, notes, _, _ = self._waiting.recvmsg(64, _socket.CMSG_SPACE(_SENDER_SIZE))
                senders = [int.from_bytes(note[:4], sys.byteorder) for _, _, note in notes]
            else:
                numbers = self._waiting.recv(64)
        except _socket.timeout:
            return b""
        except OSError:
            numbers = b""
        self._is_asleep = False
        self._is_blind = not numbers
        return numbers if senders in ([], [system.getpid()]) else b""

    def _stop(self, number: int) -> None:
        if self.is_starting:
            log("the process was asked to end before its function was initialised", "WARN")
            system._exit(0)
        if self._is_stopping or self._is_over:
            log("a second signal ends the process at once", "WARN")
            system._exit(128 + number)
        self._is_stopping = True

    def _wake_up(self) -> None:
        """Look again, from another thread: an invocation has come after a long time, or a new poller."""
        for client, _ in self._pollers:
            client.wake = None
        try:
            self._writing.send(_NO_SIGNAL)
        except OSError:
            pass  # there is enough in it to wake up from, or the function has closed what is not its own

    def _falls_asleep(self) -> bool:
        """Whether nothing can happen before the next invocation, which wakes this thread up."""
        before = self._last_received_at
        self._last_received_at = max((client.received_at for client, _ in self._pollers), default=0.0)
        if self._is_stopping or self._last_received_at != before:
            return False
        self._is_asleep = True
        for client, _ in self._pollers:
            client.wake = self._wake_up
        # One that has come before that was set wakes nobody.
        return not any(client.is_busy for client, _ in self._pollers)

    def _patience(self) -> "float | None":
        """How long nothing can happen but a signal; None for ever."""
        late = [self._late_after(client) for client, _ in self._pollers if client.is_busy]
        if not late and self._falls_asleep():
            return None
        patience = min([end - time() for end in late if end], default=LONGEST_S if late else IDLE_S)
        return max(SOON_S, min(patience, SOON_S if self._is_stopping and not self._is_over else LONGEST_S))

    def _late_after(self, client: "RuntimeApi") -> float:
        """When the process ends because of the client's invocation; 0 for never."""
        deadline = client.deadline_ms / 1000
        received = time() - (monotonic() - client.received_at)
        if deadline <= received:
            return 0  # none was given, or the clocks do not agree
        return deadline if self._is_stopping else deadline + GRACE_S

    def _check(self) -> None:
        for client, thread in self._pollers:
            received_at, request, end = client.received_at, client.current_request, self._late_after(client)
            is_same = client.is_busy and client.received_at == received_at
            if not (end and is_same and time() > end):
                continue
            if self._is_stopping:
                log(f"request {request} was abandoned at its deadline, as the process was asked to end", "WARN")
                system._exit(0)
            log(f"request {request} hangs: its deadline has passed, and {_what_hangs(thread)}", "FATAL")
            system._exit(HANGING)


def _what_hangs(thread: int) -> str:
    """What the thread waits for: the frames of native functions have their libraries as files."""
    frame = innermost = sys._current_frames().get(thread)
    while frame is not None and not frame.f_code.co_filename.endswith(SUFFIX):
        frame = frame.f_back
    if frame is None:
        return "the Runtime API has not taken the answer"
    if frame is not innermost:
        return "the Runtime API does not take what the function writes"
    return "the function has not returned"


def _pair() -> "tuple[_socket.socket, _socket.socket]":
    if not hasattr(_socket, "socketpair"):
        import socket

        return socket.socketpair()
    reading, writing = _socket.socketpair()
    return _out_of_the_way(reading), _out_of_the_way(writing)


def _out_of_the_way(connected: "_socket.socket") -> "_socket.socket":
    """The same socket with a high number.

    New descriptors get the lowest free number. Were a function to close all that it did not open, the next connection
    would get the number that this thread reads from.
    """
    from fcntl import F_DUPFD_CLOEXEC, fcntl

    try:
        number = fcntl(connected.fileno(), F_DUPFD_CLOEXEC, _HIGH)
    except OSError:
        return connected  # so many are not allowed here
    connected.close()
    return _socket.socket(fileno=number)
