"""`faas-runtime serve`: functions behind an emulator of Lambda, until a signal ends it."""

import gc
import signal
import socket

from ..errors import UsageError
from ..event_loop.loop import print_error, running_loop
from ..event_loop.tasks import Future, Task, run, wait
from ..http_server.host_check import HostCheck
from ..sandbox import reaper
from ..sandbox.invocation_log import InvocationLog
from .announcement import ALL_ADDRESSES, announce, listen_error
from .router import Router

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .options import ServeOptions

DRAIN_S = 2.0  # for clients to read their responses at the end
SECOND_SIGNAL = 128  # plus the number of the signal, as shells report it


class _Signals:
    """The first signal stops the emulator after the running invocations, the second one at once.

    A terminal that is closed sends SIGHUP; nohup ignores it.
    """

    def __init__(self) -> None:
        self.first = Future()
        self.second = Future()
        self.number = 0
        loop = running_loop()
        for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is None or (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):
                continue
            loop.add_signal_handler(number, self._received, int(number))

    def _received(self, number: int) -> None:
        self.number = number
        (self.second if self.first.done() else self.first).set_result()


def serve(options: "ServeOptions") -> int:
    """Serve until a signal arrives; returns the exit code."""
    return run(_serve(options))


async def _serve(options: "ServeOptions") -> int:
    log = InvocationLog(options.functions[0].version, options.functions[0].memory_mb)
    running_loop().error_handler = lambda message, error: _report_error(message, error, log)
    signals = _Signals()
    router = Router(options, log)
    try:
        addresses = _resolve(options.host)
        router.host_check = HostCheck(options.host, addresses, options.origins or ())
        port = router.server.listen(options.host, options.port)
    except (OSError, UnicodeError) as error:  # UnicodeError: not the form of a host name
        raise UsageError(listen_error(options, error)) from error
    announce(options, port, log)
    router.report_limits()
    if router.build is not None:
        router.build.start()
    for function in router.functions:
        router.server.run(function.pool.start())
    gc.freeze()  # what is there by now stays: it need not be looked at again and again
    await signals.first
    try:
        return await _stop(router, signals, log)
    finally:
        reaper.kill_orphans()


async def _stop(router: Router, signals: _Signals, log: InvocationLog) -> int:
    """Stop in order: first the running invocations end, then the processes. A second signal ends everything at once."""
    pools = [function.pool for function in router.functions]
    unfinished = sum(pool.unfinished_count for pool in pools)
    if unfinished:
        which = "an invocation" if unfinished == 1 else f"{unfinished} invocations"
        log.print_message(f"waiting for the end of {which}; a second Ctrl-C or signal ends everything at once")

    async def stop_in_order() -> None:
        router.server.close()
        try:
            tasks = [Task(pool.stop()) for pool in pools]
            await wait(tasks)
            for task in tasks:
                task.result()
        finally:
            await router.server.drain(DRAIN_S)

    stopping = Task(stop_in_order())
    await wait([stopping, signals.second], first_only=True)
    if not stopping.done():
        for pool in pools:
            pool.kill()
        router.server.abort()
        await wait([stopping], seconds=1.0)
        return SECOND_SIGNAL + signals.number
    stopping.result()
    return 0


def _resolve(host: str) -> "set[str]":
    """The IP addresses of a host; raises OSError or UnicodeError."""
    if host in ALL_ADDRESSES:
        return {"0.0.0.0"}  # noqa: S104
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return {str(address[0]) for _, _, _, _, address in found}


def _report_error(message: str, error: BaseException, log: InvocationLog) -> None:
    """Report an error in the event loop. Connections that break are normal."""
    if isinstance(error, (ConnectionError, TimeoutError)):
        return
    if isinstance(error, OSError):
        log.print_message(f"{message}: {error}")
        return
    print_error(f"faas-runtime: internal error of the emulator: {message}", error)
