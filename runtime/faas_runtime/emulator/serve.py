"""`faas-runtime serve`: the function behind an emulator of Lambda, until a signal ends it."""

import asyncio
import errno
import json
import signal
import socket
import sys

from ..errors import UsageError
from . import documents, lambda_api, reaper, web_front
from .front import MORE, Routes, Server
from .hosts import Hosts
from .lambda_api import LambdaApi
from .lines import Lines
from .messages import Answer
from .pool import Pool
from .rationed import Rationed
from .web_front import WebFront

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .command import Options
    from .heads import Head
    from .messages import Request

HEALTH = "/_faas/health"
EVERYWHERE = ("*", "0.0.0.0", "::")  # noqa: S104
TAKEN_S = 2.0  # for clients to take their answers, after everything is answered
SECOND_SIGNAL = 128  # plus its number, as shells report it


class _Routes(Routes):
    """Which part of the emulator a request is for."""

    def __init__(self, options: "Options", lines: Lines) -> None:
        self.pool = Pool(options, lines)
        self.server = Server(self, options.concurrency)
        self.hosts: Hosts | None = None
        """Which names requests may be for, as soon as it is listened."""
        self._refusals = Rationed(lines.say, "requests were refused")
        self._lambda = LambdaApi(options, self.pool, self.server.run, self._refused)
        self._web = WebFront(options, self.pool, lines.say, self._refused)

    def limit(self, head: "Head") -> int:
        return lambda_api.limit(head) if lambda_api.is_lambda_path(head.target) else web_front.PAYLOAD_LIMIT

    def refuse(self, head: "Head | None", status: int, reason: str) -> Answer:
        self._refused(status, reason)
        if head is None or lambda_api.is_lambda_path(head.target):
            return lambda_api.refuse(head, status, reason)
        return web_front.refusal(status)

    async def handle(self, request: "Request") -> Answer:
        misdirected = self.hosts.refusal(request.header("host")) if self.hosts else ""
        if misdirected:
            return self._misdirected(request.path, misdirected)
        if request.path == HEALTH:
            return self._health()
        if lambda_api.is_lambda_path(request.path):
            return await self._lambda.handle(request)
        return await self._web.handle(request)

    def _misdirected(self, path: str, reason: str) -> Answer:
        self._refused(421, reason)
        if lambda_api.is_lambda_path(path):
            return lambda_api.refuse(None, 421, reason)
        return web_front.refusal(421, reason)

    def _refused(self, status: int, reason: str) -> None:
        self._refusals.say(f"a request was refused ({status}): {reason}")

    def _health(self) -> Answer:
        failure = self.pool.failure
        if self.pool.is_ready:
            status, found = 200, {"status": "ready"}
        elif self.pool.is_starting:
            status, found = 503, {"status": "starting"}
        else:
            error = documents.told(failure.payload) if failure else "its process has ended"
            status, found = 503, {"status": "failed", "error": f"{error}; the next invocation starts another one"}
        return Answer(status, json.dumps(found).encode(), [("Content-Type", "application/json")])


class _Signals:
    """SIGTERM and SIGINT: the first one ends the emulator when what it has in hand is over, the second one at once."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        self.number = 0
        self._loop = asyncio.get_running_loop()
        for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is None:
                continue
            try:
                self._loop.add_signal_handler(number, self._take, int(number))
            except NotImplementedError:  # Windows
                signal.signal(number, self._take_anywhere)

    def _take(self, number: int) -> None:
        self.number = number
        (self.second if self.first.is_set() else self.first).set()

    def _take_anywhere(self, number: int, _frame: object) -> None:
        self._loop.call_soon_threadsafe(self._take, number)


def serve(options: "Options") -> int:
    """Serve until a signal comes; returns the exit code."""
    return asyncio.run(_serve(options))


async def _serve(options: "Options") -> int:
    lines = Lines(options.version, options.memory_mb)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: _explain(loop, context, lines))
    signals = _Signals()
    reaper.watch()
    routes = _Routes(options, lines)
    try:
        routes.hosts = Hosts(options.host, await _addresses(options.host), options.origins or ())
        port = await routes.server.listen(options.host, options.port)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that cannot be one
        raise UsageError(_cannot_listen(options, error)) from error
    _greet(options, port, lines)
    if routes.server.most < options.concurrency:
        lines.say(f"only {routes.server.most} connections at once are possible; {MORE}")
    routes.server.run(routes.pool.start())
    await signals.first.wait()
    return await _stop(routes, signals)


async def _stop(routes: _Routes, signals: _Signals) -> int:
    """End in order: what is in hand first, then the processes; or at once."""

    async def in_order() -> None:
        routes.server.close()
        await routes.pool.stop()
        await routes.server.drain(TAKEN_S)

    ending, second = asyncio.ensure_future(in_order()), asyncio.ensure_future(signals.second.wait())
    await asyncio.wait([ending, second], return_when=asyncio.FIRST_COMPLETED)
    if not ending.done():
        routes.pool.kill()
        routes.server.abort()
        await asyncio.wait([ending], timeout=1.0)
        return SECOND_SIGNAL + signals.number
    second.cancel()
    return 0


async def _addresses(host: str) -> "set[str]":
    """What a host's name stands for; raises OSError or UnicodeError."""
    if host in EVERYWHERE:
        return {"0.0.0.0"}  # noqa: S104
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return {str(address[0]) for _, _, _, _, address in found}


def _greet(options: "Options", port: int, lines: Lines) -> None:
    handler = options.environment["_HANDLER"]
    if options.host in EVERYWHERE:
        lines.say(f"serving {handler} on all addresses, port {port} (in a container: the port that you published)")
        url = "http://127.0.0.1:PORT"
    else:
        url = f"http://{_place(options.host, port)}"
        lines.say(f"serving {handler} at {url}")
    lines.say(f"try it: curl {url}/2015-03-31/functions/function/invocations -d '{{}}'")


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _cannot_listen(options: "Options", error: "OSError | UnicodeError") -> str:
    hint = "choose another port with --port, or 0 for a free one"
    if isinstance(error, (socket.gaierror, UnicodeError)) or error.errno == errno.EADDRNOTAVAIL:
        hint = "choose an address of this machine with --host"
    why = (error.strerror if isinstance(error, OSError) else "") or error
    return f"cannot listen at {_place(options.host, options.port)}: {why}; {hint}"


def _explain(loop: asyncio.AbstractEventLoop, context: "dict[str, Any]", lines: Lines) -> None:
    """What went wrong in the event loop; that connections break is daily life."""
    error = context.get("exception")
    if isinstance(error, (ConnectionError, TimeoutError)):
        return
    if isinstance(error, OSError):
        lines.say(f"{context.get('message')}: {error}")
        return
    print("faas-runtime: a fault of the emulator itself:", file=sys.stderr, flush=True)
    loop.default_exception_handler(context)
