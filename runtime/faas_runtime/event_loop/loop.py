"""The event loop: calls functions when descriptors are ready, when time has passed, and when signals arrive."""

import heapq
import signal
import socket
import sys
import time
from collections import deque
from contextlib import suppress

from .poller import READ, WRITE, create_poller

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .poller import Poller

    Action = Callable[..., object]
    ErrorHandler = Callable[[str, BaseException], None]

ROUNDS = 16  # of actions that follow from one another, before the descriptors are looked at again
LONGEST_WAIT_S = 86400.0
FEW_TIMERS = 100  # that are cancelled and kept

_running: "EventLoop | None" = None


def running_loop() -> "EventLoop":
    """The loop that runs in this process; raises RuntimeError if there is none."""
    if _running is None:
        raise RuntimeError("no event loop is running")
    return _running


class Timer:
    """An action at a time of the future."""

    __slots__ = ("_loop", "action", "arguments", "when")

    def __init__(self, loop: "EventLoop", when: float, action: "Action", arguments: "tuple[Any, ...]") -> None:
        self._loop = loop
        self.when = when
        """On the monotonic clock."""
        self.action: Action | None = action
        self.arguments = arguments

    def cancel(self) -> None:
        """Do not run the action."""
        if self.action is not None:
            self.action = None
            self.arguments = ()
            self._loop.timer_cancelled()

    def __lt__(self, other: "Timer") -> bool:
        return self.when < other.when


