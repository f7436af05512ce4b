"""Signals and deadlines, watched by a thread of its own.

Python runs the handler of a signal on the main thread between two steps of the interpreter: not while a foreign
function runs, and not when the signal comes just before a system call blocks. But the C side of the interpreter writes
the number of each signal into a socket at once. A thread waits at the other end, and needs nothing from the main one.

It also wakes up when the deadline of an invocation has passed. On Lambda the platform ends such a process itself;
elsewhere a function that hangs would keep its poller for good.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import _thread
from time import monotonic, time

from .environment import system
from .log import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .client import RuntimeApi

HANGING = 4
IDLE_S = 1.0  # without an invocation in hand; a function's time limit is a second or more
SOON_S = 0.05
LONGEST_S = 60.0
GRACE_S = 1.0  # the platform is the first to end what is late
_HIGH = 500  # of the 1024 descriptors that a process usually may have
_SIGNALS = ("SIGTERM", "SIGINT")


class Watcher:
    """Ends the pollers when a signal asks for it, and the process when an invocation does not end in time."""

    def __init__(self, clients: "list[RuntimeApi]") -> None:
        self._clients = clients
        self._is_stopping = False
        self._is_over = False
        self._waiting, self._writing = _pair()

    def start(self) -> None:
        """Watch from now on."""
        self._writing.setblocking(False)
        _signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        for name in _SIGNALS:
            _signal.signal(getattr(_signal, name), _pass)
        _thread.start_new_thread(self._watch, ())

    def stop(self) -> None:
        """Leave signals alone but for the second one, which still ends the process; deadlines do not matter now."""
        self._is_over = True

    def _watch(self) -> None:
        while True:
            self._waiting.settimeout(self._patience())
            try:
                numbers = self._waiting.recv(64)
            except _socket.timeout:
                numbers = b""
            except OSError:
                return  # the function has closed what is not its own
            for number in numbers:
                if number in (_signal.SIGTERM, _signal.SIGINT):
                    self._stop(number)
            if self._is_stopping:
                for client in self._clients:
                    client.interrupt()
            if not self._is_over:
                self._check()

    def _stop(self, number: int) -> None:
        if self._is_stopping or self._is_over:
            log("a second signal ends the process at once", "WARN")
            system._exit(128 + number)
        self._is_stopping = True

    def _patience(self) -> float:
        """How long nothing can happen but a signal."""
        late = [self._late_after(client) for client in self._clients if client.is_busy]
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
        for client in self._clients:
            received_at, request, end = client.received_at, client.current_request, self._late_after(client)
            is_same = client.is_busy and client.received_at == received_at
            if not (end and is_same and time() > end):
                continue
            if self._is_stopping:
                log(f"request {request} was abandoned at its deadline, as the process was asked to end", "WARN")
                system._exit(0)
            log(f"request {request} hangs: its deadline has passed, and the function has not returned", "FATAL")
            system._exit(HANGING)


def _pass(_number: int, _frame: object) -> None:
    """Nothing is left to do for a handler of Python's: the thread has been told."""


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
