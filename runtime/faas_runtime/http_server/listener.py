"""Listens on an address, limits the number of connections, and passes complete requests to one handler."""

import errno
import socket

from ..event_loop.listening import ListeningSocket, bind
from ..event_loop.loop import running_loop
from ..event_loop.tasks import Task, run_in_background, sleep
from ..event_loop.transport import SocketTransport
from .connection import READING_HEAD, RESPONDING, ServerConnection
from .descriptor_limit import raise_limit
from .messages import BodyIncomplete, HttpRequest, HttpResponse, StreamedBody
from .request_head import RequestRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from .request_head import RequestHead

BACKLOG = 1024
OWN_DESCRIPTORS = 64
FEWEST_CONNECTIONS = 16
BODIES_LIMIT = 256 << 20  # bytes of all bodies that are being received


class RequestHandler:
    """What the server does with requests."""

    def body_limit(self, head: "RequestHead") -> int:
        """The size that the body of a request may have, in bytes."""
        raise NotImplementedError

    def refuse(self, head: "RequestHead | None", status: int, reason: str) -> HttpResponse:
        """The response to a refused request; `head` is None if the head itself was not accepted."""
        raise NotImplementedError

    def handle(self, request: HttpRequest, connection: "AcceptedConnection") -> None:
        """Answer a request: call `respond` or `respond_later` of the connection, now or later."""
        raise NotImplementedError

    def connection_dropped(self, limit: int) -> None:
        """Report a new connection that was closed because all `limit` connections are busy."""
        raise NotImplementedError


