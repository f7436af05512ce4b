"""One keep-alive connection to the Runtime API.

It is made of the module `_socket`, of which the standard `socket` is a wrapper that takes longer to import
than all the rest of the runtime together. Proxies play no part: the Runtime API is local by nature.
"""

import _socket

from . import __version__
from .errors import RuntimeApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .environment import Place
    from .framing import Answer, Reader

PATH = "/2018-06-01/runtime"
CONNECT_TIMEOUT_S = 1.0
JOINED_SIZE = 65536  # up to here, copying the body behind its head costs less than a second system call
GATHERS = hasattr(_socket.socket, "sendmsg")  # not on Windows
# Windows has no such flag; there, the socket itself is switched for the moment.
DO_NOT_WAIT: int = getattr(_socket, "MSG_DONTWAIT", 0)


class Connection:
    """Sends requests and reads their answers, connecting when needed.

    A server may close an idle connection at any moment. A request that is `repeatable` is sent again when the
    connection turns out to be closed without a byte of an answer. Any other is sent once: whether a server that closes
    without an answer has taken it, nobody knows.
    """

    def __init__(self, address: "Place") -> None:
        self._address = address
        self.common = f" HTTP/1.1\r\nHost: {address.authority}\r\nUser-Agent: faas-runtime/{__version__}\r\n"
        """What follows the path in every request."""
        self.next_request = f"GET {PATH}/invocation/next{self.common}\r\n".encode()
        self._reader: Reader | None = None
        self.socket: _socket.socket | None = None
        self.is_proven = False
        """Whether the server has left the connection open after an answer."""
        self.is_stopping = False
        """Whether nothing is to be repeated any more."""

    @property
    def reader(self) -> "Reader":
        """The buffer, kept from one connection to the next: it has the size that the payloads need."""
        if self._reader is None:
            from .framing import Reader

            self._reader = Reader(self._receive)
        return self._reader

    @property
    def received(self) -> int:
        """How much of the current answer has been received; for other threads, which must not make a reader."""
        return self._reader.count if self._reader is not None else 0

    def exchange(self, head: bytes, body: "bytes | memoryview" = b"", *, repeatable: bool = False) -> "Answer":
        """Send a request and read its answer, without any limit of time."""
        if not repeatable and not self.is_open():
            self.close()
        is_new = self.begin(head, body)
        return self.finish(head, repeatable=repeatable and not is_new)

    def begin(self, head: bytes, body: "bytes | memoryview" = b"") -> bool:
        """Send a request; returns whether that took a new connection."""
        is_new = self.socket is None
        if is_new:
            self.open()
        assert self.socket is not None
        first, rest = (head + body, b"") if len(body) <= JOINED_SIZE else (head, body)
        try:
            # In one system call where there is one for it: a server that is woken up by the head alone loses time.
            sent = self.socket.sendmsg((head, rest)) if rest and GATHERS else self.socket.send(first)
        except OSError:
            if is_new:
                return True  # reading will tell why
            self.close()  # nothing of the request has left, so even a POST may go out again
            return self.begin(head, body)
        try:
            if sent < len(first):
                self.socket.sendall(first[sent:])
            if rest:
                self.socket.sendall(memoryview(rest)[max(0, sent - len(first)) :])
        except OSError:
            pass  # a server that refuses a large body answers, and closes before it has read it all
        return is_new

    def finish(self, head: bytes, received: int = 0, *, repeatable: bool = False) -> "Answer":
        """Read the answer to a request that was sent, of which so many bytes are there already."""
        from .errors import ConnectionLost

        try:
            answer = self.reader.answer(received)
        except ConnectionLost as error:
            self.close()
            if not (repeatable and error.unanswered) or self.is_stopping:
                raise
            self.begin(head)
            return self.finish(head)
        except BaseException:
            self.close()
            raise
        self.keep_or_close(answer)
        return answer

    def keep_or_close(self, answer: "Answer") -> None:
        """After an answer: keep the connection if the server does, and said nothing that nobody asked for."""
        if not answer.keep_alive or self.reader.count > answer.body_end:
            self.close()

    def is_open(self) -> bool:
        """Whether there is a connection, neither closed by its peer nor filled with what nobody asked for."""
        if self.socket is None:
            return False
        try:
            if not DO_NOT_WAIT:
                self.socket.setblocking(False)
            self.socket.recv(1, _socket.MSG_PEEK | DO_NOT_WAIT)
        except BlockingIOError:
            if not DO_NOT_WAIT:
                self.socket.setblocking(True)
            return True
        except OSError:
            pass  # reset by the peer
        return False

    def close(self) -> None:
        """Close the connection; the next exchange opens another one."""
        closed, self.socket = self.socket, None
        self.is_proven = False
        if closed is not None:
            try:
                closed.close()
            except OSError:
                pass  # the function has closed it, with all descriptors that it did not know

    def open(self) -> None:
        """Connect to the first address of the host that accepts."""
        self.close()
        address = self._address
        failure: OSError | None = None
        try:
            if address.host.replace(".", "").isdigit():  # an IPv4 address, which needs no resolver
                self.socket = _connect(_socket.AF_INET, _socket.SOCK_STREAM, 0, (address.host, address.port))
                return
            # bytes, as the host name of a str would be encoded as IDNA, which imports all of Unicode
            found = _socket.getaddrinfo(address.host.encode(), address.port, 0, _socket.SOCK_STREAM)
        except OSError as error:
            raise self._unreachable(error) from error
        for family, kind, protocol, _, socket_address in found:
            try:
                self.socket = _connect(family, kind, protocol, socket_address)
            except OSError as error:
                failure = failure or error
                continue
            return
        raise self._unreachable(failure) from failure

    def _receive(self, place: memoryview) -> int:
        assert self.socket is not None
        return self.socket.recv_into(place)

    def _unreachable(self, error: "OSError | None") -> RuntimeApiError:
        return RuntimeApiError(
            f"no connection to the Runtime API at {self._address.authority}: {error}. "
            "Check that it is running and that AWS_LAMBDA_RUNTIME_API names it"
        )


def _connect(family: int, kind: int, protocol: int, address: "tuple[object, ...]") -> "_socket.socket":
    connected = _socket.socket(family, kind, protocol)
    try:
        connected.settimeout(CONNECT_TIMEOUT_S)
        connected.connect(address)
        connected.settimeout(None)  # the process may be frozen for hours while it waits
        connected.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    except BaseException:
        connected.close()
        raise
    return connected
