"""The pollers of a managed instance: several threads, or one, which retry when the Runtime API fails."""

import _thread
import sys

from .caller import Caller
from .client import RuntimeApiClient
from .connection import RuntimeApiConnection
from .errors import RuntimeApiError
from .exit_guard import guard
from .fast_path import FastPath
from .log import log
from .trace import TraceVariable
from .watcher import THREAD_START_TIMEOUT_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .function import Function
    from .watcher import Watcher

STACK_SIZE = 8 << 20  # bytes, as main threads have; musl gives other threads 128 KiB
RESERVED_SIZE = 1 << 18  # bytes
_LIMITS = "the process's limits of threads and of memory, of which each thread takes 8 MiB for its stack"
RETRIES = 5
FIRST_RETRY_DELAY_S = 0.1
_SIGNAL_STACK_SIZE = 1 << 16  # bytes


def poll_managed(function: "Function", first: RuntimeApiClient, watcher: "Watcher") -> None:
    """Serve as many invocations at once as the platform wants; `first` is the client of the calling thread."""
    settings = function.settings
    connections = [RuntimeApiConnection(settings.runtime_api) for _ in range(settings.concurrency - 1)]
    others = [RuntimeApiClient(each, is_managed=True) for each in connections]
    guard(others)
    if others:
        _poll_in_threads(function, [first, *others], watcher)
    else:
        _serve_with_retries(function, first, TraceVariable())


def _poll_in_threads(function: "Function", clients: "list[RuntimeApiClient]", watcher: "Watcher") -> None:
    # What is imported lazily elsewhere. Two threads at once can get a half-initialised module: on Python 3.9, and from
    # the file for every start.
    from . import http_reader, native_memory, reports, response_stream  # noqa: F401

    _thread.stack_size(STACK_SIZE)
    _PollerThreads(function, clients, watcher).poll()


class _PollerThreads:
    """A thread for each poller; the main thread is one of them.

    A poller that fails does not affect the others. The failure of the last one ends the process.
    """

    def __init__(self, function: "Function", clients: "list[RuntimeApiClient]", watcher: "Watcher") -> None:
        self._function = function
        self._clients = clients
        self._watcher = watcher
        self._failures: list[Exception] = []
        self._running: list[_thread.LockType] = []
        """A lock for each thread but the main one, released when the thread has ended."""
        self._signal_stacks: list[object] = []  # kept, as they must outlive their threads
        # No function is called before all threads run: see `Watcher.start`.
        self._has_started, self._all_have_started = _thread.allocate_lock(), _thread.allocate_lock()
        self._has_started.acquire()
        self._all_have_started.acquire()

    def poll(self) -> None:
        """Serve invocations until all pollers have ended; raises the last failure if all have failed."""
        self._start_threads()
        self._all_have_started.release()
        self._run(self._clients[0], None)
        for has_ended in self._running:
            has_ended.acquire()
        if len(self._failures) == len(self._clients):
            raise self._failures[-1]

    def _start_threads(self) -> None:
        """Start a thread for each client but the first, or for as many as the system allows."""
        # Memory that the stacks have to leave for the work on them; it takes none until it is written to.
        reserve = bytearray(len(self._clients) * RESERVED_SIZE)
        for client in self._clients[1:]:
            has_ended = _thread.allocate_lock()
            has_ended.acquire()
            try:
                _thread.start_new_thread(self._run, (client, has_ended))
            except (RuntimeError, MemoryError) as error:
                started, wanted = 1 + len(self._running), len(self._clients)
                log(f"{error}: {started} invocations at once are served, and not {wanted}; see {_LIMITS}", "WARN")
                del self._clients[started:]
                break
            self._has_started.acquire(True, THREAD_START_TIMEOUT_S)
            self._running.append(has_ended)
        del reserve

    def _run(self, client: RuntimeApiClient, has_ended: "_thread.LockType | None") -> None:
        """Serve a client, on the main thread or on one that releases `has_ended` at its end."""
        try:
            if has_ended is not None:
                self._has_started.release()
                with self._all_have_started:
                    pass
                self._signal_stacks.append(_set_signal_stack())
                self._watcher.add(client)
            _serve_with_retries(self._function, client, None)
        except Exception as error:
            self._failures.append(error)
            log(f"one of {len(self._clients)} pollers has ended: {error}", "ERROR")
        finally:
            client.close()
            if has_ended is not None:
                has_ended.release()


def _serve_with_retries(function: "Function", client: RuntimeApiClient, trace: "TraceVariable | None") -> None:
    """Serve; when the Runtime API fails, retry with growing delays, as the contract of managed instances requires."""
    from time import sleep

    poller = FastPath(client, Caller(function, trace), function.settings)
    failures = 0
    while True:
        received_at = client.received_at
        try:
            return poller.serve()
        except RuntimeApiError as error:
            failures = 1 if client.received_at > received_at else failures + 1
            if client.is_busy:  # an outcome was not accepted: it is not sent again, and the next event is requested
                log(f"request {client.current_request}: {error}; the outcome is not sent again", "WARN")
                client.close()
                continue
            if failures > RETRIES or client.is_stopping:
                raise
            log(f"{error}; trying again", "WARN")
            client.close()
            sleep(FIRST_RETRY_DELAY_S * 2 ** (failures - 1))


def _set_signal_stack() -> object:
    """Give this thread a stack of its own for the handlers of fatal signals; faulthandler does so for the main one.

    Without it, a stack overflow would end the process without a message. Returns the memory that has to be kept
    (sigaltstack(2)).
    """
    from . import abi
    from .ffi import NativeFunction

    try:
        sigaltstack = NativeFunction(abi.python_symbol("sigaltstack"))
    except (OSError, AttributeError):
        return None  # not on this system
    stack, stack_t = bytearray(_SIGNAL_STACK_SIZE), abi.CStruct(3 * abi.WORD)
    stack_t.words[0] = abi.address_of(stack)
    stack_t.words[1] = stack_t.words[2] = 0
    stack_t.words[2 if sys.platform == "linux" else 1] = len(stack)  # Linux: address, flags, size
    sigaltstack(stack_t.argument, None)
    return stack