class EventLoop:
    """One loop of one thread. Everything but `call_soon_threadsafe` is for this thread."""

    time = staticmethod(time.monotonic)

    def __init__(self, poller: "Poller | None" = None) -> None:
        self._poller = poller or create_poller()
        self._readers: dict[int, Action] = {}
        self._writers: dict[int, Action] = {}
        self._ready: deque[tuple[Action, tuple[Any, ...]]] = deque()
        self._timers: list[Timer] = []
        self._cancelled_timers = 0
        self._signals: dict[int, tuple[Action, tuple[Any, ...]]] = {}
        self._is_stopped = False
        self.tasks: set[Any] = set()
        """The coroutines that are running."""
        self.error_handler: ErrorHandler = print_error
        """Gets a sentence and the exception when an action fails."""
        self._waker, self._wakened = socket.socketpair()
        self._waker.setblocking(False)
        self._wakened.setblocking(False)
        self.add_reader(self._wakened.fileno(), self._drain_waker)

    # Actions

    def call_soon(self, action: "Action", *arguments: object) -> None:
        """Run an action soon, after those that were added before."""
        self._ready.append((action, arguments))

    def call_soon_threadsafe(self, action: "Action", *arguments: object) -> None:
        """The same, from another thread."""
        self._ready.append((action, arguments))
        with suppress(OSError):  # it is full of bytes that wake the loop, or closed
            self._waker.send(b"\0")

    def call_later(self, seconds: float, action: "Action", *arguments: object) -> Timer:
        """Run an action after some time."""
        return self.call_at(time.monotonic() + seconds, action, *arguments)

    def call_at(self, when: float, action: "Action", *arguments: object) -> Timer:
        """Run an action at a time of the monotonic clock."""
        timer = Timer(self, when, action, arguments)
        heapq.heappush(self._timers, timer)
        return timer

    def timer_cancelled(self) -> None:
        """Forget the cancelled timers if most are: each closed connection leaves one behind."""
        self._cancelled_timers += 1
        if self._cancelled_timers > FEW_TIMERS and 2 * self._cancelled_timers > len(self._timers):
            self._timers[:] = [timer for timer in self._timers if timer.action is not None]
            heapq.heapify(self._timers)
            self._cancelled_timers = 0

    # Descriptors

    def add_reader(self, descriptor: int, action: "Action") -> None:
        """Run an action whenever a descriptor can be read."""
        self._watch(descriptor, self._readers, action, descriptor in self._writers and WRITE)

    def add_writer(self, descriptor: int, action: "Action") -> None:
        """Run an action whenever a descriptor can be written."""
        self._watch(descriptor, self._writers, action, descriptor in self._readers and READ)

    def remove_reader(self, descriptor: int) -> None:
        """Undo `add_reader`."""
        if self._readers.pop(descriptor, None) is not None:
            self._unwatch(descriptor, WRITE if descriptor in self._writers else 0)

    def remove_writer(self, descriptor: int) -> None:
        """Undo `add_writer`."""
        if self._writers.pop(descriptor, None) is not None:
            self._unwatch(descriptor, READ if descriptor in self._readers else 0)

    def _watch(self, descriptor: int, actions: "dict[int, Action]", action: "Action", others: int) -> None:
        is_new = descriptor not in actions
        if is_new:
            own = READ if actions is self._readers else WRITE
            if others:
                self._poller.modify(descriptor, own | others)
            else:
                self._poller.register(descriptor, own)
        actions[descriptor] = action

    def _unwatch(self, descriptor: int, others: int) -> None:
        if others:
            self._poller.modify(descriptor, others)
        else:
            self._poller.unregister(descriptor)

    # Signals

    def add_signal_handler(self, number: int, action: "Action", *arguments: object) -> None:
        """Run an action when a signal arrives; only in the main thread."""
        self._signals[number] = (action, arguments)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.signal(number, self._signal_received)
        if hasattr(signal, "siginterrupt"):
            signal.siginterrupt(number, False)

    def _signal_received(self, number: int, _frame: object) -> None:
        """Python calls this between any two instructions of the main thread."""
        if number in self._signals:
            self._ready.append(self._signals[number])

    def _drain_waker(self) -> None:
        with suppress(BlockingIOError):
            while len(self._wakened.recv(4096)) == 4096:
                pass

    # Running

    def run(self) -> None:
        """Run until `stop`."""
        global _running
        if _running is not None:
            raise RuntimeError("an event loop is running already")
        _running = self
        self._is_stopped = False
        try:
            while not self._is_stopped:
                self._run_step()
        finally:
            _running = None

    def stop(self) -> None:
        """End `run` after this step."""
        self._is_stopped = True

    def close(self) -> None:
        """Release what the system holds, and restore the signals."""
        for number in self._signals:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        if self._signals:
            signal.set_wakeup_fd(-1)
        self._poller.close()
        self._waker.close()
        self._wakened.close()

    def report(self, message: str, error: BaseException) -> None:
        """Report an error that nobody handles."""
        self.error_handler(message, error)

    def _run_step(self) -> None:
        """Wait until there is something to do, and do it."""
        ready = self._ready
        readers, writers = self._readers, self._writers
        for descriptor, events in self._poller.poll(0 if ready else self._waiting_time()):
            if events & ~WRITE and descriptor in readers:
                self._run(readers[descriptor], ())
            if events & ~READ and descriptor in writers:
                self._run(writers[descriptor], ())
        self._take_due_timers()
        for _ in range(ROUNDS):
            if not ready or self._is_stopped:
                return
            for _ in range(len(ready)):
                action, arguments = ready.popleft()
                self._run(action, arguments)

    def _run(self, action: "Action", arguments: "tuple[Any, ...]") -> None:
        try:
            action(*arguments)
        except Exception as error:
            self.report(f"an error in {getattr(action, '__qualname__', action)}", error)

    def _waiting_time(self) -> "float | None":
        """The seconds until the next timer; None: there is no timer."""
        timers = self._timers
        while timers and timers[0].action is None:
            heapq.heappop(timers)
            self._cancelled_timers -= 1
        return None if not timers else min(max(0.0, timers[0].when - time.monotonic()), LONGEST_WAIT_S)

    def _take_due_timers(self) -> None:
        timers = self._timers
        if not timers:
            return
        now = time.monotonic()
        while timers and timers[0].when <= now:
            timer = heapq.heappop(timers)
            if timer.action is None:
                self._cancelled_timers -= 1
            else:
                self._ready.append((timer.action, timer.arguments))
                timer.action = None


def print_error(message: str, error: BaseException) -> None:
    """Print an error with its traceback."""
    print(message, file=sys.stderr, flush=True)
    sys.excepthook(type(error), error, error.__traceback__)
