"""What a process needs beside its first request: pollers, signals, last words. Imported while that is waiting."""

import _thread
import sys

from .caller import Caller
from .client import RuntimeApi
from .connection import Connection
from .errors import RuntimeApiError
from .fast_path import FastPath
from .last_words import guard
from .trace import TraceVariable
from .watcher import BEGIN_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .function import Function
    from .watcher import Watcher

STACK_SIZE = 8 << 20  # as main threads have it; musl gives others 128 KiB
RESERVED_SIZE = 1 << 18
_LIMITS = "the process's limits of threads and of memory, of which each thread takes 8 MiB for its stack"
TRIES = 5
FIRST_PAUSE_S = 0.1


def poll(function: "Function", connection: Connection) -> None:
    """Serve invocations until the process is asked to end: as many at once as the platform wants."""
    environment = function.environment
    first = RuntimeApi(connection, is_asked=connection.socket is not None)
    others = [RuntimeApi(Connection(environment.runtime_api)) for _ in range(environment.concurrency - 1)]
    clients = [first, *others]
    watcher = function.watch()
    guard(clients)
    watcher.follow(first)
    watcher.take_over()
    try:
        if others:
            _poll_in_threads(function, clients, watcher)
        elif environment.is_managed:
            _persist(function, first, TraceVariable())
        else:
            FastPath(first, Caller(function, TraceVariable())).serve()
    finally:
        watcher.stop()


def _poll_in_threads(function: "Function", clients: "list[RuntimeApi]", watcher: "Watcher") -> None:
    """One poller is the main thread. One that fails leaves the others alone; the last failure ends the process."""
    # What is imported when it is needed elsewhere: on Python 3.9, two threads at once can meet a half-made module.
    from . import framing, invocation, reports, streaming  # noqa: F401
    from .log import log

    _thread.stack_size(STACK_SIZE)
    failures: list[Exception] = []
    running: list[_thread.LockType] = []
    stacks: list[object] = []  # which must outlive their threads
    # No function is called before all threads run: see `Watcher.start`.
    begun, gate = _thread.allocate_lock(), _thread.allocate_lock()
    begun.acquire()
    gate.acquire()

    def run(client: RuntimeApi, ended: "_thread.LockType | None") -> None:
        try:
            if ended is not None:
                begun.release()
                with gate:
                    pass
                stacks.append(_alternate_stack())
                watcher.follow(client)
            _persist(function, client, None)
        except Exception as error:
            failures.append(error)
            log(f"one of {len(clients)} pollers has ended: {error}", "ERROR")
        finally:
            client.close()
            if ended is not None:
                ended.release()

    # Memory that the stacks have to leave for what is done on them; it takes none until it is written to.
    reserve = bytearray(len(clients) * RESERVED_SIZE)
    for client in clients[1:]:
        ended = _thread.allocate_lock()
        ended.acquire()
        try:
            _thread.start_new_thread(run, (client, ended))
        except (RuntimeError, MemoryError) as error:
            started = 1 + len(running)
            log(f"{error}: {started} invocations at once are served, and not {len(clients)}; see {_LIMITS}", "WARN")
            del clients[started:]
            break
        begun.acquire(True, BEGIN_S)
        running.append(ended)
    del reserve
    gate.release()
    run(clients[0], None)
    for ended in running:
        ended.acquire()
    if len(failures) == len(clients):
        raise failures[-1]


def _persist(function: "Function", client: RuntimeApi, trace: "TraceVariable | None") -> None:
    """Serve; when the Runtime API fails, try again with growing pauses, as the contract of managed instances says."""
    from time import sleep

    from .log import log

    poller = FastPath(client, Caller(function, trace))
    failed = 0
    while True:
        received_at = client.received_at
        try:
            return poller.serve()
        except RuntimeApiError as error:
            failed = 1 if client.received_at > received_at else failed + 1
            # An answer that the platform could not take is no reason to ask for more: only `next` is tried again.
            if client.is_busy or failed > TRIES or client.is_stopping:
                raise
            log(f"{error}; trying again", "WARN")
            client.close()
            sleep(FIRST_PAUSE_S * 2 ** (failed - 1))


def _alternate_stack() -> object:
    """Give this thread a stack of its own for the handlers of fatal signals; faulthandler does so for the main one.

    Without it, a stack overflow would end the process without a word. Returns what must be kept (sigaltstack(2)).
    """
    from . import abi
    from .calls import HandlerFunction

    try:
        sigaltstack = HandlerFunction(abi.python_symbol("sigaltstack"))
    except (OSError, AttributeError):
        return None  # not on this system
    stack, wanted = bytearray(1 << 16), abi.Memory(3 * abi.WORD)
    wanted.words[0] = abi.address_of(stack)
    wanted.words[1] = wanted.words[2] = 0
    wanted.words[2 if sys.platform == "linux" else 1] = len(stack)  # Linux: address, flags, size
    sigaltstack(wanted.argument, None)
    return stack
