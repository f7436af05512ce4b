"""The listening side: connections of clients, how many there may be, and one handler for all their requests."""

import asyncio
import errno
import socket
import sys
import traceback

from .descriptors import raise_limit
from .http import BUSY, HEAD, Connection
from .invocation import StreamBroken
from .messages import Answer, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .heads import Head

BACKLOG = 1024
BURST = 16  # connections that are accepted in one go
RESERVED = 64 + 4 * BURST  # for ourselves; one that is closed to make room is gone some steps later
RESERVED_EACH = 8  # for each environment: two pipes, a listener, its connections
FEWEST = 16
MORE = "for more, raise the limit of open files (ulimit -n), or give a lower --concurrency"


class Routes:
    """What is done with requests."""

    def limit(self, head: "Head") -> int:
        """How large a body may be, in bytes."""
        raise NotImplementedError

    def refuse(self, head: "Head | None", status: int, reason: str) -> Answer:
        """The answer to a request that is not taken; `head` is None if it was not even read."""
        raise NotImplementedError

    async def handle(self, request: Request) -> Answer:
        """The answer to a request."""
        raise NotImplementedError


class Server:
    """The listeners and the connections of clients."""

    def __init__(self, routes: Routes, concurrency: int) -> None:
        """`concurrency`: how many environments there may be, which need descriptors too."""
        self.routes = routes
        self.connections: dict[ClientConnection, None] = {}
        """All of them; those that waited longest for a request come first."""
        self.most = max(FEWEST, raise_limit() - RESERVED - RESERVED_EACH * concurrency)
        """How many connections there may be at once, as far as the system's limit of open files allows."""
        self._listeners: list[asyncio.AbstractServer] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int) -> int:
        """Listen at an address (`*`: all of them); returns the port. Raises OSError."""
        loop = asyncio.get_running_loop()
        name = None if host == "*" else host
        found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        places = sorted({(family, address) for family, _, _, _, address in found}, key=lambda place: place[0])
        listeners: list[socket.socket] = []
        for family, address in places:
            try:
                listeners.append(_bound(family, address, port))
            except OSError as error:
                if listeners and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    continue  # there is no IPv6 here, although there is a name for it
                for listener in listeners:
                    listener.close()
                raise
            port = listeners[0].getsockname()[1]
        for listener in listeners:
            # On Windows, only the first call of `listen` counts, and connections are accepted one by one anyway.
            burst = BACKLOG if sys.platform == "win32" else BURST
            server = await loop.create_server(lambda: ClientConnection(self), sock=listener, backlog=burst)
            self._listeners.append(server)
            listener.listen(BACKLOG)
        return port

    def close(self) -> None:
        """Listen no more, and close each connection when the request in hand is answered."""
        for listener in self._listeners:
            listener.close()
        for connection in list(self.connections):
            connection.is_closing = True
            if connection.state is not BUSY:
                connection.transport.close()

    async def drain(self, seconds: float) -> None:
        """Let clients take their answers, for so long; then close everything."""
        over = asyncio.get_running_loop().time() + seconds
        while self.connections or self._tasks:
            if asyncio.get_running_loop().time() > over:
                self.abort()
                break
            await asyncio.sleep(0.005)

    def abort(self) -> None:
        """Close everything now."""
        for task in self._tasks:
            task.cancel()
        for connection in list(self.connections):
            connection.transport.abort()

    def admit(self, connection: "ClientConnection") -> None:
        """Take a new connection; when there are too many, the one that idles longest makes room for it.

        Where none idles, the new one goes: an answer would need a place too, until its client has read it.
        """
        self.connections[connection] = None
        if len(self.connections) > self.most:
            idle = next(other for other in self.connections if other.state is HEAD)  # the new one, at the latest
            if idle is connection:
                self.routes.refuse(None, 503, f"all {self.most} connections are busy; {MORE}")
            del self.connections[idle]
            idle.transport.abort()

    def touch(self, connection: "ClientConnection") -> None:
        """Something has come over a connection: others idle longer."""
        if connection in self.connections:
            del self.connections[connection]
            self.connections[connection] = None

    def run(self, coroutine: "Any") -> None:
        """Answer in the background."""
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class ClientConnection(Connection):
    """A connection of a client: requests are read whole, and answered by the routes."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self._server = server
        self._pieces: list[bytes] = []
        self._peer = ""

    def connection_made(self, transport: "Any") -> None:
        """It is open."""
        super().connection_made(transport)
        self._peer = str((transport.get_extra_info("peername") or ("",))[0])
        self._server.admit(self)

    def begun(self, head: "Head") -> int:
        """The routes know how large the body may be."""
        self._pieces = []
        return self._server.routes.limit(head)

    def piece(self, data: bytes) -> None:
        """Keep a piece of the body."""
        self._pieces.append(data)

    def complete(self, trailers: "list[tuple[str, str]]") -> None:
        """Let the routes answer."""
        head = self.head
        assert head is not None
        self._server.touch(self)
        pieces, self._pieces = self._pieces, []
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        request = Request(head.method, head.target, head.fields, body, peer=self._peer, version=head.version)
        self._server.run(self._answer(request))

    def refuse(self, status: int, reason: str) -> Answer:
        """The routes know the words for it."""
        return self._server.routes.refuse(self.head, status, reason)

    def lost(self) -> None:
        """One less."""
        self._server.connections.pop(self, None)

    async def _answer(self, request: Request) -> None:
        """Answer a request; a client that has gone meanwhile changes nothing for the function."""
        try:
            answer = await self._server.routes.handle(request)
            if isinstance(answer.body, bytes):
                self.write(answer.status, answer.headers, answer.body)
            else:
                await self.write_pieces(answer, answer.body)
        except StreamBroken:
            pass  # the answer is cut off, and why has been told
        except Exception:
            traceback.print_exc(file=sys.stderr)
            if not self.transport.is_closing():
                self.transport.abort()
        finally:
            self.ready()


def _bound(family: int, address: "tuple[Any, ...]", port: int) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there, it would let others take the port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address[0], port, *address[2:]))
    except OSError:
        bound.close()
        raise
    return bound
