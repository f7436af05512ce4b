"""Passes the requests to `serve` to the part of the emulator that they are for."""

import json

from ..http_server.cors import normalize_origin
from ..http_server.descriptor_limit import raise_limit
from ..http_server.listener import FEWEST_CONNECTIONS, HttpServer, RequestHandler
from ..http_server.messages import HttpResponse
from ..sandbox.error_documents import error_text
from ..sandbox.invocation_log import InvocationLog
from ..sandbox.pool import Pool
from ..sandbox.rate_limit import RateLimit
from . import http_api, lambda_api
from .http_api import HttpApi
from .lambda_api import LambdaApi, is_lambda_path
from .launch import program_paths, sandbox_options
from .served_functions import ServedFunction, ServedFunctions
from .size_limits import body_limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..http_server.host_check import HostCheck
    from ..http_server.listener import AcceptedConnection
    from ..http_server.messages import HttpRequest
    from ..http_server.request_head import RequestHead
    from .options import FunctionOptions, ServeOptions
    from .source_build import SourceBuild

HEALTH_PATH = "/_faas/health"
_SHOWN = 100  # characters of a refused name
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


def share_out(allowed: int, wanted: "Sequence[int]") -> "list[int]":
    """How many invocations at once each function may run, if the sum of what is wanted may be too large."""
    total = sum(wanted)
    return list(wanted) if allowed >= total else [max(1, allowed * each // total) for each in wanted]


class Router(RequestHandler):
    """Passes each request to the part of the emulator that it is for."""

    def __init__(self, options: "ServeOptions", log: InvocationLog) -> None:
        wanted = [function.concurrency for function in options.functions]
        allowed, connections = descriptor_budget(raise_limit(), sum(wanted))
        self._wanted, self._allowed = sum(wanted), allowed
        shares = share_out(allowed, wanted)
        self.build = _source_build(options, log)
        self.functions = ServedFunctions(
            [_serve(function, share, options, self.build) for function, share in zip(options.functions, shares)]
        )
        self.server = HttpServer(self, DESCRIPTORS_EACH * sum(wanted), connections)
        self.host_check: HostCheck | None = None
        """Set before the server listens."""
        self._log = log
        self._refusals = RateLimit(log.print_message, "requests were refused")
        # With --cors none, the function decides about its own paths only.
        self._lambda_api = LambdaApi(self.functions, options.origins or (), self.server.run, self._report_refusal)
        self._http_api = HttpApi(options, self.functions, self.server.run, log.print_message, self._report_refusal)

    def report_limits(self) -> None:
        """Say if the system allows less than what was asked for. The server listens."""
        limit = self.server.connection_limit
        if self._allowed < self._wanted:
            few = f"{self._allowed} of {self._wanted} invocations, and {limit} connections,"
            self._log.print_message(f"only {few} at once are possible; {MORE_CONNECTIONS}")
        elif limit < self._wanted:
            self._log.print_message(f"only {limit} connections at once are possible; {MORE_CONNECTIONS}")

    def body_limit(self, head: "RequestHead") -> int:
        """The limit of a request's body, in bytes."""
        return body_limit(head.fields, is_lambda_path=is_lambda_path(head.target))

    def refuse(self, head: "RequestHead | None", status: int, reason: str) -> HttpResponse:
        """The response to a request that was not read completely."""
        self._report_refusal(status, reason)
        if head is None or is_lambda_path(head.target):
            return lambda_api.refuse_unread(head, status, reason)
        return http_api.refusal(status)

    def connection_dropped(self, limit: int) -> None:
        """Report that there is no room for one more connection."""
        self._report_refusal(503, f"all {limit} connections are busy; {MORE_CONNECTIONS}")

    def handle(self, request: "HttpRequest", connection: "AcceptedConnection") -> None:
        """Answer a request."""
        refused_name = self.host_check.refused_name(request.header("host")) if self.host_check else ""
        if refused_name:
            connection.respond(self._refuse_host(request.path, refused_name))
        elif request.path == HEALTH_PATH:
            connection.respond(self._health())
        elif is_lambda_path(request.path):
            self._lambda_api.handle(request, connection)
        else:
            self._http_api.handle(request, connection)

    def _refuse_host(self, path: str, name: str) -> HttpResponse:
        reason = (
            f"{name[:_SHOWN]!r} may be a name that a web page has made up for this machine; use localhost or an IP "
            f"address, or {_allow(name)}--host '*' to serve the network"
        )
        self._report_refusal(421, reason)
        if is_lambda_path(path):
            return lambda_api.refuse_unread(None, 421, reason)
        return http_api.refusal(421, reason)

    def _report_refusal(self, status: int, reason: str) -> None:
        self._refusals.print_message(f"a request was refused ({status}): {reason}")

    def _health(self) -> HttpResponse:
        """The state of all functions: ready if each has a process that is; failed if one has failed."""
        states = [_state(function) for function in self.functions]
        content = next((state for state in states if state["status"] == "failed"), None)
        content = content or next((state for state in states if state["status"] == "starting"), states[0])
        status = 200 if content["status"] == "ready" else 503
        return HttpResponse(status, json.dumps(content).encode(), [("Content-Type", "application/json")])


def _allow(name: str) -> str:
    """How to allow a name of the header Host; empty for one that --cors would refuse, or that is not shown whole."""
    try:
        return f"allow the name: --cors {normalize_origin(f'http://{name}')}, or " if len(name) <= _SHOWN else ""
    except ValueError:
        return ""


def _source_build(options: "ServeOptions", log: InvocationLog) -> "SourceBuild | None":
    """The build of all functions, if they are built here."""
    if not options.build:
        return None
    from .source_build import SourceBuild
    from .source_tree import SourceTree

    built = [path for function in options.functions for path in program_paths(function.program)]
    return SourceBuild(options.build, SourceTree("", built), log)


def _serve(
    function: "FunctionOptions", concurrency: int, options: "ServeOptions", build: "SourceBuild | None"
) -> ServedFunction:
    log = InvocationLog(function.version, function.memory_mb, name=function.name)
    pool = Pool(sandbox_options(function, concurrency, watch=options.watch), log)
    if build is None:
        return ServedFunction(function, pool)
    from .built_pool import BuiltPool

    return ServedFunction(function, BuiltPool(pool, build))


def _state(function: ServedFunction) -> "dict[str, str]":
    pool, name = function.pool, function.options.name
    if pool.is_ready:
        return {"status": "ready"}
    if pool.is_starting:
        return {"status": "starting"}
    error = error_text(pool.failure.payload) if pool.failure else "its process has ended"
    prefix = f"{name}: " if name else ""
    return {"status": "failed", "error": f"{prefix}{error}; the next invocation starts another one"}
