"""`faas-runtime serve`: the function behind an emulator of Lambda, until a signal ends it."""

import errno
import gc
import json
import signal
import socket

from ..errors import UsageError
from ..event_loop.loop import print_error, running_loop
from ..event_loop.tasks import Future, Task, run, wait
from ..http_server.descriptor_limit import raise_limit
from ..http_server.host_check import HostCheck
from ..http_server.listener import FEWEST_CONNECTIONS, HttpServer, RequestHandler
from ..http_server.messages import HttpResponse
from ..sandbox import reaper
from ..sandbox.error_documents import error_text
from ..sandbox.invocation_log import InvocationLog
from ..sandbox.pool import Pool
from ..sandbox.rate_limit import RateLimit
from . import http_api, lambda_api
from .http_api import HttpApi
from .lambda_api import LambdaApi, is_lambda_path
from .launch import sandbox_options
from .size_limits import body_limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..http_server.listener import AcceptedConnection
    from ..http_server.messages import HttpRequest
    from ..http_server.request_head import RequestHead
    from .options import ServeOptions

HEALTH_PATH = "/_faas/health"
ALL_ADDRESSES = {"*": "all addresses", "0.0.0.0": "all IPv4 addresses"}  # noqa: S104
DRAIN_S = 2.0  # for clients to read their responses at the end
SECOND_SIGNAL = 128  # plus the number of the signal, as shells report it
BASE_DESCRIPTORS = 15  # open files of the emulator itself, and of one process while it is being started
FEWEST_DESCRIPTORS_EACH = 5  # what an execution environment with one connection needs
DESCRIPTORS_EACH = 8  # open files for an execution environment: two pipes, a listener, its connections
MORE_CONNECTIONS = "for more, raise the limit of open files (ulimit -n), or give a lower --concurrency"