class HttpServer:
    """The listening sockets and the connections of clients."""

    def __init__(self, handler: RequestHandler, reserved_descriptors: int, connection_limit: int = 0) -> None:
        """`reserved_descriptors`: how many open files the process needs for other things than connections.

        `connection_limit`: how many connections there may be at once; 0: what the system's limit of open files allows.
        """
        self.handler = handler
        self.connections: dict[AcceptedConnection, None] = {}
        """All connections; those that have waited longest for a request come first."""
        possible = max(FEWEST_CONNECTIONS, raise_limit() - OWN_DESCRIPTORS - reserved_descriptors)
        self.connection_limit = connection_limit or possible
        """How many connections there may be at once."""
        self.body_bytes = 0
        """The size of all bodies that are being received."""
        self._listeners: list[ListeningSocket] = []
        self._tasks: set[Task] = set()

    def listen(self, host: str, port: int) -> int:
        """Listen on an address (`*`: on all addresses); returns the port. Raises OSError."""
        name = None if host == "*" else host
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        addresses = sorted({(family, address) for family, _, _, _, address in found}, key=lambda item: item[0])
        sockets: list[socket.socket] = []
        for family, address in addresses:
            try:
                sockets.append(bind(family, (address[0], port, *address[2:])))
            except OSError as error:
                if sockets and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    continue  # this machine has no IPv6, although the name has an IPv6 address
                for bound in sockets:
                    bound.close()
                raise
            port = sockets[0].getsockname()[1]
        self._listeners += [ListeningSocket(bound, BACKLOG, self._accept) for bound in sockets]
        return port

    def _accept(self, connected: socket.socket, peer: str) -> None:
        connection = AcceptedConnection(self)
        connection.connection_made(SocketTransport(connected, connection, peer))

    def close(self) -> None:
        """Stop listening, and close each connection when its current request is answered."""
        for listener in self._listeners:
            listener.close()
        for connection in list(self.connections):
            connection.is_closing = True
            if connection.state is not RESPONDING:
                connection.transport.close()

    async def drain(self, seconds: float) -> None:
        """Wait until clients have read their responses, but no longer than `seconds`; then close everything."""
        loop = running_loop()
        deadline = loop.time() + seconds
        while self.connections or self._tasks:
            if loop.time() > deadline:
                self.abort()
                break
            await sleep(0.005)

    def abort(self) -> None:
        """Close everything now."""
        for task in self._tasks:
            task.cancel()
        for connection in list(self.connections):
            connection.transport.abort()

    def add(self, connection: "AcceptedConnection") -> None:
        """Add a new connection. If there are too many, the one that has been idle longest is closed.

        If none is idle, the new one is closed: a response would need a connection too, until its client has read it.
        """
        self.connections[connection] = None
        if len(self.connections) > self.connection_limit:
            idle = next(other for other in self.connections if other.state is READING_HEAD)
            if idle is connection:
                self.handler.connection_dropped(self.connection_limit)
            del self.connections[idle]
            idle.transport.abort()

    def mark_active(self, connection: "AcceptedConnection") -> None:
        """A connection has sent a request: all others have been idle longer."""
        if connection in self.connections:
            del self.connections[connection]
            self.connections[connection] = None

    def run(self, coroutine: "Coroutine[Any, Any, None]") -> None:
        """Run a coroutine in the background."""
        task = run_in_background(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class AcceptedConnection(ServerConnection):
    """A connection of a client: complete requests go to the handler."""

    def __init__(self, server: HttpServer) -> None:
        super().__init__()
        self._server = server
        self._pieces: list[bytes] = []
        self._body_bytes = 0

    def connection_made(self, transport: SocketTransport) -> None:
        """Add the connection to those of the server."""
        super().connection_made(transport)
        self._server.add(self)

    def head_received(self, head: "RequestHead") -> int:
        """Ask the handler how large the body may be."""
        self._pieces = []
        return self._server.handler.body_limit(head)

    def body_piece_received(self, piece: bytes) -> None:
        """Keep a piece of the body, unless all connections together keep too much."""
        self._server.body_bytes += len(piece)
        self._body_bytes += len(piece)
        if self._server.body_bytes > BODIES_LIMIT:
            raise RequestRefused(503, "too many bodies are being received at once")
        self._pieces.append(piece)

    def request_received(self, trailers: "list[tuple[str, str]]") -> None:
        """Let the handler answer the request."""
        head = self.head
        assert head is not None
        self._server.mark_active(self)
        pieces = self._pieces
        self._drop_body()
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        peer = self.transport.peer
        request = HttpRequest(head.method, head.target, head.fields, body, peer=peer, version=head.version)
        try:
            self._server.handler.handle(request, self)
        except Exception as error:
            self._fail(error)

    def refusal(self, status: int, reason: str) -> HttpResponse:
        """Let the handler word the refusal."""
        self._drop_body()
        return self._server.handler.refuse(self.head, status, reason)

    def closed(self) -> None:
        """Remove the connection from those of the server."""
        self._drop_body()
        self._server.connections.pop(self, None)

    def _drop_body(self) -> None:
        """The connection has released its body."""
        self._pieces = []
        self._server.body_bytes -= self._body_bytes
        self._body_bytes = 0

    def respond(self, response: HttpResponse) -> None:
        """Write the response to the current request. If the client has gone, it gets nothing."""
        if isinstance(response.body, bytes):
            self.write(response.status, response.headers, response.body)
            self.responded()
        else:
            self._server.run(self._respond_streamed(response, response.body))

    def respond_later(self, response: "Coroutine[Any, Any, HttpResponse]") -> None:
        """Run a coroutine, and write the response that it returns. It runs to its end even if the client goes away."""
        self._server.run(self._respond_later(response))

    async def _respond_later(self, response: "Coroutine[Any, Any, HttpResponse]") -> None:
        try:
            found = await response
        except Exception as error:
            self._fail(error)
        else:
            self.respond(found)

    async def _respond_streamed(self, response: HttpResponse, body: StreamedBody) -> None:
        try:
            await self.write_streamed(response, body)
        except BodyIncomplete:
            self.responded()  # the response is cut off, and the reason has been reported
        except Exception as error:
            self._fail(error)
        else:
            self.responded()

    def _fail(self, error: Exception) -> None:
        """The request cannot be answered, because of a fault of the handler."""
        self._loop.report("a request cannot be answered", error)
        self.transport.abort()
        self.responded()