def descriptor_budget(limit: int, concurrency: int) -> "tuple[int, int]":
    """How many invocations and connections at once a limit of open files allows; 0 connections: the server decides.

    If there are few, clients come first: they wait until an execution environment is free.
    """
    room = limit - BASE_DESCRIPTORS
    if room >= FEWEST_CONNECTIONS + FEWEST_DESCRIPTORS_EACH * concurrency:
        return concurrency, 0
    clients = min(FEWEST_CONNECTIONS, room // 2)
    concurrency = max(1, min(concurrency, (room - clients) // FEWEST_DESCRIPTORS_EACH))
    return concurrency, max(2, room - FEWEST_DESCRIPTORS_EACH * concurrency)


class _Router(RequestHandler):
    """Passes each request to the part of the emulator that it is for."""

    def __init__(self, options: "ServeOptions", log: InvocationLog) -> None:
        (function,) = options.functions
        concurrency, connections = descriptor_budget(raise_limit(), function.concurrency)
        self.pool = Pool(sandbox_options(function, concurrency, watch=options.watch), log)
        self.server = HttpServer(self, DESCRIPTORS_EACH * function.concurrency, connections)
        self.concurrency = concurrency
        self.host_check: HostCheck | None = None
        """Set before the server listens."""
        self._refusals = RateLimit(log.print_message, "requests were refused")
        self._lambda_api = LambdaApi(options, self.pool, self.server.run, self._report_refusal)
        self._http_api = HttpApi(options, self.pool, self.server.run, log.print_message, self._report_refusal)

    def body_limit(self, head: "RequestHead") -> int:
        return body_limit(head.fields, is_lambda_path=is_lambda_path(head.target))

    def refuse(self, head: "RequestHead | None", status: int, reason: str) -> HttpResponse:
        self._report_refusal(status, reason)
        if head is None or is_lambda_path(head.target):
            return lambda_api.refuse_unread(head, status, reason)
        return http_api.refusal(status)

    def connection_dropped(self, limit: int) -> None:
        self._report_refusal(503, f"all {limit} connections are busy; {MORE_CONNECTIONS}")

    def handle(self, request: "HttpRequest", connection: "AcceptedConnection") -> None:
        refused_name = self.host_check.refused_name(request.header("host")) if self.host_check else ""
        if refused_name:
            connection.respond(self._refuse_host(request.path, refused_name[:100]))
        elif request.path == HEALTH_PATH:
            connection.respond(self._health())
        elif is_lambda_path(request.path):
            self._lambda_api.handle(request, connection)
        else:
            self._http_api.handle(request, connection)

    def _refuse_host(self, path: str, name: str) -> HttpResponse:
        reason = (
            f"{name!r} may be a name that a web page has made up for this machine; use localhost or an IP "
            f"address, or allow the name: --cors http://{name}, or --host '*' to serve the network"
        )
        self._report_refusal(421, reason)
        if is_lambda_path(path):
            return lambda_api.refuse_unread(None, 421, reason)
        return http_api.refusal(421, reason)

    def _report_refusal(self, status: int, reason: str) -> None:
        self._refusals.print_message(f"a request was refused ({status}): {reason}")

    def _health(self) -> HttpResponse:
        failure = self.pool.failure
        if self.pool.is_ready:
            status, content = 200, {"status": "ready"}
        elif self.pool.is_starting:
            status, content = 503, {"status": "starting"}
        else:
            error = error_text(failure.payload) if failure else "its process has ended"
            status, content = 503, {"status": "failed", "error": f"{error}; the next invocation starts another one"}
        return HttpResponse(status, json.dumps(content).encode(), [("Content-Type", "application/json")])


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
    function = options.functions[0]
    log = InvocationLog(function.version, function.memory_mb)
    running_loop().error_handler = lambda message, error: _report_error(message, error, log)
    signals = _Signals()
    router = _Router(options, log)
    try:
        addresses = _resolve(options.host)
        router.host_check = HostCheck(options.host, addresses, options.origins or ())
        port = router.server.listen(options.host, options.port)
    except (OSError, UnicodeError) as error:  # UnicodeError: not the form of a host name
        raise UsageError(_listen_error(options, error)) from error
    _print_address(options, port, log)
    limit = router.server.connection_limit
    if router.concurrency < function.concurrency:
        few = f"{router.concurrency} of {function.concurrency} invocations, and {limit} connections,"
        log.print_message(f"only {few} at once are possible; {MORE_CONNECTIONS}")
    elif limit < function.concurrency:
        log.print_message(f"only {limit} connections at once are possible; {MORE_CONNECTIONS}")
    router.server.run(router.pool.start())
    gc.freeze()  # what is there by now stays: it need not be looked at again and again
    await signals.first
    try:
        return await _stop(router, signals, log)
    finally:
        reaper.kill_orphans()


async def _stop(router: _Router, signals: _Signals, log: InvocationLog) -> int:
    """Stop in order: first the running invocations end, then the processes. A second signal ends everything at once."""
    unfinished = router.pool.unfinished_count
    if unfinished:
        which = "an invocation" if unfinished == 1 else f"{unfinished} invocations"
        log.print_message(f"waiting for the end of {which}; a second Ctrl-C or signal ends everything at once")

    async def stop_in_order() -> None:
        router.server.close()
        try:
            await router.pool.stop()
        finally:
            await router.server.drain(DRAIN_S)

    stopping = Task(stop_in_order())
    await wait([stopping, signals.second], first_only=True)
    if not stopping.done():
        router.pool.kill()
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


def _print_address(options: "ServeOptions", port: int, log: InvocationLog) -> None:
    handler = options.functions[0].environment["_HANDLER"]
    if options.host in ALL_ADDRESSES:
        log.print_message(
            f"serving {handler} on {ALL_ADDRESSES[options.host]}, port {port} "
            "(in a container: the port that you published)"
        )
        url = "http://127.0.0.1:PORT"
    else:
        url = f"http://{_host_and_port(options.host, port)}"
        log.print_message(f"serving {handler} at {url}")
    log.print_message(f"try it: curl {url}/2015-03-31/functions/function/invocations -d '{{}}'")


def _host_and_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listen_error(options: "ServeOptions", error: "OSError | UnicodeError") -> str:
    hint = "choose another port with --port, or 0 for a free one"
    if isinstance(error, (socket.gaierror, UnicodeError)) or error.errno == errno.EADDRNOTAVAIL:
        hint = "choose an address of this machine with --host"
    reason = (error.strerror if isinstance(error, OSError) else "") or error
    return f"cannot listen at {_host_and_port(options.host, options.port)}: {reason}; {hint}"


def _report_error(message: str, error: BaseException, log: InvocationLog) -> None:
    """Report an error in the event loop. Connections that break are normal."""
    if isinstance(error, (ConnectionError, TimeoutError)):
        return
    if isinstance(error, OSError):
        log.print_message(f"{message}: {error}")
        return
    print_error(f"faas-runtime: internal error of the emulator: {message}", error)
